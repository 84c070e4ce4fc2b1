//! MD5, SHA-1 and SHA-256, for values that queries compare. Not for keeping secrets.

/// Pads a message and gives its blocks of sixteen words.
fn blocks(bytes: &[u8], order: Order) -> Vec<[u32; 16]> {
    let mut message = bytes.to_vec();
    let bits = (bytes.len() as u64).wrapping_mul(8);
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend_from_slice(&match order {
        Order::Little => bits.to_le_bytes(),
        Order::Big => bits.to_be_bytes(),
    });
    let word = |bytes: &[u8]| {
        let fold = |word: u32, byte: &u8| (word << 8) | u32::from(*byte);
        match order {
            Order::Little => bytes.iter().rev().fold(0, fold),
            Order::Big => bytes.iter().fold(0, fold),
        }
    };
    let block = |chunk: &[u8]| {
        let mut words = [0; 16];
        words.iter_mut().zip(chunk.chunks_exact(4)).for_each(|(place, bytes)| *place = word(bytes));
        words
    };
    message.chunks_exact(64).map(block).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

fn at(words: &[u32], index: usize) -> u32 {
    words.get(index).copied().unwrap_or(0)
}

/// RFC 1321.
pub(super) fn md5(bytes: &[u8]) -> Vec<u8> {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in blocks(bytes, Order::Little) {
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64_usize {
            let (mixed, place) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "the constants are defined so"
            )]
            let constant = (((step + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(at(&block, place % 16));
            let shift = SHIFTS.get(step / 16).and_then(|row| row.get(step % 4)).copied().unwrap_or(0);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(shift));
        }
        state.iter_mut().zip([a, b, c, d]).for_each(|(state, word)| *state = state.wrapping_add(word));
    }
    state.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// RFC 3174.
#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
pub(super) fn sha1(bytes: &[u8]) -> Vec<u8> {
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in blocks(bytes, Order::Big) {
        let mut words = block.to_vec();
        for index in 16..80 {
            let mixed = at(&words, index - 3)
                ^ at(&words, index - 8)
                ^ at(&words, index - 14)
                ^ at(&words, index - 16);
            words.push(mixed.rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (step, word) in words.iter().enumerate() {
            let (mixed, constant) = match step / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let sum = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
        }
        state.iter_mut().zip([a, b, c, d, e]).for_each(|(state, word)| *state = state.wrapping_add(word));
    }
    state.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// FIPS 180-4.
#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
    let constants = roots_of_primes(64, f64::cbrt);
    let mut state = roots_of_primes(8, f64::sqrt);
    for block in blocks(bytes, Order::Big) {
        let mut words = block.to_vec();
        for index in 16..64 {
            let (x, y) = (at(&words, index - 15), at(&words, index - 2));
            let s0 = x.rotate_right(7) ^ x.rotate_right(18) ^ (x >> 3);
            let s1 = y.rotate_right(17) ^ y.rotate_right(19) ^ (y >> 10);
            let sum =
                at(&words, index - 16).wrapping_add(s0).wrapping_add(at(&words, index - 7)).wrapping_add(s1);
            words.push(sum);
        }
        let mut work = state.clone();
        for (word, constant) in words.iter().zip(&constants) {
            let (a, b, c) = (at(&work, 0), at(&work, 1), at(&work, 2));
            let (e, f, g) = (at(&work, 4), at(&work, 5), at(&work, 6));
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = (e & f) ^ (!e & g);
            let first = at(&work, 7)
                .wrapping_add(s1)
                .wrapping_add(choice)
                .wrapping_add(*constant)
                .wrapping_add(*word);
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let majority = (a & b) ^ (a & c) ^ (b & c);
            let second = s0.wrapping_add(majority);
            work.rotate_right(1);
            if let Some(place) = work.first_mut() {
                *place = first.wrapping_add(second);
            }
            if let Some(place) = work.get_mut(4) {
                *place = place.wrapping_add(first);
            }
        }
        state.iter_mut().zip(work).for_each(|(state, word)| *state = state.wrapping_add(word));
    }
    state.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The first 32 bits of the fraction of a root of each of the first primes.
fn roots_of_primes(count: usize, root: fn(f64) -> f64) -> Vec<u32> {
    let is_prime = |number: &u32| {
        (2..*number)
            .take_while(|divisor| divisor * divisor <= *number)
            .all(|divisor| !number.is_multiple_of(divisor))
    };
    let bits = |prime: u32| {
        let root = root(f64::from(prime));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the constants are defined so"
        )]
        let bits = (root.fract() * 4_294_967_296.0) as u32;
        bits
    };
    (2..).filter(is_prime).take(count).map(bits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect()
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        assert_eq!(hex(&md5(b"abc")), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex(&sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let long = [b'a'; 119];
        assert_eq!(hex(&md5(&long)), "8a7bd0732ed6a28ce75f6dabc90e1613");
        assert_eq!(hex(&sha1(&long)), "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56");
    }
}
