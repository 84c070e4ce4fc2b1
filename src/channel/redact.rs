//! Takes an address that is a secret out of what a receiver answers: a gateway's error page repeats what it was asked for,
//! as it is or escaped for HTML, JSON or an address.

use url::form_urlencoded;

/// Longest part of an address that is no secret: shorter ones say nothing, and would tear up the answer.
const SHORT: usize = 4;
/// Longest part of a path that may be a word; what is longer was drawn by lot.
const WORD: usize = 15;
/// How often a text can be escaped one way inside the other; what is escaped more often nobody reads.
const DEEP: usize = 4;
/// What stands in its place.
const SECRET: &str = "(secret)";
/// What is said of an answer that repeats it in a form that cannot be taken out.
const WITHHELD: &str = "(an answer that repeats the address)";

/// Takes the parts of an address out of a text.
pub(super) fn redact(address: &str, text: &str) -> String {
    let secrets = parts(address);
    let text = secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, SECRET));
    let plain = unescaped(&text);
    if secrets.iter().any(|secret| plain.contains(&unescaped(secret))) { WITHHELD.to_owned() } else { text }
}

/// The address, its path with and without the query, each value of the query as it is written and as it is meant, and
/// the long parts of the path; the longest first.
fn parts(address: &str) -> Vec<String> {
    let path =
        address.split_once("://").and_then(|(_scheme, rest)| rest.find('/').and_then(|at| rest.get(at..)));
    let (route, query) = path.map(|path| path.split_once('?').unwrap_or((path, ""))).unwrap_or_default();
    let written =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_name, value)| value.to_owned());
    let meant = form_urlencoded::parse(query.as_bytes()).map(|(_name, value)| value.into_owned());
    let mut all: Vec<String> =
        vec![address.to_owned(), path.unwrap_or_default().to_owned(), route.to_owned()];
    all.extend(written.chain(meant));
    all.retain(|part| SHORT < part.chars().count());
    all.extend(route.split('/').filter(|part| WORD < part.chars().count()).map(str::to_owned));
    all.sort_by_key(|part| std::cmp::Reverse(part.len()));
    all
}

/// What a text means to somebody who undoes the escaping of HTML, JSON and addresses.
fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    for _layer in 0..DEEP {
        let plain = once(&text);
        if plain == text {
            break;
        }
        text = plain;
    }
    text
}

fn once(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        let (meant, length) = escape(rest).unwrap_or((first, first.len_utf8()));
        plain.push(meant);
        rest = rest.get(length..).unwrap_or_default();
    }
    plain
}

/// The character that an escape at the beginning of a text stands for, and the length of the escape.
fn escape(text: &str) -> Option<(char, usize)> {
    const NAMED: [(&str, char); 6] =
        [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&apos;", '\''), ("\\/", '/')];
    if let Some((name, meant)) = NAMED.into_iter().find(|(name, _)| text.starts_with(name)) {
        return Some((meant, name.len()));
    }
    let number = |digits: &str, radix| char::from_u32(u32::from_str_radix(digits, radix).ok()?);
    if let Some(rest) = text.strip_prefix("&#") {
        let (digits, _) = rest.split_once(';')?;
        let meant = match digits.strip_prefix(['x', 'X']) {
            Some(hex) => number(hex, 16)?,
            None => number(digits, 10)?,
        };
        return Some((meant, "&#;".len() + digits.len()));
    }
    for (sign, digits) in [("\\u", 4), ("\\x", 2), ("%", 2)] {
        let Some(rest) = text.strip_prefix(sign) else { continue };
        return Some((number(rest.get(..digits)?, 16)?, sign.len() + digits));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str =
        "https://hooks.example/workflows/7f3a/invoke?api=2016&sp=%2Frun&sig=cAn%2BaRy_sig%3D&short=abc";

    #[test]
    fn an_answer_that_repeats_the_address_in_any_form_does_not_spread_it() {
        let html = ADDRESS.replace('&', "&amp;");
        let json = ADDRESS.replace('/', "\\/").replace('&', "\\u0026");
        let numbers = ADDRESS.replace('%', "&#37;").replace('=', "&#x3d;");
        for answer in [
            ADDRESS.to_owned(),
            format!("404 <a href=\"{html}\">not here</a>"),
            format!("{{\"path\":\"{json}\"}}"),
            format!("no {numbers}"),
            "bad signature cAn%2BaRy_sig%3D".to_owned(),
            "bad signature cAn+aRy_sig=".to_owned(),
            "bad signature cAn%252BaRy_sig%253D".to_owned(),
            "bad signature cAn&#43;aRy_sig&#61;".to_owned(),
            "bad signature cAn\\u002baRy_sig\\u003D".to_owned(),
        ] {
            let shown = redact(ADDRESS, &answer);
            assert!(
                !shown.contains("aRy_sig") && !unescaped(&shown).contains("invoke?"),
                "{answer}\n{shown}"
            );
        }
        assert_eq!(redact(ADDRESS, "abc: 100 % of 2016 calls & more"), "abc: 100 % of 2016 calls & more");
    }

    #[test]
    fn what_was_drawn_by_lot_in_a_path_is_taken_out_by_itself() {
        let address = "https://hooks.example/services/T0001/B0001/XyZ0123456789abcdefgh";
        assert_eq!(
            redact(address, "no hook XyZ0123456789abcdefgh in services"),
            "no hook (secret) in services"
        );
        let words = "https://hooks.example/fifteen-letters/sixteen--letters";
        assert_eq!(redact(words, "no sixteen--letters, fifteen-letters"), "no (secret), fifteen-letters");
        assert_eq!(redact("https://hooks.example", "anything"), "anything");
        assert_eq!(redact("https://hooks.example/x", "x / x"), "x / x");
    }
}
