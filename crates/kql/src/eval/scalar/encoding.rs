//! Base64, percent encoding, deflate and punycode.

use std::sync::Arc;

use super::args::text_or_empty;
use super::inflate::inflate;
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
        "gzip_decompress_from_base64_string" => |_, args| decompressed(args, gzip_body),
        "zlib_decompress_from_base64_string" => |_, args| decompressed(args, zlib_body),
        "punycode_from_string" => |_, args| text_or_empty(super::punycode::encode(&args.text(0))),
        "punycode_to_string" => |_, args| text_or_empty(super::punycode::decode(&args.text(0))),
        "punycode_domain_from_string" => |_, args| {
            domain(args, |label| match label.strip_prefix("xn--") {
                Some(encoded) => super::punycode::decode(encoded),
                None => Some(label.to_owned()),
            })
        },
        "punycode_domain_to_string" => |_, args| {
            domain(args, |label| {
                if label.is_ascii() {
                    return Some(label.to_owned());
                }
                super::punycode::encode(label).map(|encoded| format!("xn--{encoded}"))
            })
        },
        _ => return None,
    })
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| (group << 8) | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                let index = (group >> (18 - 6 * place)) & 63;
                text.push(ALPHABET.get(index as usize).map_or('A', |letter| char::from(*letter)));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// Decodes with or without padding; anything else that is not of the alphabet is an error.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let body = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(body.len() / 4 * 3 + 2);
    let (mut group, mut bits) = (0_u32, 0_u32);
    for byte in body.bytes() {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        group = (group << 6) | u32::try_from(digit).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((group >> bits) & 255).ok()?);
        }
    }
    (bits < 6).then_some(bytes)
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
        let escaped = text.get(place + 1..place + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
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

fn decompressed(args: &Args<'_>, body: fn(&[u8]) -> Option<&[u8]>) -> Value {
    let bytes = decode(&args.text(0));
    let text = bytes.and_then(|bytes| inflate(body(&bytes)?)).and_then(|bytes| String::from_utf8(bytes).ok());
    text_or_empty(text)
}

/// Returns what follows the header of RFC 1950.
fn zlib_body(bytes: &[u8]) -> Option<&[u8]> {
    let header = u16::from(*bytes.first()?) * 256 + u16::from(*bytes.get(1)?);
    let is_deflate = header >> 8 & 15 == 8 && header % 31 == 0 && header & 32 == 0;
    is_deflate.then(|| bytes.get(2..)).flatten()
}

/// Returns what follows the header of RFC 1952.
fn gzip_body(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&[31, 139, 8])?;
    let flags = *rest.first()?;
    let mut rest = rest.get(7..)?;
    if flags & 4 != 0 {
        let length = usize::from(*rest.first()?) + usize::from(*rest.get(1)?) * 256;
        rest = rest.get(2 + length..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

fn domain(args: &Args<'_>, convert: impl Fn(&str) -> Option<String>) -> Value {
    let text: Arc<str> = args.text(0);
    let labels: Option<Vec<String>> = text.split('.').map(convert).collect();
    text_or_empty(labels.map(|labels| labels.join(".")))
}
