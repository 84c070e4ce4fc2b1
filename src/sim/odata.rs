//! The small part of `OData` that the APIs document: `$filter` over named fields, `$top`, `$skip`, next
//! links.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::call::{Call, Refusal, shown};

/// Deepest nesting of a filter. People write three levels; a program that writes more is broken.
const DEPTH_MAX: usize = 32;
/// Most tokens of a filter.
const TOKENS_MAX: usize = 2000;

/// A `$filter`, understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Compare { field: String, operator: Operator, literal: Value },
    In { field: String, literals: Vec<Value> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Comma,
    Word(String),
    Text(String),
}

impl Filter {
    /// Reads the filter of a call; only `fields` may be named.
    pub(super) fn read(call: &Call, fields: &[&str]) -> Result<Option<Self>, Refusal> {
        call.option("$filter").map(|text| Self::parse(text, fields)).transpose()
    }

    fn parse(text: &str, fields: &[&str]) -> Result<Self, Refusal> {
        let tokens = tokens(text)?;
        let mut reader = Reader { tokens, at: 0, fields };
        let filter = reader.or(0)?;
        match reader.peek() {
            None => Ok(filter),
            Some(_) => Err(wrong("text follows the end of the filter")),
        }
    }

    /// Whether an item passes.
    pub(super) fn keeps(&self, item: &Map<String, Value>) -> bool {
        match self {
            Self::And(a, b) => a.keeps(item) && b.keeps(item),
            Self::Or(a, b) => a.keeps(item) || b.keeps(item),
            Self::Not(filter) => !filter.keeps(item),
            Self::Compare { field, operator, literal } => {
                compare(item.get(field).unwrap_or(&Value::Null), *operator, literal)
            }
            Self::In { field, literals } => {
                let value = item.get(field).unwrap_or(&Value::Null);
                literals.iter().any(|literal| compare(value, Operator::Eq, literal))
            }
        }
    }
}

/// Compares as the service does: null only equals null and has no order; words whatever their case.
fn compare(value: &Value, operator: Operator, literal: &Value) -> bool {
    let order = order(value, literal);
    match operator {
        Operator::Eq => order == Some(Ordering::Equal),
        Operator::Ne => order != Some(Ordering::Equal),
        Operator::Gt => order == Some(Ordering::Greater),
        Operator::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Operator::Lt => order == Some(Ordering::Less),
        Operator::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
    }
}

fn order(value: &Value, literal: &Value) -> Option<Ordering> {
    match (value, literal) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::Number(a), Value::String(b)) => a.as_f64()?.partial_cmp(&b.parse().ok()?),
        (Value::String(a), Value::Number(b)) => Some(a.as_str().cmp(b.to_string().as_str())),
        (Value::String(a), Value::String(b)) => match (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
            (Ok(a), Ok(b)) => Some(a.cmp(&b)),
            _ => Some(a.to_lowercase().cmp(&b.to_lowercase())),
        },
        (Value::Array(list), literal) => {
            list.iter().any(|value| order(value, literal) == Some(Ordering::Equal)).then_some(Ordering::Equal)
        }
        _ => None,
    }
}

fn wrong(what: &str) -> Refusal {
    Refusal::bad("BadRequest", format!("Invalid filter clause: {what}."))
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.next() {
        let token = match first {
            c if c.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '\'' => {
                let mut inside = String::new();
                loop {
                    match chars.next() {
                        // A quote is written twice.
                        Some('\'') if chars.next_if_eq(&'\'').is_some() => inside.push('\''),
                        Some('\'') => break Token::Text(inside),
                        Some(c) => inside.push(c),
                        None => return Err(wrong("a text does not end")),
                    }
                }
            }
            c => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !"(),'".contains(*c)) {
                    word.push(c);
                }
                Token::Word(word)
            }
        };
        tokens.push(token);
        if TOKENS_MAX < tokens.len() {
            return Err(wrong("the filter is too long"));
        }
    }
    Ok(tokens)
}

struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    fields: &'a [&'a str],
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let mut left = self.and(depth)?;
        while self.skip_word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Filter, Refusal> {
        let mut left = self.term(depth)?;
        while self.skip_word("and") {
            left = Filter::And(Box::new(left), Box::new(self.term(depth)?));
        }
        Ok(left)
    }

    fn term(&mut self, depth: usize) -> Result<Filter, Refusal> {
        if DEPTH_MAX < depth {
            return Err(wrong("it is nested too deeply"));
        }
        if self.skip_word("not") {
            return Ok(Filter::Not(Box::new(self.term(depth + 1)?)));
        }
        match self.next() {
            Some(Token::Open) => {
                let inner = self.or(depth + 1)?;
                match self.next() {
                    Some(Token::Close) => Ok(inner),
                    _ => Err(wrong("a parenthesis is not closed")),
                }
            }
            Some(Token::Word(field)) => self.comparison(&field),
            _ => Err(wrong("a field is expected")),
        }
    }

    fn comparison(&mut self, field: &str) -> Result<Filter, Refusal> {
        let known = self.fields.iter().find(|known| known.eq_ignore_ascii_case(field));
        let field = (*known.ok_or_else(|| {
            wrong(&format!("Could not find a property named '{}', or it cannot be filtered on", shown(field)))
        })?)
        .to_owned();
        let Some(Token::Word(operator)) = self.next() else { return Err(wrong("an operator is expected")) };
        let operator = match operator.to_ascii_lowercase().as_str() {
            "eq" => Operator::Eq,
            "ne" => Operator::Ne,
            "gt" => Operator::Gt,
            "ge" => Operator::Ge,
            "lt" => Operator::Lt,
            "le" => Operator::Le,
            "in" => return Ok(Filter::In { field, literals: self.list()? }),
            other => return Err(wrong(&format!("'{}' is not an operator", shown(other)))),
        };
        Ok(Filter::Compare { field, operator, literal: self.literal()? })
    }

    fn list(&mut self) -> Result<Vec<Value>, Refusal> {
        let mut literals = Vec::new();
        if self.next() != Some(Token::Open) {
            return Err(wrong("a list is expected"));
        }
        loop {
            literals.push(self.literal()?);
            match self.next() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(literals),
                _ => return Err(wrong("a list is not closed")),
            }
        }
    }

    fn literal(&mut self) -> Result<Value, Refusal> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Value::String(text)),
            Some(Token::Word(word)) => match word.as_str() {
                "null" => Ok(Value::Null),
                "true" => Ok(true.into()),
                "false" => Ok(false.into()),
                number if number.parse::<i64>().is_ok() => Ok(json!(number.parse::<i64>().unwrap_or(0))),
                time if time.parse::<Timestamp>().is_ok() => Ok(Value::String(word)),
                other => Err(wrong(&format!("'{}' is not a value", shown(other)))),
            },
            _ => Err(wrong("a value is expected")),
        }
    }
}

/// The items of one page, and the address of the next if there is more.
#[derive(Debug)]
pub(super) struct Page<T> {
    items: Vec<T>,
    total: usize,
    next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts the page a call asks for; it never has more than `size_max` items.
    pub(super) fn cut(call: &Call, items: Vec<T>, size_max: usize) -> Result<Self, Refusal> {
        let size = number(call, "$top")?.map_or(size_max, |top| top.min(size_max));
        let skip = number(call, "$skip")?.unwrap_or(0);
        let total = items.len();
        let items: Vec<T> = items.into_iter().skip(skip).take(size).collect();
        let end = skip.saturating_add(items.len());
        let next = (end < total && 0 < size).then(|| next_link(call, end));
        Ok(Self { items, total, next })
    }

    /// The page as the APIs show it.
    pub(super) fn into_json(self, call: &Call, context: &str, show: impl FnMut(T) -> Value) -> Value {
        let mut body = Map::new();
        body.insert("@odata.context".to_owned(), format!("{}/$metadata#{context}", call.base).into());
        if call.option("$count") == Some("true") {
            body.insert("@odata.count".to_owned(), self.total.into());
        }
        body.insert("value".to_owned(), self.items.into_iter().map(show).collect());
        if let Some(next) = self.next {
            body.insert("@odata.nextLink".to_owned(), next.into());
        }
        body.into()
    }
}

fn number(call: &Call, name: &str) -> Result<Option<usize>, Refusal> {
    call.option(name)
        .map(|text| {
            let text = text.trim();
            text.parse().map_err(|_error| {
                Refusal::bad("BadRequest", format!("Invalid value '{}' for {name}.", shown(text)))
            })
        })
        .transpose()
}

fn next_link(call: &Call, skip: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in call.query.iter().filter(|(key, _)| key != "$skip") {
        query.append_pair(key, value);
    }
    query.append_pair("$skip", &skip.to_string());
    format!("{}{}?{}", call.base, call.path, query.finish())
}

/// Refuses system options the API does not document: a typo in one must not pass as "no filter".
pub(super) fn known_options(call: &Call, known: &[&str]) -> Result<(), Refusal> {
    let unknown = call.query.iter().find(|(key, _)| key.starts_with('$') && !known.contains(&key.as_str()));
    match unknown {
        None => Ok(()),
        Some((key, _)) => {
            let text = format!("The query option '{}' is not supported for this resource.", shown(key));
            Err(Refusal::bad("BadRequest", text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_keep_what_they_say() {
        let fields = ["status", "severity", "lastUpdateDateTime", "assignedTo", "osBuild", "machineTags"];
        let item = json!({
            "status": "active", "severity": "high", "lastUpdateDateTime": "2026-11-20T12:00:00.0000000Z",
            "assignedTo": null, "osBuild": 26100, "machineTags": ["tier0", "lab"]
        });
        for (filter, expected) in [
            ("status eq 'active'", true),
            ("status eq 'Active'", true),
            ("status ne 'active'", false),
            ("status eq 'resolved' or severity eq 'high' and status eq 'active'", true),
            ("(status eq 'resolved' or severity eq 'high') and status eq 'inProgress'", false),
            ("not (status eq 'resolved')", true),
            ("lastUpdateDateTime ge 2026-11-20T12:00:00Z", true),
            ("lastUpdateDateTime gt 2026-11-20T12:00:00Z", false),
            ("lastUpdateDateTime lt 2026-11-20T13:00:00+00:30", true),
            ("assignedTo eq null", true),
            ("assignedTo ne 'kim''s'", true),
            ("assignedTo gt 'a'", false),
            ("osBuild le 26100", true),
            ("status in ('new', 'active')", true),
            ("machineTags eq 'tier0'", true),
        ] {
            let parsed = Filter::parse(filter, &fields).unwrap();
            assert_eq!(parsed.keeps(item.as_object().unwrap()), expected, "{filter}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_filter_breaks_the_reader(text in "[ ()a-z',0-9:.TZ-]{0,200}", other in ".{0,100}") {
            for text in [text, other] {
                if let Ok(filter) = Filter::parse(&text, &["a", "b"]) {
                    filter.keeps(&Map::from_iter([("a".to_owned(), json!("x")), ("b".to_owned(), json!(3))]));
                }
            }
        }
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let deep = format!("{}status eq 'a'{}", "(".repeat(100), ")".repeat(100));
        for text in [
            "",
            "status",
            "status eq",
            "status eq active",
            "status is 'a'",
            "tags eq 'a'",
            "status eq 'a",
            "(status eq 'a'",
            "status eq 'a' status eq 'b'",
            "status in 'a'",
            "status in ('a'",
            &deep,
        ] {
            assert!(Filter::parse(text, &["status"]).is_err(), "{text}");
        }
    }
}
