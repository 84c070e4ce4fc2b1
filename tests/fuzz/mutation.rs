//! Inputs that are nearly right.

use crate::dice::Dice;

/// Words that begin, end or turn something in one of the languages.
const WORDS: &[&[u8]] = &[
    b"{{",
    b"}}",
    b"{{#if x}}",
    b"{{~#with row~}}",
    b"{{/if}}",
    b"{{else}}",
    b"{{else if x}}",
    b"{{^}}",
    b"{{&",
    b"{{!--",
    b"{{{",
    b"}}}",
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"'",
    b"`",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b": ",
    b"- ",
    b"? ",
    b", ",
    b"\n",
    b"\n  ",
    b"\r\n",
    b"\t",
    b"#",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!str ",
    b"|\n",
    b">-\n",
    b"---\n",
    b"...\n",
    b"%YAML 1.2\n",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e400",
    b"NaN",
    b"9223372036854775808",
    b"1h",
    b"P1D",
    b"2026-01-10T12:00:00Z",
    b" in lists.servers",
    b" && ",
    b" || ",
    b"!",
    b" == ",
    b" < ",
    b" + ",
    b"..",
    b"|x| ",
    b".filter(",
    b".len",
    b"if ",
    b"row.",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\0",
    b"\x1b[31m",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x98\x80",
    b"<",
    b">",
    b"&",
    b"=?utf-8?q?",
    b"${",
    b"*",
    b"_",
    b"\"error\":",
    b"\"value\":",
    b"\"Results\":",
    b"\"schema\":",
    b"\"@odata.nextLink\":",
    b"\"id\":",
];

/// Makes an input that is nearly `entry`: some of it cut, doubled, replaced, or grown into `other`.
pub(crate) fn mutated(entry: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut input = entry.to_vec();
    for _ in 0..=dice.below(6) {
        let start = below(dice, input.len() + 1);
        let end = (start + below(dice, 24)).min(input.len());
        let piece = match dice.below(8) {
            0 => Vec::new(),
            1 => input[start..end].repeat(2 + below(dice, 40)),
            2 => vec![u8::try_from(dice.below(256)).unwrap_or_default(); end - start],
            3 => input[start..end].iter().map(|byte| byte ^ (1 << dice.below(8))).collect(),
            4 => {
                let from = below(dice, other.len() + 1);
                other[from..(from + below(dice, 64)).min(other.len())].to_vec()
            }
            5 => WORDS[below(dice, WORDS.len())].repeat(1 + below(dice, 64)),
            _ => WORDS[below(dice, WORDS.len())].to_vec(),
        };
        // What is put in takes the place of what was there as often as not.
        let end = if dice.hits(500) { start } else { end };
        input.splice(start..end, piece);
    }
    if dice.hits(50) {
        input.truncate(below(dice, input.len() + 1));
    }
    input
}

fn below(dice: &mut Dice, limit: usize) -> usize {
    usize::try_from(dice.below(limit as u64)).unwrap_or_default()
}
