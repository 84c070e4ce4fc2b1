//! A secret that is looked for in everything huntbook says and leaves.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use url::form_urlencoded;

/// Shortest form that is looked for: less could be anything.
const FORM_MIN: usize = 10;

/// A secret, and the forms in which it could get out.
#[derive(Debug)]
pub(crate) struct Canary {
    pub(crate) name: &'static str,
    forms: BTreeSet<Vec<u8>>,
}

/// The part of the base64 of `value` that does not depend on what stands around it, `before` bytes into a group.
fn base64(engine: &base64::engine::GeneralPurpose, value: &[u8], before: usize) -> String {
    let mut all = vec![0; before];
    all.extend_from_slice(value);
    let text = engine.encode(&all);
    let whole = all.len() / 3 * 4;
    text.get((before * 8).div_ceil(6)..whole).unwrap().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

impl Canary {
    pub(crate) fn new(name: &'static str, value: &str) -> Self {
        let bytes = value.as_bytes();
        let hex = hex(bytes);
        let query: String = form_urlencoded::byte_serialize(bytes).collect();
        let json = serde_json::to_string(value).unwrap();
        let mut forms = vec![
            value.to_owned(),
            query.replace('+', "%20"),
            query.to_ascii_lowercase(),
            query,
            json.trim_matches('"').to_owned(),
            value.escape_debug().to_string(),
            hex.to_ascii_uppercase(),
            hex,
        ];
        for before in 0..3 {
            forms.extend([&STANDARD, &URL_SAFE].map(|engine| base64(engine, bytes, before)));
        }
        let forms = forms.into_iter().map(String::into_bytes).filter(|form| FORM_MIN <= form.len());
        Self { name, forms: forms.collect() }
    }

    /// Whether it is in there, in any form.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        self.forms.iter().any(|form| memchr::memmem::find(text, form).is_some())
    }
}

/// Fails if a canary is in there.
#[track_caller]
pub(crate) fn check(canaries: &[Canary], place: &str, text: &[u8]) {
    for canary in canaries {
        assert!(!canary.is_in(text), "{} is in {place}: {}", canary.name, String::from_utf8_lossy(text));
    }
}

/// Fails if a canary is in a file of the folder.
#[track_caller]
pub(crate) fn check_files(canaries: &[Canary], folder: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += check_files(canaries, &path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            // The room that is kept for a full disk is megabytes of nothing.
            if !is_nothing(&bytes) {
                check(canaries, &path.display().to_string(), &bytes);
            }
            let name = path.file_name().unwrap().to_string_lossy();
            assert!(!name.starts_with("core"), "a core file: {}", path.display());
            files += 1;
        }
    }
    files
}

fn is_nothing(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|chunk| ZEROS.starts_with(chunk))
}

#[test]
fn every_form_of_a_canary_is_found() {
    let value = "c4nary~+/=&é of a test";
    let canary = Canary::new("test", value);
    let query: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let mut texts =
        vec![value.to_owned(), query, format!("{value:?}"), serde_json::json!({"a": value}).to_string()];
    for around in ["", "a", "ab", "abc"] {
        let whole = format!("{around}{value}{around}");
        texts.extend([STANDARD.encode(&whole), URL_SAFE.encode(&whole)]);
        texts.push(hex(whole.as_bytes()).to_ascii_uppercase());
    }
    for text in texts {
        assert!(canary.is_in(text.as_bytes()), "{text}");
    }
    assert!(!canary.is_in(b"c4nary of another test"));
}
