//! Texts that are nearly queries.

/// Every operator and form of the language.
pub(crate) const LANGUAGE: &str = include_str!("../fixtures/language.kql");

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    /// Starts a row of numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns the next number below `limit`, which is above 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or_default() % limit
    }
}

/// Texts that a mutation puts in: signs and words that begin, end or turn something.
const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "|",
    ";",
    ",",
    ".",
    "..",
    ":",
    "=",
    "==",
    "=~",
    "!~",
    "=>",
    "<",
    ">",
    "-",
    "+",
    "*",
    "/",
    "%",
    "\"",
    "'",
    "@\"",
    "h'",
    "```",
    "~~~",
    "//",
    "// note\n",
    "\n",
    "\n\n",
    " ",
    "\\",
    "#",
    "$left.",
    "null",
    "and",
    "or",
    "not(",
    "in (",
    "!in~",
    "between (",
    "has_any",
    "where",
    "let x =",
    "dynamic(",
    "dynamic([",
    "datetime(",
    "typeof(",
    "toscalar(",
    "1d",
    "0x",
    "1.",
    "1e",
    "é",
    "日",
    "\u{200b}",
    "😀",
    "-->",
    "<-[",
    "matches regex",
    "by",
    "on",
    "with (",
    "step s:",
    "as",
    "of",
    "kind=",
    "hint.strategy=",
    "asc",
    "nulls",
    "limit",
    "set",
    "declare pattern",
];

/// Makes a text that is nearly a query: a part of [`LANGUAGE`] with some of it cut, doubled, or
/// replaced.
pub(crate) fn mutated(dice: &mut Dice) -> String {
    let statements: Vec<&str> = LANGUAGE.split_inclusive(";\n").collect();
    let mut text = String::new();
    for _ in 0..=dice.below(2) {
        text.push_str(statements.get(dice.below(statements.len())).copied().unwrap_or_default());
    }
    for _ in 0..dice.below(8) {
        let start = boundary(&text, dice.below(text.len() + 1));
        let end = boundary(&text, (start + dice.below(12)).min(text.len()));
        let piece = match dice.below(4) {
            0 => String::new(),
            1 => text.get(start..end.max(start)).unwrap_or_default().repeat(2),
            _ => PIECES.get(dice.below(PIECES.len())).copied().unwrap_or_default().to_owned(),
        };
        text.replace_range(start..end.max(start), &piece);
    }
    text
}

fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}
