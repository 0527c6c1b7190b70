//! Files that a template engine turns into YAML: literal references are found line by line.

use super::extraction::TextSpan;

/// Whether the text is for a template engine: Helm, Jinja, ERB, or `%%NAME%%`.
pub(super) fn is_template(text: &str) -> bool {
    ["{{", "{%", "<%", "%%"].iter().any(|mark| text.contains(mark))
}

/// The literal values of `image:` lines.
pub(super) fn image_lines(text: &str) -> Vec<TextSpan> {
    let mut offset = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        found.extend(image_value(line, offset));
        offset += line.len();
    }
    found
}

/// The text with `$` instead of each `{{…}}`, byte for byte, and blanks where a line is nothing else: YAML, mostly, in
/// which every other byte stands where it stood. No reference holds a `$`.
pub(super) fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, action)) = rest.split_once("{{") {
        let Some((inside, behind)) = action.split_once("}}") else { break };
        masked.push_str(before);
        masked.push_str("$$");
        masked.extend(inside.bytes().map(|b| if matches!(b, b'\n' | b'\r') { char::from(b) } else { '$' }));
        masked.push_str("$$");
        rest = behind;
    }
    masked.push_str(rest);
    let blank = |line: &str| {
        line.trim_start_matches('\u{feff}').bytes().all(|b| matches!(b, b'$' | b' ' | b'\t' | b'\r' | b'\n'))
    };
    let lines = masked.split_inclusive('\n');
    lines.map(|line| if blank(line) { line.replace('$', " ") } else { line.to_owned() }).collect()
}

fn image_value(line: &str, offset: usize) -> Option<TextSpan> {
    let trimmed = line.trim_start();
    let key = trimmed.strip_prefix("- ").unwrap_or(trimmed).trim_start();
    let value = key.strip_prefix("image:")?;
    let plain = value.trim();
    let plain = plain.find(" #").map_or(plain, |comment| plain[..comment].trim_end());
    let text = plain.trim_matches(['"', '\'']);
    if text.is_empty() || ["{{", "{%", "<%", "%%", "$"].iter().any(|mark| text.contains(mark)) {
        return None;
    }
    let start = offset + line.find(text)?;
    Some(TextSpan { start, end: start + text.len(), text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_masked_byte_for_byte() {
        let check = |text: &str, expected: &str| {
            assert_eq!(masked(text), expected);
            assert_eq!(masked(text).len(), text.len());
        };
        check("{{- if .x }}\r\na: {{ .é }}:1\n", "            \r\na: $$$$$$$$$:1\n");
        check(
            "\u{feff}{{ a }}\na: 1 {{ b\nc }} d\n{{/* x\ny */}}\n{{ e",
            "\u{feff}       \na: 1 $$$$\n$$$$ d\n      \n      \n{{ e",
        );
    }

    #[test]
    fn literal_images_of_a_chart() {
        let text =
            "{{- if .Values.x }}\n  - image: \"busybox:1.36\" # c\n    image: {{ .Values.image }}\n  image: a/b:1\r\n";
        let found = image_lines(text);
        let shown: Vec<&str> = found.iter().map(|span| &text[span.start..span.end]).collect();
        assert_eq!(shown, ["busybox:1.36", "a/b:1"]);
        assert!(is_template(text) && !is_template("image: x"));
    }
}
