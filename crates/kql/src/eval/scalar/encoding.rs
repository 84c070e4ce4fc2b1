//! Base64, percent encoding, deflate and punycode.

use std::io::{Cursor, Read};
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use flate2::read::{GzDecoder, ZlibDecoder};
use idna::punycode;

use super::args::text_or_empty;
use super::{Args, Call, Kernel};
use crate::value::{Dynamic, Guid, Value, to_guid, to_long};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "base64_encode_tostring" => |_, args| Value::text(encode(args.text(0).as_bytes())),
        "base64_decode_tostring" => {
            |_, args| text_or_empty(decode(&args.text(0)).and_then(|bytes| String::from_utf8(bytes).ok()))
        }
        "base64_decode_toarray" => base64_decode_toarray,
        "base64_encode_fromarray" => base64_encode_fromarray,
        "base64_encode_fromguid" => {
            |_, args| text_or_empty(to_guid(args.get(0)).map(|guid| encode(&guid.mixed_endian_bytes())))
        }
        "base64_decode_toguid" => |_, args| {
            let bytes = decode(&args.text(0)).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
            Value::Guid(bytes.map(Guid::from_mixed_endian_bytes))
        },
        "url_encode" => |_, args| Value::text(percent_encode(&args.text(0), Spaces::Plus)),
        "url_encode_component" => |_, args| Value::text(percent_encode(&args.text(0), Spaces::Percent)),
        "url_decode" => |_, args| Value::text(percent_decode(&args.text(0))),
        "gzip_decompress_from_base64_string" => |_, args| decompressed(args, GzDecoder::new),
        "zlib_decompress_from_base64_string" => |_, args| decompressed(args, ZlibDecoder::new),
        "punycode_from_string" => |_, args| text_or_empty(punycode::encode_str(&args.text(0))),
        "punycode_to_string" => |_, args| text_or_empty(punycode::decode_to_string(&args.text(0))),
        "punycode_domain_from_string" => |_, args| {
            domain(args, |label| match label.strip_prefix("xn--") {
                Some(encoded) => punycode::decode_to_string(encoded),
                None => Some(label.to_owned()),
            })
        },
        "punycode_domain_to_string" => |_, args| {
            domain(args, |label| {
                if label.is_ascii() {
                    return Some(label.to_owned());
                }
                punycode::encode_str(label).map(|encoded| format!("xn--{encoded}"))
            })
        },
        _ => return None,
    })
}

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes with or without padding; anything else that is not of the alphabet is an error.
fn decode(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    LENIENT.decode(text.trim().trim_end_matches('=')).ok()
}

fn base64_decode_toarray(_: &Call<'_>, args: &Args<'_>) -> Value {
    let bytes = decode(&args.text(0));
    let array =
        bytes.map(|bytes| Dynamic::array(bytes.into_iter().map(|byte| Dynamic::Long(byte.into())).collect()));
    Value::Dynamic(array.unwrap_or_default())
}

fn base64_encode_fromarray(_: &Call<'_>, args: &Args<'_>) -> Value {
    let byte =
        |item: &Dynamic| to_long(&Value::Dynamic(item.clone())).and_then(|byte| u8::try_from(byte).ok());
    let bytes: Option<Vec<u8>> = args.array(0).and_then(|items| items.iter().map(byte).collect());
    text_or_empty(bytes.map(|bytes| encode(&bytes)))
}

/// How a space is encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spaces {
    Plus,
    Percent,
}

fn percent_encode(text: &str, spaces: Spaces) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            b'~' if spaces == Spaces::Percent => encoded.push('~'),
            b'!' | b'*' | b'(' | b')' if spaces == Spaces::Plus => encoded.push(char::from(byte)),
            b' ' if spaces == Spaces::Plus => encoded.push('+'),
            other => {
                encoded.push('%');
                for digit in [other >> 4, other & 15] {
                    let digit = HEX.get(usize::from(digit)).map_or('0', |digit| char::from(*digit));
                    encoded.push(if spaces == Spaces::Percent { digit.to_ascii_uppercase() } else { digit });
                }
            }
        }
    }
    encoded
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        let digits = text.get(place + 1..place + 3);
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, escaped) {
            (b'%', Some(escaped)) => {
                decoded.push(escaped);
                place += 3;
                continue;
            }
            (b'+', _) => decoded.push(b' '),
            (other, _) => decoded.push(*other),
        }
        place += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The most bytes a text is decompressed to.
const BYTES_MAX: u64 = 16 << 20;

fn decompressed<R: Read>(args: &Args<'_>, reader: impl FnOnce(Cursor<Vec<u8>>) -> R) -> Value {
    let text = decode(&args.text(0)).and_then(|bytes| {
        let mut text = Vec::new();
        reader(Cursor::new(bytes)).take(BYTES_MAX + 1).read_to_end(&mut text).ok()?;
        if text.len() as u64 > BYTES_MAX { None } else { String::from_utf8(text).ok() }
    });
    text_or_empty(text)
}

fn domain(args: &Args<'_>, convert: impl Fn(&str) -> Option<String>) -> Value {
    let text: Arc<str> = args.text(0);
    let labels: Option<Vec<String>> = text.split('.').map(convert).collect();
    text_or_empty(labels.map(|labels| labels.join(".")))
}
