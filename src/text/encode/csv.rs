//! A table as CSV (RFC 4180), safe to open with a spreadsheet.

use super::replace;

/// What a spreadsheet takes for the beginning of a formula, in all widths. Source: OWASP's page on CSV injection.
const FORMULA: [char; 11] =
    ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Writes one record with its line end. Every field is quoted, and one that a spreadsheet would take for a formula
/// begins with an apostrophe, which makes it a text there.
#[must_use]
pub fn csv<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let fields: Vec<String> = fields.into_iter().map(field).collect();
    let mut record = fields.join(",");
    record.push_str("\r\n");
    record
}

fn field(text: &str) -> String {
    let visible = replace(text, |c| (c == '"').then_some("\"\""));
    // Some programs look behind blanks.
    let inside = text.trim_start_matches(|c: char| c.is_whitespace() && !FORMULA.contains(&c));
    let guard = if inside.starts_with(FORMULA) { "'" } else { "" };
    ["\"", guard, &visible, "\""].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_no_formula_and_stays_one_field() {
        let record =
            csv(["ws-1", "=1+1", " @x", "\u{ff1d}1", "a,\"b\"\r\nc", "", "-5", "\r=1", "a\u{202e}b"]);
        let expect = "\"ws-1\",\"'=1+1\",\"' @x\",\"'\u{ff1d}1\",\"a,\"\"b\"\"\nc\",\"\",\"'-5\",\"'\n=1\",\"a\u{fffd}b\"\r\n";
        assert_eq!(record, expect);
    }
}
