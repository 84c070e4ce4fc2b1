//! The words of the journal: what a run, an item, an effect and a message can be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::StoreError;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value as it is stored and shown.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = StoreError;

            fn from_str(text: &str) -> Result<Self, StoreError> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or_else(|| {
                    StoreError::Unreadable { what: $what, text: text.chars().take(64).collect() }
                })
            }
        }
    };
}

words!(
    /// Why a run began.
    Trigger, "a trigger" {
        /// Its time had come.
        Schedule = "schedule",
        /// Its time came while nobody was running.
        CatchUp = "catchUp",
        /// A person asked for it.
        Manual = "manual",
        /// The demonstration.
        Demo = "demo",
        /// What an earlier run did is taken back.
        Revert = "revert",
    }
);

words!(
    /// Whether the playbook may act.
    RunMode, "a mode" {
        /// It only says what it would do.
        Observe = "observe",
        /// It acts.
        Enforce = "enforce",
    }
);

words!(
    /// Whether actions reach the tenant.
    Effects, "a kind of effects" {
        /// They do.
        Apply = "apply",
        /// They are planned only.
        DryRun = "dryRun",
    }
);

words!(
    /// Where a run stands.
    RunState, "a run state" {
        /// It runs, or its process died.
        Running = "running",
        /// It ended, and everything it wanted was done or decided.
        Ok = "ok",
        /// It ended, and some items failed.
        Partial = "partial",
        /// It ended without doing its work.
        Failed = "failed",
    }
);

words!(
    /// Where an effect stands. The legal steps are [`EffectState::follows`].
    EffectState, "an effect state" {
        /// About to be sent, or sent and its result unknown to the journal.
        Intended = "intended",
        /// The tenant accepted it and works on it.
        Pending = "pending",
        /// In force.
        Done = "done",
        /// Provably not in force: refused, or never arrived. May be tried again.
        NotApplied = "notApplied",
        /// The tenant accepted it and then gave up on it.
        Failed = "failed",
        /// May or may not be in force.
        Unknown = "unknown",
        /// May or may not be in force, and a person must say.
        Parked = "parked",
    }
);

impl EffectState {
    /// Whether `next` may follow `last`. This is the one place that says so; the database enforces the
    /// same table by a trigger.
    #[must_use]
    pub const fn follows(last: Option<Self>, next: Self) -> bool {
        use EffectState::{Done, Failed, Intended, NotApplied, Parked, Pending, Unknown};
        match (last, next) {
            // A first attempt, or another after proof that the last one did nothing.
            (None | Some(NotApplied), Intended) => true,
            (None, _) => false,
            (Some(Intended), Pending | Done | NotApplied | Unknown) => true,
            (Some(Pending), Done | Failed) => true,
            // Read back from the tenant, or given up on.
            (Some(Unknown), Pending | Done | NotApplied | Parked) => true,
            // A person's word, or the tenant's own when it shows the action or that there is none.
            (Some(Parked), Pending | Done | NotApplied) => true,
            (Some(Intended), Intended | Failed | Parked)
            | (Some(Pending), Intended | Pending | NotApplied | Unknown | Parked)
            | (Some(Unknown), Intended | Failed | Unknown)
            | (Some(Parked), Intended | Failed | Unknown | Parked)
            | (Some(NotApplied), Pending | Done | NotApplied | Failed | Unknown | Parked)
            | (Some(Done | Failed), _) => false,
        }
    }

    /// Where it goes when nobody is at it any more, be it that its answer was lost or that its process died: what may have
    /// been sent is parked, by way of not being known. Nothing for what does not go on by itself.
    #[must_use]
    pub const fn once_left(self) -> Option<Self> {
        match self {
            Self::Intended => Some(Self::Unknown),
            Self::Unknown => Some(Self::Parked),
            Self::Pending | Self::Done | Self::Failed | Self::NotApplied | Self::Parked => None,
        }
    }

    /// Whether a person's word can settle it.
    #[must_use]
    pub const fn takes_a_word(self) -> bool {
        matches!(self, Self::Parked | Self::Pending)
    }

    /// Whether nothing more can happen to the effect by itself or by us.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        match self {
            Self::Done | Self::Failed | Self::NotApplied => true,
            Self::Intended | Self::Pending | Self::Unknown | Self::Parked => false,
        }
    }
}

words!(
    /// Whether an action still stands.
    RevertState, "the state of a revert" {
        /// It does, as far as is known.
        Standing = "standing",
        /// huntbook has taken it back.
        Undone = "undone",
        /// It is over in another way: it came to nothing, or people have taken it back.
        Over = "over",
    }
);

words!(
    /// Where a message stands.
    MessageState, "a message state" {
        /// Waiting for its time.
        Pending = "pending",
        /// The channel took it.
        Delivered = "delivered",
        /// Given up on.
        Dead = "dead",
    }
);

words!(
    /// Where a request for people's leave stands. The legal steps are [`ApprovalState::follows`].
    ApprovalState, "an approval state" {
        /// Nobody has decided, or not enough people have.
        Awaiting = "awaiting",
        /// Enough people said yes. It holds until it expires.
        Approved = "approved",
        /// Spent: the call it gave leave to was intended.
        Consumed = "consumed",
        /// Somebody said no.
        Rejected = "rejected",
        /// Its time ran out.
        Expired = "expired",
        /// What was asked for is not what would be done by now.
        Void = "void",
    }
);

impl ApprovalState {
    /// Whether `next` may follow `last`. This is the one place that says so; the database enforces the same
    /// table by a trigger.
    #[must_use]
    pub const fn follows(last: Self, next: Self) -> bool {
        match last {
            Self::Awaiting => matches!(next, Self::Approved | Self::Rejected | Self::Expired | Self::Void),
            Self::Approved => matches!(next, Self::Consumed | Self::Rejected | Self::Expired | Self::Void),
            Self::Consumed | Self::Rejected | Self::Expired | Self::Void => false,
        }
    }

    /// Whether it hears a word: a yes until there are enough of them, a no until the leave is spent.
    #[must_use]
    pub const fn hears(self, word: Consent) -> bool {
        match word {
            Consent::Approve => matches!(self, Self::Awaiting),
            Consent::Deny => self.is_open(),
        }
    }

    /// Whether something may still come of it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Awaiting | Self::Approved)
    }
}

words!(
    /// What a person says when asked for leave.
    Consent, "a word" {
        /// Yes.
        Approve = "approve",
        /// No.
        Deny = "deny",
    }
);

words!(
    /// Which way a person's word came.
    Way, "a way" {
        /// By a command on this machine.
        Command = "command",
        /// Through the page, by somebody who signed in on this machine.
        Page = "page",
        /// By a file beside the journal.
        File = "file",
    }
);

/// The SHA-256 of a file or of an action's parameters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// Hashes bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads a stored hash.
    pub(super) fn stored(bytes: &[u8]) -> Result<Self, StoreError> {
        <[u8; 32]>::try_from(bytes).map(Self).map_err(|_length| StoreError::Unreadable {
            what: "a hash",
            text: format!("{} bytes", bytes.len()),
        })
    }

    /// Reads the form in which it is shown whole: 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let [high, low] = pair.map(digit);
            *byte = high? << 4 | low?;
        }
        Some(Self(bytes))
    }

    /// The first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

impl Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What makes one effect the same effect after a crash, a retry or a reload: 1 to 40 characters, letters,
/// digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EffectKey(Box<str>);

impl EffectKey {
    /// Longest key, so that it fits into the comment an action leaves at the tenant.
    pub const LENGTH_MAX: usize = 40;

    /// Makes the key of an effect from everything that identifies it: tenant, playbook, run, item, step, place,
    /// action, target. Each part counts with its length, so `ab`, `c` is not `a`, `bc`.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Self(base32(&hash.finalize()).chars().take(26).collect::<String>().into_boxed_str())
    }

    /// The first eight digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }

    /// Lends the key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EffectKey {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fits.then(|| Self(text.into())).ok_or_else(|| StoreError::Unreadable {
            what: "an effect key",
            text: text.chars().take(64).collect(),
        })
    }
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes bytes in base 32 (RFC 4648 alphabet, lower case, no padding).
fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xffff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let digit = usize::try_from((held >> bits) & 31).unwrap_or(0);
            text.extend(DIGITS.get(digit).map(|digit| char::from(*digit)));
        }
    }
    if bits > 0 {
        let digit = usize::try_from((held << (5 - bits)) & 31).unwrap_or(0);
        text.extend(DIGITS.get(digit).map(|digit| char::from(*digit)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_shown_and_nothing_else_is_one() {
        let hash = ContentHash::of(b"playbook");
        let shown = hash.to_string();
        assert_eq!(
            (ContentHash::parse(&shown), ContentHash::parse(&shown.to_uppercase())),
            (Some(hash), Some(hash))
        );
        let cut = |length| shown.get(..length).unwrap().to_owned();
        for bad in [
            String::new(),
            cut(62),
            cut(63),
            format!("{shown}a"),
            format!("{shown}ab"),
            format!("{}g", cut(63)),
        ] {
            assert_eq!(ContentHash::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_is_26_digits_and_its_parts_do_not_run_together() {
        let key = EffectKey::of(&[b"ab", b"c"]);
        assert_eq!(key.as_str().len(), 26);
        assert_ne!(key, EffectKey::of(&[b"a", b"bc"]));
        assert_eq!(key, EffectKey::of(&[b"ab", b"c"]));
        assert_eq!(key.as_str().parse::<EffectKey>().unwrap(), key);
        for bad in ["", "a b", "é", &"x".repeat(41)] {
            assert!(bad.parse::<EffectKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn base32_is_the_standard_one() {
        assert_eq!(base32(b""), "");
        assert_eq!(base32(b"f"), "my");
        assert_eq!(base32(b"foobar"), "mzxw6ytboi");
    }

    #[test]
    fn words_read_as_they_are_written() {
        for state in EffectState::ALL {
            assert_eq!(state.as_str().parse::<EffectState>().unwrap(), *state);
        }
        assert!("nonsense".parse::<RunState>().is_err());
    }

    #[test]
    fn an_effect_ends_where_it_can_be_trusted() {
        for state in EffectState::ALL {
            let leaves = EffectState::ALL.iter().any(|next| EffectState::follows(Some(*state), *next));
            let retried = *state == EffectState::NotApplied;
            assert_eq!(leaves, !state.is_settled() || retried, "{state}");
        }
        assert_eq!(EffectState::ALL.iter().filter(|next| EffectState::follows(None, **next)).count(), 1);
    }

    #[test]
    fn a_request_is_open_until_it_is_spent_or_over() {
        for state in ApprovalState::ALL {
            let ways =
                ApprovalState::ALL.iter().filter(|next| ApprovalState::follows(*state, **next)).count();
            let expect = match state {
                ApprovalState::Awaiting | ApprovalState::Approved => 4,
                ApprovalState::Consumed
                | ApprovalState::Rejected
                | ApprovalState::Expired
                | ApprovalState::Void => 0,
            };
            assert_eq!((ways, state.is_open()), (expect, 0 < expect), "{state}");
            assert_eq!(state.hears(Consent::Deny), 0 < expect, "{state}");
            assert_eq!(state.hears(Consent::Approve), *state == ApprovalState::Awaiting, "{state}");
        }
    }

    #[test]
    fn hashes_and_keys_are_shown_in_short_and_in_full() {
        let hash = ContentHash([0xab; 32]);
        assert_eq!((hash.to_string(), hash.short()), ("ab".repeat(32), "ab".repeat(6)));
        assert_eq!(format!("{hash:?}"), format!("ContentHash({hash})"));
        let key: EffectKey = "a-b_c0123456".parse().unwrap();
        assert_eq!(key.short(), "a-b_c012");
    }
}
