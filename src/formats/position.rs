//! Byte offset → line and column.

/// Where the lines of a text begin.
pub(super) struct Positions {
    starts: Vec<usize>,
    /// The bytes of the byte order mark, which is no column.
    pub(super) mark: usize,
}

impl Positions {
    pub(super) fn new(text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(index, _)| index + 1)).collect();
        Self { starts, mark: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 } }
    }

    /// The line of an offset, from 1.
    pub(super) fn line(&self, offset: usize) -> u32 {
        u32::try_from(self.starts.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
    }

    /// The column of an offset in bytes, from 1.
    pub(super) fn column(&self, offset: usize) -> u32 {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let start = if start == 0 { self.mark } else { start };
        u32::try_from(offset.saturating_sub(start) + 1).unwrap_or(u32::MAX)
    }
}
