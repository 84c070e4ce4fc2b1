//! An event in the Common Event Format, for collectors of logs.
//!
//! Source: `ArcSight`'s implementation standard, revision 25, "Character Encoding".

use super::replace;

/// Writes one event: `CEF:0|vendor|product|version|class|name|severity|key=value ...`, in one line.
///
/// The keys are ours; they are letters and digits.
#[must_use]
pub fn cef<'a>(header: [&str; 6], extension: impl IntoIterator<Item = (&'static str, &'a str)>) -> String {
    let header = header.map(cef_header).join("|");
    let extension: Vec<String> =
        extension.into_iter().map(|(key, text)| format!("{key}={}", cef_value(text))).collect();
    format!("CEF:0|{header}|{}", extension.join(" "))
}

/// A part of the header: one line, in which nothing ends the part.
fn cef_header(text: &str) -> String {
    replace(text, |c| match c {
        '\\' => Some("\\\\"),
        '|' => Some("\\|"),
        '\r' | '\n' | '\t' => Some(" "),
        _plain => None,
    })
}

/// A value of the extension: one line, in which nothing begins another key.
fn cef_value(text: &str) -> String {
    replace(text, |c| match c {
        '\\' => Some("\\\\"),
        '=' => Some("\\="),
        '\r' | '\n' => Some("\\n"),
        '\t' => Some(" "),
        _plain => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_where_it_ends() {
        let event = cef(
            ["huntbook", "huntbook", "1|0", "a\\b", "x\r\ny|z", "8"],
            [("msg", "a=b c|d \\ e\r\nsrc=1.2.3.4\u{1b}[0m"), ("cs1", "")],
        );
        assert_eq!(
            event,
            "CEF:0|huntbook|huntbook|1\\|0|a\\\\b|x y\\|z|8|msg=a\\=b c|d \\\\ e\\nsrc\\=1.2.3.4\u{fffd}[0m cs1="
        );
    }
}
