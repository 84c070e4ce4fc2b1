//! Decompression by RFC 1951.

/// The most bytes a text is decompressed to.
const BYTES_MAX: usize = 16 << 20;

/// Decompresses; nothing if the bytes are not what they claim to be.
pub(super) fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Bits { bytes, place: 0 };
    let mut out = Vec::new();
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut out)?,
            1 => {
                let mut lengths = [8_u8; 288];
                lengths.iter_mut().enumerate().for_each(|(symbol, length)| {
                    *length = match symbol {
                        144..=255 => 9,
                        256..=279 => 7,
                        _ => 8,
                    };
                });
                block(&mut bits, &mut out, &Codes::new(&lengths), &Codes::new(&[5; 30]))?;
            }
            2 => {
                let (literals, distances) = dynamic_codes(&mut bits)?;
                block(&mut bits, &mut out, &literals, &distances)?;
            }
            _ => return None,
        }
        if is_last {
            return Some(out);
        }
    }
}

/// Bits from the lowest of each byte on.
struct Bits<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<usize> {
        let mut value = 0;
        for shift in 0..count {
            let byte = *self.bytes.get(self.place / 8)?;
            value |= usize::from(byte >> (self.place % 8) & 1) << shift;
            self.place += 1;
        }
        Some(value)
    }
}

fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>) -> Option<()> {
    bits.place = bits.place.div_ceil(8) * 8;
    let length = bits.take(16)?;
    let check = bits.take(16)?;
    if length ^ check != 0xffff || out.len() + length > BYTES_MAX {
        return None;
    }
    let start = bits.place / 8;
    out.extend_from_slice(bits.bytes.get(start..start + length)?);
    bits.place += length * 8;
    Some(())
}

/// A canonical prefix code: how many codes have each length, and the symbols in order.
struct Codes {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Codes {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        for length in lengths.iter().filter(|length| **length > 0) {
            if let Some(count) = counts.get_mut(usize::from(*length)) {
                *count += 1;
            }
        }
        let mut symbols: Vec<usize> = (0..lengths.len()).collect();
        let length = |symbol: &usize| lengths.get(*symbol).copied().unwrap_or(0);
        symbols.retain(|symbol| length(symbol) > 0);
        symbols.sort_by_key(length);
        Self { counts, symbols }
    }

    fn next(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in self.counts.iter().skip(1) {
            code |= bits.take(1)?;
            if code < first + count {
                return self.symbols.get(index + code - first).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

fn dynamic_codes(bits: &mut Bits<'_>) -> Option<(Codes, Codes)> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let literals = bits.take(5)? + 257;
    let distances = bits.take(5)? + 1;
    let count = bits.take(4)? + 4;
    let mut lengths = [0_u8; 19];
    for place in ORDER.iter().take(count) {
        *lengths.get_mut(*place)? = u8::try_from(bits.take(3)?).ok()?;
    }
    let codes = Codes::new(&lengths);
    let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
    while lengths.len() < literals + distances {
        let (value, times) = match codes.next(bits)? {
            16 => (*lengths.last()?, bits.take(2)? + 3),
            17 => (0, bits.take(3)? + 3),
            18 => (0, bits.take(7)? + 11),
            length => (u8::try_from(length).ok()?, 1),
        };
        lengths.extend(std::iter::repeat_n(value, times));
    }
    let (literal_lengths, distance_lengths) = lengths.split_at_checked(literals)?;
    Some((Codes::new(literal_lengths), Codes::new(distance_lengths.get(..distances)?)))
}

fn block(bits: &mut Bits<'_>, out: &mut Vec<u8>, literals: &Codes, distances: &Codes) -> Option<()> {
    loop {
        match literals.next(bits)? {
            symbol @ 0..=255 => out.push(u8::try_from(symbol).ok()?),
            256 => return Some(()),
            symbol => {
                let length = length(symbol, bits)?;
                let distance = distance(distances.next(bits)?, bits)?;
                let start = out.len().checked_sub(distance)?;
                for place in start..start + length {
                    out.push(*out.get(place)?);
                }
            }
        }
        if out.len() > BYTES_MAX {
            return None;
        }
    }
}

fn length(symbol: usize, bits: &mut Bits<'_>) -> Option<usize> {
    match symbol {
        257..=264 => Some(symbol - 254),
        265..=284 => {
            let extra = (symbol - 261) / 4;
            Some((((symbol - 265) % 4 + 4) << extra) + 3 + bits.take(extra)?)
        }
        285 => Some(258),
        _ => None,
    }
}

fn distance(symbol: usize, bits: &mut Bits<'_>) -> Option<usize> {
    match symbol {
        0..=3 => Some(symbol + 1),
        4..=29 => {
            let extra = symbol / 2 - 1;
            Some(((symbol % 2 + 2) << extra) + 1 + bits.take(extra)?)
        }
        _ => None,
    }
}
