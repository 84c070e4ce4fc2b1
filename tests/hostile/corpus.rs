//! Texts for every reader: what means something to one of them, among what is any text. The same at each run.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

/// What means something somewhere: tables, events, markup, templates, paths, literals, terminals, directions.
const PIECES: &[&str] = &[
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "＝1",
    "＠",
    "\"",
    "\"\"",
    ",",
    ";",
    "|",
    "\\",
    "\\n",
    "a=b",
    " src=1",
    " ",
    "'",
    "x",
    "CEF:0|",
    "\u{0}",
    "\u{1b}[31m",
    "\u{202e}",
    "\u{2028}",
    "é",
    "😀",
    "\\=",
    "\\|",
    "<",
    ">",
    "&",
    "<b>",
    "</p><script>",
    "&lt;",
    "&#39;",
    "<!--",
    "<!channel>",
    "<@U012AB3CD>",
    "<https://evil.example|click>",
    "*b*",
    "_i_",
    "~s~",
    "`c`",
    "[x](https://evil.example)",
    "![x](y)",
    "\n# h",
    "\n- l",
    "\n1. n",
    "\n> q",
    "\n---",
    "${x}",
    "$",
    "{",
    "{{",
    "{{DATE(2026-01-01T00:00:00Z)}}",
    "\r\nBcc: victim@evil.example",
    "\r\n\r\n",
    "=?utf-8?q?evil?=",
    "=?",
    "/",
    ".",
    "..",
    "%2e",
    "%",
    "?",
    "#",
    "''",
    "' or 1 eq 1",
    "\u{1b}]0;t\u{7}",
    "\u{9b}1m",
    "\u{85}",
    "\u{8}",
    "\u{2066}",
    "\u{200b}",
    "\u{feff}",
    "\u{ad}",
    "\u{1bca0}",
    "\u{1d173}",
    "\u{13430}",
    "\u{fffe}",
    "\u{e000}",
    "\u{e0041}",
    "\u{10ffff}",
    "Ω",
];

/// How many there are.
const TEXTS: usize = 2_000;

/// How long the long ones are: beyond every limit on a line.
const LONG: usize = 3_000;

/// The texts.
pub(crate) fn texts() -> Vec<String> {
    let piece = proptest::sample::select(PIECES).prop_map(str::to_owned);
    let any = proptest::prop_oneof![3 => piece, 1 => proptest::arbitrary::any::<String>()];
    let any = proptest::collection::vec(any, 0..8).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::deterministic();
    let mut texts: Vec<String> =
        (0..TEXTS).map(|_text| any.new_tree(&mut runner).expect("a value").current()).collect();
    for text in texts.iter_mut().step_by(100) {
        *text = text.repeat(LONG / text.len().max(1) + 1);
    }
    texts
}
