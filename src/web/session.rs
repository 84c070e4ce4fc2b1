//! Who is signed in: codes that are good once, and sessions.
//!
//! All of it is in memory, so a restart signs everybody out. Only hashes of codes and session ids are kept.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::secret::{Kept, keep, make};
use crate::console::Account;

/// How long a code is good: time to change windows.
const TICKET_LIFE: SignedDuration = SignedDuration::from_mins(5);
/// Most codes that are open at a time; more means that something asks for them in a loop.
const TICKETS_MAX: usize = 32;
/// A session that nobody used for so long ends.
const IDLE: SignedDuration = SignedDuration::from_mins(15);
/// A session ends after so long, whoever uses it: a working day.
pub(super) const LIFE: SignedDuration = SignedDuration::from_hours(8);
/// Most sessions of one account; the one that was used longest ago gives way. A desk, a phone, and then some.
const SESSIONS_OF_ONE: usize = 5;
/// Most sessions in all.
const SESSIONS_MAX: usize = 100;
/// For so long after somebody has shown who they are they may do what is dangerous; then they show it again. Time to read
/// what waits, and too short for whoever finds the browser open.
const PROVEN: SignedDuration = SignedDuration::from_mins(15);
/// Bytes of a session's handle. It tells the sessions of one account apart, and opens nothing.
const HANDLE_BYTES: usize = 6;
/// Most wrong codes in a minute that are answered as such. A code has 256 bits: this is for the log's sake.
const FAILED_MAX: usize = 10;
const FAILED_WITHIN: SignedDuration = SignedDuration::from_mins(1);

/// A way in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// Where the code is taken.
    pub page: String,
    /// The code.
    pub code: String,
    /// The name of the account that it is for.
    pub account: String,
    /// Until when it is good.
    pub ends: Timestamp,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket")
            .field("account", &self.account)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// What somebody may do on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    /// Look at everything, and nothing else.
    Look,
    /// Speak as the approver that they are, stop and resume.
    Act,
}

/// Somebody who comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) account: Account,
    pub(super) rights: Rights,
    /// When they showed who they are, if anybody says so.
    pub(super) proven: Option<Timestamp>,
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Whom the session is.
    pub(super) account: Account,
    pub(super) rights: Rights,
    proven: Option<Timestamp>,
    /// What every form of it carries.
    pub(super) token: String,
    pub(super) began: Timestamp,
    pub(super) used: Timestamp,
}

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The code is wrong, used or too old.
    Wrong,
    /// So were too many before it.
    TooMany,
}

/// Whether a request shows that somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// A person.
    Person,
    /// The script that keeps a page up to date.
    Script,
}

/// Everybody who is signed in or about to be.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    tickets: BTreeMap<Kept, (Account, Timestamp)>,
    sessions: BTreeMap<Kept, Session>,
    failed: VecDeque<Timestamp>,
}

impl Sessions {
    /// Gives out a code for an account; `None` if too many are open.
    pub(super) fn issue(&self, account: Account, origin: &str, now: Timestamp) -> Option<Ticket> {
        let (code, ends) = (make()?, now.checked_add(TICKET_LIFE).ok()?);
        let mut book = self.book();
        book.tickets.retain(|_, (_, ends)| now < *ends);
        if TICKETS_MAX <= book.tickets.len() {
            return None;
        }
        let name = account.name.clone();
        book.tickets.insert(keep(&code), (account, ends));
        drop(book);
        Some(Ticket { page: format!("{origin}/sign-in"), code, account: name, ends })
    }

    /// Takes a code, and begins a session in the place of `before`. Returns the session's id and whom it is.
    pub(super) fn redeem(
        &self,
        code: &str,
        before: Option<&str>,
        now: Timestamp,
    ) -> Result<(String, Account), Refused> {
        let mut book = self.book();
        let taken = book.tickets.remove(&keep(code)).filter(|(_, ends)| now < *ends);
        let Some((account, _ends)) = taken else {
            return Err(book.failed(now));
        };
        drop(book);
        let person = Person { account: account.clone(), rights: Rights::Act, proven: Some(now) };
        let id = self.begin(person, before.map(keep), now).ok_or(Refused::Wrong)?;
        Ok((id, account))
    }

    /// Begins a session of somebody in the place of those before, and returns its id; `None` if this machine gives no
    /// random numbers.
    pub(super) fn begin(
        &self,
        person: Person,
        before: impl IntoIterator<Item = Kept>,
        now: Timestamp,
    ) -> Option<String> {
        let (id, token) = make().zip(make())?;
        let Person { account, rights, proven } = person;
        let mut book = self.book();
        for before in before {
            book.sessions.remove(&before);
        }
        book.make_room(&account, now);
        book.sessions.insert(keep(&id), Session { account, rights, proven, token, began: now, used: now });
        Some(id)
    }

    /// The session with an id, if it still stands.
    pub(super) fn find(&self, id: &str, asks: Asks, now: Timestamp) -> Option<Session> {
        let mut book = self.book();
        let kept = keep(id);
        let session = book.sessions.get_mut(&kept)?;
        if !session.stands(now) {
            let ended = book.sessions.remove(&kept)?;
            tracing::info!(
                account = ended.account.name,
                "a session of the page has ended: its time was over"
            );
            return None;
        }
        if asks == Asks::Person {
            session.used = now;
        }
        Some(session.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, id: &str) {
        self.book().sessions.remove(&keep(id));
    }

    /// The sessions of an account, by what tells them apart, the newest first.
    pub(super) fn of(&self, account: &Account, now: Timestamp) -> Vec<(String, Session)> {
        let book = self.book();
        let own =
            book.sessions.iter().filter(|(_, one)| one.account.who() == account.who() && one.stands(now));
        let mut own: Vec<_> = own.map(|(kept, one)| (handle(kept), one.clone())).collect();
        drop(book);
        own.sort_by_key(|(_, one)| std::cmp::Reverse(one.began));
        own
    }

    /// Ends those sessions of an account that `which` names by their handles, and says how many there were.
    pub(super) fn end_some(&self, account: &Account, which: impl Fn(&str) -> bool) -> usize {
        let mut book = self.book();
        let before = book.sessions.len();
        book.sessions.retain(|kept, one| one.account.who() != account.who() || !which(&handle(kept)));
        before - book.sessions.len()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells a session from the others of its account.
fn handle(kept: &Kept) -> String {
    let mut digits = String::new();
    for byte in kept.iter().take(HANDLE_BYTES) {
        let _infallible = write!(digits, "{byte:02x}");
    }
    digits
}

/// The handle of the session with an id.
pub(super) fn handle_of(id: &str) -> String {
    handle(&keep(id))
}

impl Session {
    /// Whether anybody says when they showed who they are. Where a provider does not, signing in again changes nothing.
    pub(super) const fn says_when(&self) -> bool {
        self.proven.is_some()
    }

    /// Whether they have shown just now who they are.
    pub(super) fn is_proven(&self, now: Timestamp) -> bool {
        // Another machine's clock may have said when.
        self.proven.is_some_and(|at| at.duration_until(now).abs() < PROVEN)
    }

    /// A clock that was turned back ends it too.
    fn stands(&self, now: Timestamp) -> bool {
        let (age, idle) = (self.began.duration_until(now), self.used.duration_until(now));
        age < LIFE && idle < IDLE && self.began <= now
    }
}

impl Book {
    fn make_room(&mut self, account: &Account, now: Timestamp) {
        self.sessions.retain(|_, session| session.stands(now));
        let of_one = self.sessions.values().filter(|session| session.account.who() == account.who()).count();
        if SESSIONS_OF_ONE <= of_one {
            self.drop_oldest(|session| session.account.who() == account.who());
        } else if SESSIONS_MAX <= self.sessions.len() {
            self.drop_oldest(|_any| true);
        }
    }

    fn drop_oldest(&mut self, which: impl Fn(&Session) -> bool) {
        let among = self.sessions.iter().filter(|(_, session)| which(session));
        if let Some(oldest) = among.min_by_key(|(_, session)| session.used).map(|(id, _)| *id) {
            self.sessions.remove(&oldest);
        }
    }

    fn failed(&mut self, now: Timestamp) -> Refused {
        self.failed.retain(|at| at.duration_until(now) < FAILED_WITHIN);
        if FAILED_MAX <= self.failed.len() {
            return Refused::TooMany;
        }
        self.failed.push_back(now);
        Refused::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn later(minutes: i64) -> Timestamp {
        START.checked_add(SignedDuration::from_mins(minutes)).unwrap()
    }

    fn alice() -> Account {
        Account::of(1001, Some("alice".to_owned()))
    }

    fn signed_in(sessions: &Sessions, now: Timestamp) -> String {
        let ticket = sessions.issue(alice(), "http://127.0.0.1:1", now).unwrap();
        sessions.redeem(&ticket.code, None, now).unwrap().0
    }

    #[test]
    fn a_code_is_good_once_and_for_five_minutes() {
        let sessions = Sessions::default();
        let code = sessions.issue(alice(), "http://127.0.0.1:1", START).unwrap().code;
        assert!(43 <= code.len(), "256 bits: {code}");
        sessions.redeem(&code, None, later(4)).unwrap();
        assert_eq!(sessions.redeem(&code, None, later(4)).unwrap_err(), Refused::Wrong);
        let late = sessions.issue(alice(), "http://127.0.0.1:1", START).unwrap().code;
        assert_eq!(sessions.redeem(&late, None, later(5)).unwrap_err(), Refused::Wrong);
    }

    #[test]
    fn a_session_ends_when_nobody_is_there_and_after_a_working_day() {
        let sessions = Sessions::default();
        let id = signed_in(&sessions, START);
        // What a script asks keeps nobody signed in.
        assert!(sessions.find(&id, Asks::Script, later(14)).is_some());
        assert!(sessions.find(&id, Asks::Person, later(15)).is_none());
        let id = signed_in(&sessions, START);
        for minute in (0..480).step_by(10) {
            assert!(sessions.find(&id, Asks::Person, later(minute)).is_some(), "{minute}");
        }
        assert!(sessions.find(&id, Asks::Person, later(480)).is_none());
        let id = signed_in(&sessions, START);
        assert!(sessions.find(&id, Asks::Person, later(-1)).is_none(), "the clock was turned back");
    }

    #[test]
    fn who_has_shown_long_ago_who_they_are_shows_it_again() {
        let sessions = Sessions::default();
        let id = signed_in(&sessions, START);
        let session = sessions.find(&id, Asks::Person, later(10)).unwrap();
        for (minute, proven) in [(0, true), (14, true), (15, false), (400, false)] {
            assert_eq!(session.is_proven(later(minute)), proven, "{minute}");
        }
        let unsaid = Person { account: alice(), rights: Rights::Act, proven: None };
        let id = sessions.begin(unsaid, None, START).unwrap();
        assert!(!sessions.find(&id, Asks::Person, START).unwrap().is_proven(START));
    }

    #[test]
    fn the_sessions_of_one_account_are_told_apart_and_end_one_by_one() {
        let sessions = Sessions::default();
        let (desk, phone) = (signed_in(&sessions, START), signed_in(&sessions, later(1)));
        let other = Person { account: Account::of(1002, None), rights: Rights::Act, proven: None };
        let other = sessions.begin(other, None, later(1)).unwrap();
        let handles: Vec<String> =
            sessions.of(&alice(), later(2)).into_iter().map(|(handle, _)| handle).collect();
        assert_eq!(handles, [handle_of(&phone), handle_of(&desk)]);
        assert!(!desk.contains(&handles[1]), "it opens nothing");
        assert_eq!(sessions.end_some(&alice(), |one| one == handle_of(&other)), 0, "another's stay");
        assert_eq!(sessions.end_some(&alice(), |one| one == handles[1]), 1);
        let stands = |id: &str| sessions.find(id, Asks::Script, later(2)).is_some();
        assert_eq!([stands(&desk), stands(&phone), stands(&other)], [false, true, true]);
    }

    #[test]
    fn a_sign_in_makes_a_new_session_and_ends_the_one_before() {
        let sessions = Sessions::default();
        let planted = signed_in(&sessions, START);
        let code = sessions.issue(alice(), "http://127.0.0.1:1", START).unwrap().code;
        let (id, account) = sessions.redeem(&code, Some(&planted), START).unwrap();
        assert!(id != planted && account == alice());
        assert!(sessions.find(&planted, Asks::Person, START).is_none());
        sessions.end(&id);
        assert!(sessions.find(&id, Asks::Person, START).is_none());
    }

    #[test]
    fn an_account_has_five_sessions_and_wrong_codes_are_counted() {
        let sessions = Sessions::default();
        let ids: Vec<String> = (0..6).map(|minute| signed_in(&sessions, later(minute))).collect();
        let left: Vec<bool> =
            ids.iter().map(|id| sessions.find(id, Asks::Script, later(6)).is_some()).collect();
        assert_eq!(left, [false, true, true, true, true, true]);
        let answers: Vec<Refused> =
            (0..11).map(|_try| sessions.redeem("guess", None, START).unwrap_err()).collect();
        assert!(answers[..10].iter().all(|answer| *answer == Refused::Wrong));
        assert_eq!(answers[10], Refused::TooMany);
        // Who has a good code comes in all the same, and a minute later it is said again what is wrong.
        signed_in(&sessions, START);
        assert_eq!(sessions.redeem("guess", None, later(1)).unwrap_err(), Refused::Wrong);
    }
}
