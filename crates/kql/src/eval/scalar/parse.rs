//! Texts with a structure: JSON paths, CSV, XML, addresses of the web and of files, versions.

use std::sync::Arc;

use super::args::text_or_empty;
use super::{Args, Call, Kernel};
use crate::types::ScalarType;
use crate::value::{Bag, Decimal, Dynamic, Value, to_text};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "extract_json" => extract_json,
        "parse_csv" => parse_csv,
        "parse_xml" => parse_xml,
        "parse_url" => parse_url,
        "parse_urlquery" => |_, args| {
            let mut bag = Bag::new();
            bag.set(Arc::from("Query Parameters"), query_parameters(&args.text(0)));
            Value::Dynamic(Dynamic::bag(bag))
        },
        "parse_path" => parse_path,
        "parse_version" => parse_version,
        _ => return None,
    })
}

/// Reads a path such as `$.a['b'][0]` into names; places in arrays are names of digits.
pub(super) fn json_path(path: &str) -> Option<Vec<String>> {
    let mut rest = path.trim().strip_prefix('$')?;
    let mut names = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, next) = after.split_at_checked(end)?;
            if name.is_empty() {
                return None;
            }
            names.push(name.to_owned());
            rest = next;
        } else {
            let inner = rest.strip_prefix('[')?;
            let (name, next) = match inner.chars().next()? {
                quote @ ('\'' | '"') => inner.strip_prefix(quote)?.split_once(&format!("{quote}]"))?,
                _ => inner.split_once(']')?,
            };
            names.push(name.to_owned());
            rest = next;
        }
    }
    Some(names)
}

fn extract_json(_: &Call<'_>, args: &Args<'_>) -> Value {
    let found = json_path(&args.text(0)).zip(Dynamic::parse_strict(&args.text(1))).map(|(path, value)| {
        path.iter().fold(value, |value, name| match &value {
            Dynamic::Array(_) => name.parse().map(|index| value.element(index)).unwrap_or_default(),
            other => other.property(name),
        })
    });
    text_or_empty(found.map(|value| to_text(&Value::Dynamic(value))))
}

/// Reads the first record.
fn parse_csv(_: &Call<'_>, args: &Args<'_>) -> Value {
    let text = args.text(0);
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(Dynamic::text(&std::mem::take(&mut field))),
            '\r' | '\n' if !quoted => break,
            other => field.push(other),
        }
    }
    fields.push(Dynamic::text(&field));
    Value::Dynamic(Dynamic::array(fields))
}

fn put(bag: &mut Bag, name: &str, text: &str) {
    bag.set(Arc::from(name), Dynamic::text(text));
}

fn parse_url(_: &Call<'_>, args: &Args<'_>) -> Value {
    let text = args.text(0);
    let (scheme, rest) = text.split_once("://").unwrap_or(("", &text));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at_checked(slash).unwrap_or((rest, "")),
        None => (rest, ""),
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (host, ""),
    };
    let mut bag = Bag::new();
    put(&mut bag, "Scheme", scheme);
    put(&mut bag, "Host", host);
    put(&mut bag, "Port", port);
    put(&mut bag, "Path", path);
    put(&mut bag, "Username", user);
    put(&mut bag, "Password", password);
    bag.set(Arc::from("Query Parameters"), query_parameters(query));
    put(&mut bag, "Fragment", fragment);
    Value::Dynamic(Dynamic::bag(bag))
}

fn query_parameters(query: &str) -> Dynamic {
    let mut bag = Bag::new();
    for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        put(&mut bag, name, value);
    }
    Dynamic::bag(bag)
}

/// Parts a path of Windows or Unix; a second colon begins the name of an alternate stream.
fn parse_path(_: &Call<'_>, args: &Args<'_>) -> Value {
    let text = args.text(0);
    let (scheme, path) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => ("", text.as_ref()),
    };
    let is_windows = path.contains('\\') || path.get(1..2) == Some(":");
    let separators: &[char] = if is_windows { &['\\', '/'] } else { &['/'] };
    let (directory, file) = match path.rfind(separators) {
        Some(place) => (path.get(..place).unwrap_or(""), path.get(place + 1..).unwrap_or("")),
        None => ("", path),
    };
    let (file, stream) = if is_windows { file.split_once(':').unwrap_or((file, "")) } else { (file, "") };
    let root = match path.get(1..2) {
        Some(":") => path.get(..2).unwrap_or(""),
        _ => "",
    };
    let directory_name = directory.rsplit(separators).next().unwrap_or("");
    let directory_name = if directory_name == root { "" } else { directory_name };
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let mut bag = Bag::new();
    put(&mut bag, "Scheme", scheme);
    put(&mut bag, "RootPath", root);
    put(&mut bag, "DirectoryPath", directory);
    put(&mut bag, "DirectoryName", directory_name);
    put(&mut bag, "Filename", file);
    put(&mut bag, "Extension", extension);
    put(&mut bag, "AlternateDataStreamName", stream);
    Value::Dynamic(Dynamic::bag(bag))
}

/// Up to four parts of up to eight digits make one number.
fn parse_version(_: &Call<'_>, args: &Args<'_>) -> Value {
    let text = args.text(0);
    let parts: Vec<&str> = text.trim().split('.').collect();
    let valid =
        |part: &&str| !part.is_empty() && part.len() <= 8 && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() > 4 || !parts.iter().all(valid) {
        return Value::null(ScalarType::Decimal);
    }
    let digits: Vec<String> =
        (0..4).map(|place| format!("{:0>8}", parts.get(place).copied().unwrap_or("0"))).collect();
    Value::Decimal(Decimal::parse(&digits.concat()))
}

/// Reads XML the way JSON conversions usually do: attributes get `@`, text beside them `#text`,
/// elements of the same name become an array.
fn parse_xml(_: &Call<'_>, args: &Args<'_>) -> Value {
    let text = args.text(0);
    let mut reader = Xml { rest: text.trim() };
    let read = reader.prolog().and_then(|()| reader.element(0));
    let Some((name, value)) = read else { return Value::Dynamic(Dynamic::Null) };
    let mut bag = Bag::new();
    bag.set(Arc::from(name), value);
    Value::Dynamic(Dynamic::bag(bag))
}

/// Elements nested deeper than this are not read.
const XML_DEPTH_MAX: usize = 100;

struct Xml<'a> {
    rest: &'a str,
}

impl<'a> Xml<'a> {
    fn skip_past(&mut self, end: &str) -> Option<&'a str> {
        let (before, after) = self.rest.split_once(end)?;
        self.rest = after;
        Some(before)
    }

    fn prolog(&mut self) -> Option<()> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("<?") {
                self.skip_past("?>")?;
            } else if self.rest.starts_with("<!--") {
                self.skip_past("-->")?;
            } else if self.rest.starts_with("<!") {
                self.skip_past(">")?;
            } else {
                return Some(());
            }
        }
    }

    fn name(&mut self) -> Option<&'a str> {
        let end = self.rest.find(|next: char| next.is_whitespace() || matches!(next, '>' | '/' | '='))?;
        let (name, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    fn element(&mut self, depth: usize) -> Option<(&'a str, Dynamic)> {
        if depth > XML_DEPTH_MAX {
            return None;
        }
        self.rest = self.rest.strip_prefix('<')?;
        let name = self.name()?;
        let mut bag = Bag::new();
        loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix("/>") {
                self.rest = rest;
                return Some((name, finished(bag, "")));
            }
            if let Some(rest) = self.rest.strip_prefix('>') {
                self.rest = rest;
                break;
            }
            let attribute = self.name()?;
            self.rest = self.rest.trim_start().strip_prefix('=')?.trim_start();
            let quote = self.rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            self.rest = self.rest.strip_prefix(quote)?;
            let value = self.skip_past(quote.encode_utf8(&mut [0; 4]))?;
            bag.set(Arc::from(format!("@{attribute}")), Dynamic::text(&unescaped(value)));
        }
        let text = self.content(&mut bag, depth)?;
        let end = self.skip_past(">")?;
        (end.trim() == name).then(|| (name, finished(bag, &text)))
    }

    /// Reads up to the end tag, whose name is left.
    fn content(&mut self, bag: &mut Bag, depth: usize) -> Option<String> {
        let mut text = String::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix("</") {
                self.rest = rest;
                return Some(text);
            }
            if self.rest.starts_with("<!--") {
                self.skip_past("-->")?;
            } else if let Some(rest) = self.rest.strip_prefix("<![CDATA[") {
                self.rest = rest;
                text.push_str(self.skip_past("]]>")?);
            } else if self.rest.starts_with('<') {
                let (name, value) = self.element(depth + 1)?;
                add(bag, name, value);
            } else {
                let end = self.rest.find('<')?;
                let (part, rest) = self.rest.split_at_checked(end)?;
                text.push_str(&unescaped(part));
                self.rest = rest;
            }
        }
    }
}

fn add(bag: &mut Bag, name: &str, value: Dynamic) {
    let all = match bag.get(name) {
        None => value,
        Some(Dynamic::Array(items)) => Dynamic::array([items.to_vec(), vec![value]].concat()),
        Some(other) => Dynamic::array(vec![other.clone(), value]),
    };
    bag.set(Arc::from(name), all);
}

/// An element with nothing but text is that text.
fn finished(bag: Bag, text: &str) -> Dynamic {
    let text = text.trim();
    let mut bag = bag;
    match (bag.is_empty(), text.is_empty()) {
        (true, true) => Dynamic::Null,
        (true, false) => Dynamic::text(text),
        (false, true) => Dynamic::bag(bag),
        (false, false) => {
            bag.set(Arc::from("#text"), Dynamic::text(text));
            Dynamic::bag(bag)
        }
    }
}

fn unescaped(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'")];
    let text = named.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}
