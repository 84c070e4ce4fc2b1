//! Addresses of the internet: reading, printing, comparing.

use super::args::text_or_empty;
use super::{Args, Call, Kernel};
use crate::value::{Dynamic, Value, to_text};

pub(super) fn find(name: &str) -> Option<Kernel> {
    Some(match name {
        "parse_ipv4" => |_, args| Value::Long(V4::parse(&args.text(0)).map(V4::number)),
        "parse_ipv4_mask" => |_, args| Value::Long(v4_with(args, 0, args.long(1)).map(V4::number)),
        "format_ipv4" => |_, args| text_or_empty(formatted(args).map(|address| address.to_string())),
        "format_ipv4_mask" => {
            |_, args| text_or_empty(formatted(args).map(|address| format!("{address}/{}", address.prefix)))
        }
        "ipv4_compare" => |_, args| Value::Long(compare_v4(args)),
        "ipv4_is_match" => |_, args| Value::Bool(compare_v4(args).map(|order| order == 0)),
        "ipv4_netmask_suffix" => {
            |_, args| Value::Long(V4::parse(&args.text(0)).map(|address| address.prefix.into()))
        }
        "ipv4_is_private" => ipv4_is_private,
        "ipv4_range_to_cidr_list" => ipv4_range_to_cidr_list,
        "parse_ipv6" => |_, args| text_or_empty(V6::parse(&args.text(0)).map(V6::printed)),
        "parse_ipv6_mask" => |_, args| {
            let prefix =
                args.long(1).and_then(|prefix| u8::try_from(prefix).ok()).filter(|prefix| *prefix <= 128);
            text_or_empty(
                V6::parse(&args.text(0)).zip(prefix).map(|(address, prefix)| address.cut(prefix).printed()),
            )
        },
        "ipv6_compare" => |_, args| Value::Long(compare_v6(args)),
        "ipv6_is_match" => |_, args| Value::Bool(compare_v6(args).map(|order| order == 0)),
        _ => return None,
    })
}

/// An IPv4 address, of which only the first bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct V4 {
    bits: u32,
    /// How many bits count.
    pub(super) prefix: u8,
}

impl V4 {
    /// Reads `a.b.c.d` or `a.b.c.d/n`; bits behind the prefix are dropped.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, prefix.parse().ok().filter(|prefix| *prefix <= 32)?),
            None => (text.trim(), 32),
        };
        let mut bits = 0_u32;
        let mut count = 0;
        for part in address.split('.') {
            if part.is_empty() || part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            bits = (bits << 8) | u32::from(part.parse::<u8>().ok()?);
            count += 1;
            if count > 4 {
                return None;
            }
        }
        (count == 4).then(|| Self { bits, prefix: 32 }.cut(prefix))
    }

    /// Keeps the first bits only.
    pub(super) fn cut(self, prefix: u8) -> Self {
        let prefix = prefix.min(self.prefix);
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        Self { bits: self.bits & mask, prefix }
    }

    fn number(self) -> i64 {
        i64::from(self.bits)
    }

    /// Whether an address belongs to this network.
    pub(super) fn contains(self, address: Self) -> bool {
        address.prefix >= self.prefix && address.cut(self.prefix).bits == self.bits
    }
}

impl std::fmt::Display for V4 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d] = self.bits.to_be_bytes();
        write!(formatter, "{a}.{b}.{c}.{d}")
    }
}

fn prefix_of(prefix: Option<i64>) -> Option<u8> {
    prefix.and_then(|prefix| u8::try_from(prefix).ok()).filter(|prefix| *prefix <= 32)
}

fn v4_with(args: &Args<'_>, index: usize, prefix: Option<i64>) -> Option<V4> {
    Some(V4::parse(&args.text(index))?.cut(prefix_of(prefix)?))
}

/// Reads an address that is a text or a number, cut to a prefix.
fn formatted(args: &Args<'_>) -> Option<V4> {
    let prefix = if args.has(1) { prefix_of(args.long(1))? } else { 32 };
    let address = match args.get(0) {
        value @ (Value::Int(_) | Value::Long(_)) => {
            let bits = u32::try_from(crate::value::to_long(value)?).ok()?;
            V4 { bits, prefix: 32 }
        }
        other => V4::parse(&to_text(other))?,
    };
    Some(address.cut(prefix))
}

/// Compares as many bits as the shortest prefix has.
fn compare_v4(args: &Args<'_>) -> Option<i64> {
    let extra = if args.has(2) { prefix_of(args.long(2))? } else { 32 };
    let (a, b) = (V4::parse(&args.text(0))?, V4::parse(&args.text(1))?);
    let prefix = a.prefix.min(b.prefix).min(extra);
    Some(i64::from(a.cut(prefix).bits.cmp(&b.cut(prefix).bits) as i8))
}

fn ipv4_is_private(_: &Call<'_>, args: &Args<'_>) -> Value {
    let private = V4::parse(&args.text(0)).map(|address| {
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
            .iter()
            .filter_map(|network| V4::parse(network))
            .any(|network| network.contains(address))
    });
    Value::Bool(private)
}

/// Covers a range of addresses with as few networks as possible.
fn ipv4_range_to_cidr_list(_: &Call<'_>, args: &Args<'_>) -> Value {
    let ends = V4::parse(&args.text(0)).zip(V4::parse(&args.text(1)));
    let Some((first, last)) = ends else { return Value::Dynamic(Dynamic::Null) };
    let (mut from, to) = (u64::from(first.bits), u64::from(last.bits));
    let mut networks = Vec::new();
    while from <= to {
        let aligned = if from == 0 { 32 } else { from.trailing_zeros().min(32) };
        let room = (to - from + 1).ilog2();
        let size = aligned.min(room);
        let network = V4 { bits: u32::try_from(from).unwrap_or(0), prefix: 32 };
        networks.push(Dynamic::text(&format!("{network}/{}", 32 - size)));
        from += 1 << size;
    }
    Value::Dynamic(Dynamic::array(networks))
}

/// An IPv6 address, or an IPv4 address in its place within IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct V6 {
    bits: u128,
    prefix: u8,
}

impl V6 {
    /// Reads an address with or without a prefix.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(address) = V4::parse(text) {
            let bits = 0xffff_0000_0000 | u128::from(address.bits);
            return Some(Self { bits, prefix: 128 }.cut(96 + address.prefix));
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: std::net::Ipv6Addr = address.parse().ok()?;
        // The prefix of a text with an IPv4 part counts the bits of that part.
        let is_mixed = text.contains('.');
        let prefix = match prefix {
            Some(prefix) if is_mixed && prefix <= 32 => prefix + 96,
            Some(prefix) => prefix,
            None => 128,
        };
        let mut bits = u128::from(address);
        if is_mixed && bits >> 32 == 0 {
            bits |= 0xffff_0000_0000;
        }
        (prefix <= 128).then(|| Self { bits, prefix: 128 }.cut(prefix))
    }

    fn cut(self, prefix: u8) -> Self {
        let prefix = prefix.min(self.prefix);
        let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
        Self { bits: self.bits & mask, prefix }
    }

    /// Whether an address belongs to this network.
    pub(super) fn contains(self, address: Self) -> bool {
        address.prefix >= self.prefix && address.cut(self.prefix).bits == self.bits
    }

    fn printed(self) -> String {
        let groups = (0..8).rev().map(|group| format!("{:04x}", (self.bits >> (16 * group)) & 0xffff));
        groups.collect::<Vec<_>>().join(":")
    }
}

fn compare_v6(args: &Args<'_>) -> Option<i64> {
    let extra = if args.has(2) {
        args.long(2).and_then(|prefix| u8::try_from(prefix).ok()).filter(|prefix| *prefix <= 128)?
    } else {
        128
    };
    let (first, second) = (args.text(0), args.text(1));
    let (a, b) = (V6::parse(&first)?, V6::parse(&second)?);
    // Between two IPv4 addresses the prefix counts the bits of IPv4.
    let both_v4 = V4::parse(&first).is_some() && V4::parse(&second).is_some();
    let extra = if both_v4 && extra <= 32 { extra + 96 } else { extra };
    let prefix = a.prefix.min(b.prefix).min(extra);
    Some(i64::from(a.cut(prefix).bits.cmp(&b.cut(prefix).bits) as i8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_are_read() {
        for text in ["192.168.1", "192.168.1.256", "192.168.1.1/33", "a.b.c.d", "1.2.3.4.5", "1..2.3", ""] {
            assert_eq!(V4::parse(text), None, "{text}");
        }
        assert_eq!(V4::parse("192.168.1.1/24").unwrap().to_string(), "192.168.1.0");
        assert_eq!(V4::parse("0.0.0.0/0").unwrap().prefix, 0);
        assert_eq!(V6::parse("::1").unwrap().printed(), "0000:0000:0000:0000:0000:0000:0000:0001");
        assert_eq!(
            V6::parse("192.168.255.255/24").unwrap().printed(),
            "0000:0000:0000:0000:0000:ffff:c0a8:ff00"
        );
    }
}
