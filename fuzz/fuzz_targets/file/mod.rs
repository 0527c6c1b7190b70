//! One file of a repository: its path on the first line, its content behind. So each format's parser is reached, and a
//! fixture is a seed.

use restow::formats::{self, Inventory};
use restow::repo::FilePath;

/// The path and the content, where the path is that of a file that may name images.
pub fn parse(data: &[u8]) -> Option<(FilePath, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let path = FilePath::parse(std::str::from_utf8(&data[..end]).ok()?).ok()?;
    Some((path, &data[end + 1..]))
}

/// What the file names.
pub fn read(path: &FilePath, content: &[u8]) -> Option<Inventory> {
    let extraction = formats::extract(&formats::path_key(path)?, content);
    Some(formats::link([(path, &extraction)]))
}
