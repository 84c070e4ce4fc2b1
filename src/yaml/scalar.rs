//! Places inside strings: from a byte of the decoded text back to the byte of the file.
//!
//! A scalar is decoded a second time, this time keeping where each byte came from. The style is not
//! known from the parser, so every style that fits is tried, and only a result equal to the parser's own
//! counts. What cannot be mapped (an alias) has no inner places.

use std::ops::Range;

/// A decoded string that remembers where each of its bytes came from.
#[derive(Debug, Default)]
struct Mapped {
    text: String,
    /// For each byte of `text`: the source range of the character it belongs to.
    from: Vec<(usize, usize)>,
}

impl Mapped {
    fn push(&mut self, char: char, from: Range<usize>) {
        self.text.push(char);
        self.from.resize(self.text.len(), (from.start, from.end));
    }

    fn truncate(&mut self, len: usize) {
        self.text.truncate(len);
        self.from.truncate(len);
    }

    /// Drops trailing line breaks the block's chomping dropped; nothing if the text is another.
    fn chomped(mut self, text: &str) -> Option<Self> {
        let tail = self.text.strip_prefix(text)?;
        if !tail.bytes().all(|byte| byte == b'\n') {
            return None;
        }
        self.truncate(text.len());
        Some(self)
    }

    /// Adds a stretch of the source as it stands.
    fn push_str(&mut self, source: &str, range: Range<usize>) {
        let start = range.start;
        for (at, char) in source.get(range).unwrap_or_default().char_indices() {
            self.push(char, start + at..start + at + char.len_utf8());
        }
    }
}

/// Finds where `range` of the decoded `text` stands in `source`. `span` is the parser's place of the scalar.
pub(super) fn locate(
    source: &str,
    span: Range<usize>,
    text: &str,
    range: Range<usize>,
) -> Option<Range<usize>> {
    if range.start > range.end || range.end > text.len() {
        return None;
    }
    let mapped = [double_quoted, single_quoted, plain, block_literal, block_folded]
        .into_iter()
        .find_map(|decode| decode(source, span.clone())?.chomped(text))?;
    let at = |byte: usize| mapped.from.get(byte).copied();
    let end_of_text = mapped.from.last().map_or(span.end, |(_, end)| *end);
    let start = at(range.start).map_or(end_of_text, |(start, _)| start);
    let end = if range.is_empty() { start } else { at(range.end.checked_sub(1)?)?.1 };
    Some(start..end.max(start))
}

/// Decodes a plain scalar: lines are folded, there are no escapes.
fn plain(source: &str, span: Range<usize>) -> Option<Mapped> {
    flow(source, span, |_, _, _| None)
}

/// Decodes a single-quoted scalar: `''` is a quote.
fn single_quoted(source: &str, span: Range<usize>) -> Option<Mapped> {
    flow(source, within(source, span, '\'')?, |source, at, out| {
        source.get(at..)?.starts_with("''").then(|| {
            out.push('\'', at..at + 2);
            at + 2
        })
    })
}

/// Decodes a double-quoted scalar: escapes, and line breaks that a backslash removes.
fn double_quoted(source: &str, span: Range<usize>) -> Option<Mapped> {
    flow(source, within(source, span, '"')?, |source, at, out| {
        let rest = source.get(at..)?.strip_prefix('\\')?;
        let line_break = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n'));
        if let Some(next) = line_break {
            // The break itself is no content; each empty line after it is one.
            let end = source.len() - next.trim_start_matches([' ', '\t', '\r', '\n']).len();
            for _ in next.get(..next.len() - (source.len() - end))?.matches('\n') {
                out.push('\n', at..end);
            }
            return Some(end);
        }
        let (char, len) = escape(rest)?;
        out.push(char, at..at + 1 + len);
        Some(at + 1 + len)
    })
}

/// The range between two quotes.
fn within(source: &str, span: Range<usize>, quote: char) -> Option<Range<usize>> {
    let inner = source.get(span.clone())?.strip_prefix(quote)?.strip_suffix(quote)?;
    Some(span.start + 1..span.start + 1 + inner.len())
}

/// Reads the escape after a backslash: the character, and how many bytes it took.
fn escape(rest: &str) -> Option<(char, usize)> {
    let kind = rest.chars().next()?;
    let digits = |count: usize| u32::from_str_radix(rest.get(1..=count)?, 16).ok();
    let simple = |char: char| Some((char, kind.len_utf8()));
    match kind {
        '0' => simple('\0'),
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        't' | '\t' => simple('\t'),
        'n' => simple('\n'),
        'v' => simple('\u{b}'),
        'f' => simple('\u{c}'),
        'r' => simple('\r'),
        'e' => simple('\u{1b}'),
        ' ' | '"' | '/' | '\\' => simple(kind),
        'N' => simple('\u{85}'),
        '_' => simple('\u{a0}'),
        'L' => simple('\u{2028}'),
        'P' => simple('\u{2029}'),
        'x' => Some((char::from_u32(digits(2)?)?, 3)),
        'u' => match digits(4)? {
            high @ 0xd800..=0xdbff => {
                let low = u32::from_str_radix(rest.get(5..11)?.strip_prefix("\\u")?, 16).ok()?;
                let pair = 0x1_0000 + ((high - 0xd800) << 10) + low.checked_sub(0xdc00)?;
                Some((char::from_u32(pair)?, 11))
            }
            unit => Some((char::from_u32(unit)?, 5)),
        },
        'U' => Some((char::from_u32(digits(8)?)?, 9)),
        _ => None,
    }
}

/// Decodes a scalar of flow style. `special` consumes an escape at a place and says where it ends.
fn flow(
    source: &str,
    span: Range<usize>,
    special: impl Fn(&str, usize, &mut Mapped) -> Option<usize>,
) -> Option<Mapped> {
    let mut out = Mapped::default();
    let text = source.get(..span.end)?;
    let mut at = span.start;
    // White space before a break is dropped, unless an escape wrote it.
    let mut kept = 0;
    while let Some(char) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if let Some(next) = special(text, at, &mut out) {
            (at, kept) = (next, out.text.len());
            continue;
        }
        if char != '\n' && !text.get(at..)?.starts_with("\r\n") {
            out.push(char, at..at + char.len_utf8());
            at += char.len_utf8();
            if !matches!(char, ' ' | '\t') {
                kept = out.text.len();
            }
            continue;
        }
        out.truncate(kept);
        let breaks = text.get(at..)?;
        let white = breaks.len() - breaks.trim_start_matches([' ', '\t', '\r', '\n']).len();
        let lines = breaks.get(..white)?.matches('\n').count();
        if lines == 1 {
            out.push(' ', at..at + white);
        } else {
            (1..lines).for_each(|_| out.push('\n', at..at + white));
        }
        (at, kept) = (at + white, out.text.len());
    }
    Some(out)
}

/// One line of a block scalar: its content without indentation, and where its break ends.
struct Line {
    content: Range<usize>,
    end: usize,
}

/// Cuts a block scalar into lines. `span` starts in its first line with content.
fn lines(source: &str, span: &Range<usize>) -> Option<Vec<Line>> {
    let text = source.get(..span.end)?;
    let line_start = |at: usize| source.get(..at).map(|before| before.rfind('\n').map_or(0, |end| end + 1));
    let mut start = line_start(span.start)?;
    let indent = span.start - start;
    // Empty lines above the first content belong to the scalar; its header stands above them.
    while start > 0 {
        let above = line_start(start - 1)?;
        if !source.get(above..start)?.trim().is_empty() {
            break;
        }
        start = above;
    }
    let mut lines = Vec::new();
    while start < text.len() {
        let rest = text.get(start..)?;
        let end = rest.find('\n').map_or(text.len(), |at| start + at + 1);
        let line = source.get(start..end)?.trim_end_matches('\n').trim_end_matches('\r');
        let lead = (line.len() - line.trim_start_matches(' ').len()).min(indent);
        lines.push(Line { content: start + lead..start + line.len(), end });
        start = end;
    }
    Some(lines)
}

/// Decodes a literal block scalar (`|`), whatever its chomping: the caller compares.
fn block_literal(source: &str, span: Range<usize>) -> Option<Mapped> {
    let mut out = Mapped::default();
    for line in lines(source, &span)? {
        out.push_str(source, line.content.clone());
        out.push('\n', line.content.end..line.end);
    }
    Some(out)
}

/// Decodes a folded block scalar (`>`).
fn block_folded(source: &str, span: Range<usize>) -> Option<Mapped> {
    let mut out = Mapped::default();
    // How the last line with content was indented, and the breaks since.
    let mut last: Option<Indent> = None;
    let mut breaks: Vec<Range<usize>> = Vec::new();
    for line in lines(source, &span)? {
        let content = source.get(line.content.clone())?;
        let after = line.content.end..line.end;
        if content.is_empty() {
            breaks.push(after);
            continue;
        }
        let indent = if content.starts_with([' ', '\t']) { Indent::Further } else { Indent::Even };
        fold(&mut out, last, indent, &breaks);
        breaks.clear();
        out.push_str(source, line.content);
        breaks.push(after);
        last = Some(indent);
    }
    for place in breaks {
        out.push('\n', place);
    }
    Some(out)
}

/// How a line of a folded scalar is indented.
#[derive(Debug, Clone, Copy)]
enum Indent {
    /// As the scalar.
    Even,
    /// Further: it is not folded.
    Further,
}

/// Writes what becomes of the line breaks between two lines with content.
fn fold(out: &mut Mapped, above: Option<Indent>, below: Indent, breaks: &[Range<usize>]) {
    let keep = |out: &mut Mapped, kept: &[Range<usize>]| {
        for place in kept {
            out.push('\n', place.clone());
        }
    };
    match (above, below, breaks) {
        (Some(Indent::Even), Indent::Even, [one]) => out.push(' ', one.clone()),
        (Some(Indent::Even), Indent::Even, [_, rest @ ..]) => keep(out, rest),
        // Above the first content, or beside a line that is indented further: every break counts.
        (None | Some(_), _, all) => keep(out, all),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use crate::diag::Sink;
    use crate::yaml;

    /// Every visible character of the value at `pointer` leads back to where it is written.
    fn leads_back(text: &str, pointer: &str) -> Result<usize, String> {
        let mut sink = Sink::new();
        let Some(tree) = yaml::parse("x.yaml", text.as_bytes(), &mut sink) else { return Ok(0) };
        let Some(value) = tree.value().pointer(pointer).and_then(serde_json::Value::as_str) else {
            return Ok(0);
        };
        let mut last = 0;
        for (at, char) in value.char_indices() {
            let place = tree.inner(pointer, at..at + char.len_utf8()).range;
            let written = text.get(place.clone()).unwrap_or_default();
            let fits = match char {
                '\n' | ' ' => written.len() <= 80,
                '\'' => written == "'" || written == "''",
                other => written.chars().eq([other]) || (written.starts_with('\\') && written.len() <= 12),
            };
            if !fits || place.start < last {
                return Err(format!(
                    "{char:?} at {at} of {value:?} leads to {written:?} at {place:?} in {text:?}"
                ));
            }
            last = place.start;
        }
        Ok(value.len())
    }

    #[track_caller]
    fn check(text: &str, word: &str, line_column: (usize, usize)) {
        assert!(leads_back(text, "/a").unwrap() > 0, "{text:?} is no string");
        let tree = yaml::parse("x.yaml", text.as_bytes(), &mut Sink::new()).unwrap();
        let at = tree.value()["a"].as_str().unwrap().find(word).unwrap();
        let span = tree.inner("/a", at..at + word.len());
        assert_eq!(span.line_column(), line_column);
        assert_eq!(text.get(span.range), Some(word));
    }

    #[test]
    fn a_word_is_found_in_every_style() {
        check("a: row.X > word", "word", (1, 12));
        check("a: one\n  two\n\n  word\nb: 1", "word", (4, 3));
        check("a: 'it''s a word'", "word", (1, 13));
        check("a: \"\\u00e9\\t\\\"word\"", "word", (1, 15));
        check("a: \"x\\\n   word\"", "word", (2, 4));
        check("a: |\n  one\n    word\n", "word", (3, 5));
        check("a: |2\n    word\n", "word", (2, 5));
        check("a: |-  # why\n\n  one\n  word", "word", (4, 3));
        check("a: >\n  one\n  two\n\n    code\n  word\n", "word", (6, 3));
        check("a: |\r\n  one\r\n  word\r\n", "word", (3, 3));
        check("a: |\n  \"word\"\n", "word", (2, 4));
        check("é: x\na: é word", "word", (2, 6));
    }

    #[test]
    fn what_has_no_place_of_its_own_leads_to_the_whole() {
        let text = "b: &x some words\na: *x\n";
        let tree = yaml::parse("x.yaml", text.as_bytes(), &mut Sink::new()).unwrap();
        assert_eq!(text.get(tree.inner("/a", 5..10).range), Some("*x"));
        assert_eq!(text.get(tree.inner("/b", 5..99).range), Some("some words"));
        assert_eq!(text.get(tree.inner("/b", 5..5).range), Some(""));
        assert_eq!(tree.inner("/b", 10..10).range, 16..16);
    }

    fn block() -> impl Strategy<Value = String> {
        let header =
            select(vec!["|", ">", "|-", ">-", "|+", ">+", "|2", ">2", "|2-", ">+2", "| # c", ">-  "]);
        let line = select(vec![
            "", " ", "a", "b c", " d", "  e f", "\tg", "é ü", "\"q\"", "# h", "- i", "x: y", "trail  ",
        ]);
        let lines = prop::collection::vec(line, 0..7);
        (header, lines, select(vec!["\n", "\r\n"]), select(vec!["", "a: \n"]), any::<bool>()).prop_map(
            |(header, lines, end, _, last)| {
                let mut text = format!("a: {header}{end}");
                for line in lines {
                    text.push_str("  ");
                    text.push_str(line);
                    text.push_str(end);
                }
                if last {
                    text.push_str("b: 1");
                }
                text
            },
        )
    }

    fn flow(quote: &'static str, pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
        let piece = select(pieces);
        (prop::collection::vec(piece, 1..12), select(vec!["a: ", "a:\n  ", "{a: "])).prop_map(
            move |(pieces, lead)| {
                let close = if lead.starts_with('{') { "}" } else { "" };
                format!("{lead}{quote}{}{quote}{close}", pieces.concat())
            },
        )
    }

    const PLAIN: &[&str] = &["w", "é", " ", "  ", "\n  ", "\n\n   ", "\r\n  ", "'", "\"", "x>1", "\\n", "😀"];
    const SINGLE: &[&str] =
        &["w", "é", " ", "\n  ", "\n\n   ", "\r\n ", "''", "\"", "\\", ": ", " # ", "{{x}}"];
    const DOUBLE: &[&str] = &[
        "w",
        "é",
        " ",
        "\n  ",
        "\n\n   ",
        "\r\n ",
        "'",
        "\\\"",
        "\\\\",
        "\\n",
        "\\t",
        "\\x41",
        "\\u00e9",
        "\\U0001F600",
        "\\ ",
        "\\\n   ",
        "\\\r\n ",
        "\\/",
        "\\e",
        "\\_",
        "\\0",
        "\t",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn block_scalars_lead_back(text in block()) {
            leads_back(&text, "/a").map_err(TestCaseError::fail)?;
        }

        #[test]
        fn plain_scalars_lead_back(text in flow("", PLAIN)) {
            leads_back(&text, "/a").map_err(TestCaseError::fail)?;
        }

        #[test]
        fn single_quoted_scalars_lead_back(text in flow("'", SINGLE)) {
            leads_back(&text, "/a").map_err(TestCaseError::fail)?;
        }

        #[test]
        fn double_quoted_scalars_lead_back(text in flow("\"", DOUBLE)) {
            leads_back(&text, "/a").map_err(TestCaseError::fail)?;
        }

        #[test]
        fn no_text_is_a_panic(text in "[ a:\\-\n\"'|>{}\\[\\]&*!#%@`,?\t\r\\\\é0-9]{0,60}") {
            let mut sink = Sink::new();
            if let Some(tree) = yaml::parse("x.yaml", text.as_bytes(), &mut sink) {
                for pointer in ["", "/a", "/0", "/a/0"] {
                    let _place = tree.inner(pointer, 0..1);
                }
            } else {
                prop_assert!(sink.errors() > 0);
            }
        }
    }
}
