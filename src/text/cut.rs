//! The parts of a query.

/// A query cut at a mark, but for those in texts, comments and brackets.
#[must_use]
pub fn cut(query: &str, mark: char) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quote) = (Vec::new(), 0, 0_usize, None);
    let mut chars = query.char_indices().peekable();
    let mut verbatim = false;
    let mut before = ' ';
    while let Some((at, char)) = chars.next() {
        match (quote, char) {
            (Some(_), '\\') if !verbatim => drop(chars.next()),
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            // Of three backticks the last one opens, and of the next three the first one closes.
            (None, '"' | '\'' | '`') => (quote, verbatim) = (Some(char), before == '@' || char == '`'),
            (None, '/') if chars.peek().is_some_and(|(_, next)| *next == '/') => {
                while chars.peek().is_some_and(|(_, next)| *next != '\n') {
                    chars.next();
                }
            }
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, found) if depth == 0 && found == mark => {
                parts.push(query.get(from..at).unwrap_or_default());
                from = at + mark.len_utf8();
            }
            (None, _) => {}
        }
        before = char;
    }
    parts.push(query.get(from..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expect: &[&str]) {
        assert_eq!(cut(query, ';'), expect, "{query}");
    }

    #[test]
    fn a_query_is_cut_at_the_mark() {
        check("", &[""]);
        check("a", &["a"]);
        check("a; b;c;", &["a", " b", "c", ""]);
        assert_eq!(cut("ä│b", '│'), ["ä", "b"]);
    }

    #[test]
    fn a_mark_in_a_text_is_none() {
        check("a \"x;y\" ; b", &["a \"x;y\" ", " b"]);
        check("a 'x;\"y' ; b", &["a 'x;\"y' ", " b"]);
        check("a \"x\\\";y\" ; b", &["a \"x\\\";y\" ", " b"]);
        check("a @\"x\\\" ; b", &["a @\"x\\\" ", " b"]);
        check("a @\"x\\\" ; \"y\\\";z\"", &["a @\"x\\\" ", " \"y\\\";z\""]);
        check("a ```x;\\\n\"y;``` ; b", &["a ```x;\\\n\"y;``` ", " b"]);
        check("a \"//\"; b", &["a \"//\"", " b"]);
        check("a \")\"; (b;\"(\"); c", &["a \")\"", " (b;\"(\")", " c"]);
    }

    #[test]
    fn a_mark_in_a_comment_is_none() {
        check("a // it's; (\n; b", &["a // it's; (\n", " b"]);
        check("a // b; c", &["a // b; c"]);
        check("a / b; c", &["a / b", " c"]);
    }

    #[test]
    fn a_mark_in_brackets_is_none() {
        for (open, close) in [('(', ')'), ('[', ']'), ('{', '}')] {
            check(
                &format!("f{open}a; {open}b;{close};{close}; c"),
                &[&format!("f{open}a; {open}b;{close};{close}"), " c"],
            );
            check(&format!("a{close}; b"), &[&format!("a{close}"), " b"]);
        }
    }
}
