//! Text made safe inside GitHub's Markdown.

/// `text` as a code span that nothing in it can end, also within a table.
pub(super) fn code(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let ticks = plain.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(ticks + 1);
    let space = if ticks > 0 { " " } else { "" };
    format!("{fence}{space}{}{space}{fence}", plain.replace('|', "\\|"))
}

/// `text` as code in HTML, where Markdown has no say: in the line of what is folded.
pub(super) fn html_code(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("<code>{}</code>", plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

/// `text` as a part of a URL's path.
pub(super) fn url_path(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_a_code_span() {
        assert_eq!(code("nginx:1"), "`nginx:1`");
        assert_eq!(code("a`b``c"), "``` a`b``c ```");
        assert_eq!(code("a|b\nc"), "`a\\|b\u{fffd}c`");
        assert_eq!(html_code("a</code><b>&\n"), "<code>a&lt;/code&gt;&lt;b&gt;&amp;\u{fffd}</code>");
        assert_eq!(url_path("a b/ä#?.yml"), "a%20b/%C3%A4%23%3F.yml");
    }
}
