//! Who may give leave for an action, and what a playbook says about asking.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// How long leave may be asked for, when the playbook says nothing. Half of it would be over before a person on
/// call has looked; double is the most that is allowed.
pub const TIMEOUT: SignedDuration = SignedDuration::from_mins(30);
/// Longest time: what was seen an hour ago says little of what is right now.
pub const TIMEOUT_MAX: SignedDuration = SignedDuration::from_mins(60);
/// Shortest time: a person has to read what is asked.
pub const TIMEOUT_MIN: SignedDuration = SignedDuration::from_mins(1);

/// How people are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The channel that is told.
    pub channel: String,
    /// How many people must say yes.
    pub minimum: u32,
    /// How long they have. Then the answer is no.
    pub timeout: SignedDuration,
}

/// Who may give leave: names of the settings, each with an account of the operating system, by its name or
/// number, or a person of the OpenID provider ([`of_provider`]), or both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvers {
    accounts: BTreeMap<String, Vec<String>>,
    /// How they are asked where a guard of the settings wants it and the playbook names nobody.
    asked: Option<Approval>,
}

/// What goes before the id of a person whom the OpenID provider knows.
const ELSEWHERE: &str = "openid:";

/// How a person is written whom the OpenID provider knows by an id. No account of a machine has a colon in its name.
#[must_use]
pub fn of_provider(id: &str) -> String {
    format!("{ELSEWHERE}{id}")
}

/// Who speaks: the name and the number of an account, or a person as [`of_provider`] writes them.
pub type Who<'a> = (&'a str, Option<u32>);

/// Why somebody's word does not count. Shown as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// The settings name no such approver.
    #[error("the settings name no approver `{0}`")]
    Unknown(String),
    /// The approver has another account.
    #[error("`{by}` is the account `{wanted}`, and this is `{account}`{}", numbered(*uid))]
    Stranger {
        /// The approver.
        by: String,
        /// The approver's account.
        wanted: String,
        /// The account that spoke.
        account: String,
        /// Its number.
        uid: Option<u32>,
    },
    /// The approver wrote the playbook.
    #[error("the playbook is by `{0}`: somebody else must approve what it does")]
    Author(String),
    /// The approver started the run.
    #[error("you started this run by hand: somebody else must approve what it does")]
    Starter,
}

/// From whom comes what is to be approved.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// Whom the playbook names as its author.
    pub author: Option<&'a str>,
    /// Who started the run, if it was by hand.
    pub starter: Option<Who<'a>>,
}

impl Origin<'_> {
    /// Whether the author is called so: as a whole, as one of several, or by one word or address of it. Only as far as can
    /// be known: an author is a text in the playbook.
    #[must_use]
    pub fn is_by(&self, name: &str) -> bool {
        let Some(author) = self.author else { return false };
        let is_edge = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"' | '\'');
        let plain = |text: &str| text.trim_matches(is_edge).to_lowercase();
        let wanted = plain(name);
        let ends = |c: char| matches!(c, ',' | ';');
        let parts = author.split(ends).chain(author.split(|c: char| ends(c) || c.is_whitespace()));
        !wanted.is_empty() && parts.chain([author]).any(|part| plain(part) == wanted)
    }
}

fn numbered(uid: Option<u32>) -> String {
    uid.map(|uid| format!(" ({uid})")).unwrap_or_default()
}

impl Approvers {
    /// Takes names and their accounts. A name that comes several times has as many.
    #[must_use]
    pub fn new(named: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut accounts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, account) in named {
            accounts.entry(name).or_default().push(account);
        }
        Self { accounts, asked: None }
    }

    /// Says how they are asked where a guard of the settings wants it and the playbook names nobody.
    #[must_use]
    pub fn asked_by(self, asked: Option<Approval>) -> Self {
        Self { asked, ..self }
    }

    /// How they are asked there, if the settings say.
    #[must_use]
    pub const fn asked(&self) -> Option<&Approval> {
        self.asked.as_ref()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// The account of an approver; the first, if they have several.
    #[must_use]
    pub fn account(&self, name: &str) -> Option<&str> {
        self.accounts.get(name)?.first().map(String::as_str)
    }

    /// How many people there are: who has several names is one.
    #[must_use]
    pub fn people(&self) -> usize {
        self.people_among(self.accounts.values().flatten().map(|account| (account.as_str(), None)))
    }

    /// How many people speak, as far as the settings say.
    #[must_use]
    pub fn people_among<'a>(&self, speakers: impl IntoIterator<Item = Who<'a>>) -> usize {
        let mut people: Vec<Who<'a>> = Vec::new();
        for who in speakers {
            if !people.iter().any(|&other| self.are_one(other, who)) {
                people.push(who);
            }
        }
        people.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The approvers who have an account.
    #[must_use]
    pub fn of_account(&self, (account, uid): Who<'_>) -> Vec<&str> {
        let is = |wanted: &String| wanted == account || uid.is_some_and(|uid| wanted.parse() == Ok(uid));
        let own = self.accounts.iter().filter(|(_, all)| all.iter().any(is));
        own.map(|(name, _)| name.as_str()).collect()
    }

    /// Whether two who speak are one person, as far as the settings say: by the account, its number, or as accounts of
    /// one approver.
    #[must_use]
    pub fn are_one(&self, one: Who<'_>, other: Who<'_>) -> bool {
        let same = one.0 == other.0 || (one.1.is_some() && one.1 == other.1);
        same || !self.names_of(one).is_disjoint(&self.names_of(other))
    }

    /// All names of whoever speaks: of the account, of what else has one of these names, and so on.
    fn names_of(&self, who: Who<'_>) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = self.of_account(who).into_iter().collect();
        loop {
            let accounts: BTreeSet<&String> = self.accounts_of(&names).collect();
            let more = self.accounts.iter().filter(|(_, all)| all.iter().any(|one| accounts.contains(one)));
            let before = names.len();
            names.extend(more.map(|(name, _)| name.as_str()));
            if names.len() == before {
                return names;
            }
        }
    }

    fn accounts_of<'a>(&'a self, names: &BTreeSet<&'a str>) -> impl Iterator<Item = &'a String> {
        names.iter().filter_map(|name| self.accounts.get(*name)).flatten()
    }

    /// Whether an account may speak as an approver.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn may_speak(&self, by: &str, (account, uid): Who<'_>) -> Result<(), NotAllowed> {
        let wanted = self.accounts.get(by).ok_or_else(|| NotAllowed::Unknown(by.to_owned()))?;
        if self.of_account((account, uid)).contains(&by) {
            return Ok(());
        }
        let (wanted, account) = (wanted.join("` or `"), account.to_owned());
        Err(NotAllowed::Stranger { by: by.to_owned(), wanted, account, uid })
    }

    /// Whether an account may say yes, as an approver, to what comes from elsewhere: not from them, under whichever of
    /// their names and accounts. As far as can be known: see [`Origin::is_by`].
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn may_approve(&self, by: &str, who: Who<'_>, origin: &Origin<'_>) -> Result<(), NotAllowed> {
        self.may_speak(by, who)?;
        if origin.starter.is_some_and(|starter| self.are_one(starter, who)) {
            return Err(NotAllowed::Starter);
        }
        let names = self.names_of(who);
        let accounts = self.accounts_of(&names).map(String::as_str).chain([who.0]);
        let accounts = accounts.flat_map(|one| [one, one.strip_prefix(ELSEWHERE).unwrap_or(one)]);
        if names.iter().copied().chain(accounts).any(|name| origin.is_by(name)) {
            return Err(NotAllowed::Author(origin.author.unwrap_or_default().to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(by: &str, account: (&str, u32), author: Option<&str>, expect: &str) {
        hear(by, (account.0, Some(account.1)), author, expect);
    }

    #[track_caller]
    fn hear(by: &str, who: Who<'_>, author: Option<&str>, expect: &str) {
        let named = [("soc-lead", "alice"), ("duty", "1002"), ("dana", "openid:0f3a")];
        let approvers = Approvers::new(named.map(|(name, user)| (name.to_owned(), user.to_owned())));
        let allowed = approvers.may_approve(by, who, &Origin { author, starter: None });
        assert_eq!(allowed.err().map_or_else(|| "yes".to_owned(), |why| why.to_string()), expect);
    }

    #[test]
    fn who_started_a_run_approves_nothing_of_it() {
        let approvers = Approvers::new([("soc-lead".to_owned(), "alice".to_owned())]);
        let started = |starter| {
            approvers.may_approve("soc-lead", ("alice", Some(1001)), &Origin { author: None, starter })
        };
        for same in [("alice", Some(1001)), ("alice", None), ("al", Some(1001))] {
            assert_eq!(started(Some(same)), Err(NotAllowed::Starter), "{same:?}");
        }
        assert_eq!(started(Some(("bob", Some(1002)))), Ok(()));
        // Two people of a provider have no numbers, and are not the same for that.
        let approvers = Approvers::new([("dana".to_owned(), of_provider("a"))]);
        let origin = Origin { author: None, starter: Some(("openid:b", None)) };
        assert_eq!(approvers.may_approve("dana", (&of_provider("a"), None), &origin), Ok(()));
    }

    #[test]
    fn who_has_an_account_here_and_one_elsewhere_is_one_person() {
        let both = [("dana", "dana.c"), ("dana", "openid:0f3a"), ("duty", "openid:0f3a"), ("lead", "alice")];
        let approvers = Approvers::new(both.map(|(name, who)| (name.to_owned(), who.to_owned())));
        let (here, elsewhere) = (("dana.c", Some(1001)), ("openid:0f3a", None));
        assert_eq!((approvers.people(), approvers.account("dana")), (2, Some("dana.c")), "duty is dana");
        assert_eq!(approvers.people_among([here, elsewhere, ("alice", None), here]), 2);
        assert!(approvers.are_one(here, elsewhere) && !approvers.are_one(here, ("alice", Some(1002))));
        for (started, speaks) in [(here, elsewhere), (elsewhere, here)] {
            let origin = Origin { author: None, starter: Some(started) };
            assert_eq!(approvers.may_approve("dana", speaks, &origin), Err(NotAllowed::Starter));
            assert_eq!(approvers.may_approve("lead", ("alice", Some(1002)), &origin), Ok(()));
        }
        // Whichever name the playbook has for its author, and whichever the approver speaks under.
        for author in ["dana", "Dana.C", "0f3a", "openid:0f3a", "duty; alice.b", "D. <dana.c>"] {
            let origin = Origin { author: Some(author), starter: None };
            for (by, who) in [("dana", here), ("dana", elsewhere), ("duty", elsewhere)] {
                let may = approvers.may_approve(by, who, &origin);
                assert!(matches!(may, Err(NotAllowed::Author(_))), "{author} {by} {may:?}");
            }
        }
        let stranger = approvers.may_speak("dana", ("alice", None)).unwrap_err().to_string();
        assert_eq!(stranger, "`dana` is the account `dana.c` or `openid:0f3a`, and this is `alice`");
    }

    #[test]
    fn an_author_is_found_under_a_name_and_an_address() {
        let by = |author, name: &str| Origin { author: Some(author), starter: None }.is_by(name);
        assert!(
            by("Dana Contoso", "dana contoso") && by("Dana Contoso <dana@contoso.com>", "Dana@contoso.com")
        );
        assert!(by("lead, Dana Contoso", "Dana Contoso") && !by("dana", "") && !by("", ""));
        assert!(!by("dana@contoso.com", "dana@contoso.co") && !by("danas", "dana"));
    }

    #[test]
    fn an_approver_speaks_from_one_account_and_not_for_a_playbook_of_theirs() {
        check("soc-lead", ("alice", 1001), None, "yes");
        check("duty", ("bob", 1002), Some("soc-engineering"), "yes");
        check("lead", ("alice", 1001), None, "the settings name no approver `lead`");
        check("soc-lead", ("bob", 1002), None, "`soc-lead` is the account `alice`, and this is `bob` (1002)");
        check("duty", ("alice", 1001), None, "`duty` is the account `1002`, and this is `alice` (1001)");
        let own = |author| format!("the playbook is by `{author}`: somebody else must approve what it does");
        check("soc-lead", ("alice", 1001), Some("Alice"), &own("Alice"));
        check("soc-lead", ("alice", 1001), Some("bob, SOC-lead"), &own("bob, SOC-lead"));
        check("soc-lead", ("alice", 1001), Some("soc-leads"), "yes");
        hear("dana", (&of_provider("0f3a"), None), None, "yes");
        hear(
            "soc-lead",
            ("openid:alice", None),
            None,
            "`soc-lead` is the account `alice`, and this is `openid:alice`",
        );
    }
}
