//! What the doctor can find: a stable code for each kind, what was looked at, and what to do about it.

/// A kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flaw {
    /// For tools and for the list in `src/DOCTOR.md`.
    pub(super) code: &'static str,
    /// What was looked at.
    pub(super) check: &'static str,
    /// What to do, if the finding itself does not say more.
    pub(super) remedy: &'static str,
}

macro_rules! flaws {
    ($($(#[$doc:meta])+ $name:ident = ($code:literal, $check:literal, $remedy:literal)),+ $(,)?) => {
        $($(#[$doc])+ pub(super) const $name: Flaw = Flaw { code: $code, check: $check, remedy: $remedy };)+

        #[cfg(test)]
        const ALL: &[Flaw] = &[$($name),+];
    };
}

flaws! {
    /// Others can read or write what must be kept.
    EXPOSED = ("HD101", "settings", "take the rights of others away: `chmod 600`"),
    /// Nobody hears what a person should look at.
    UNHEARD = ("HD102", "settings", "set `alerts: {channel: NAME}`"),
    /// The settings name what is not there.
    NAMES = ("HD103", "settings", "see `huntbook validate`"),
    /// A tenant cannot be made of its settings.
    TENANT_SETTINGS = ("HD104", "settings", "mend `auth` and `endpoints` of the tenant, or give the process what they name"),
    /// Somebody else could have written the settings, the playbooks or the lists, or nobody signed them.
    STRANGERS = ("HD105", "settings", "take the rights of others away, or say in `reload` of the settings whose files count"),
    /// A playbook is refused.
    PLAYBOOK = ("HD111", "playbooks", "see `huntbook validate`"),
    /// There is none.
    NO_PLAYBOOK = ("HD112", "playbooks", "put one into the folder that `playbooks` of the settings names"),
    /// A list is refused.
    LIST = ("HD113", "lists", "see `huntbook validate`"),
    /// The journal's place does not do.
    JOURNAL_PLACE = ("HD121", "journal", "give the account that runs huntbook a folder of its own on a local disk"),
    /// The journal is of an earlier version.
    JOURNAL_OLDER = ("HD122", "journal", "the next `run` or `serve` brings it up to date; keep a copy until then"),
    /// The journal cannot be read.
    JOURNAL = ("HD123", "journal", "put the last good copy of it in its place, or begin a new one beside it with `huntbook journal rebuild`"),
    /// Somebody, or huntbook itself, has stopped actions.
    STOPPED = ("HD124", "journal", "`huntbook resume` lifts it"),
    /// A channel cannot be made of its settings.
    CHANNEL_SETTINGS = ("HD131", "channel", "mend the channel in the settings, or put its secret in its place"),
    /// A channel does not let huntbook in.
    CHANNEL_LOGIN = ("HD132", "channel", "check the channel's user and password"),
    /// A channel is not reached.
    CHANNEL_UNREACHED = ("HD133", "channel", "check host, port, `security`, proxy and firewall; a private authority goes into `http.extraCa`"),
    /// A channel answers otherwise.
    CHANNEL = ("HD134", "channel", "see what the receiver says"),
    /// The HTTP client cannot be set up.
    HTTP = ("HD141", "network", "mend `http` in the settings"),
    /// The authority is not reached.
    AUTHORITY = ("HD142", "sign-in", "check network, proxy (`http.proxy`), firewall, and `http.extraCa` if a proxy opens TLS"),
    /// An API is not reached.
    API = ("HD143", "network", "check `endpoints`, proxy and firewall"),
    /// What the app proves itself with is not there, or does not do.
    SECRET = ("HD201", "secret", "put a secret or certificate that is good where the settings say that it is found"),
    /// It is there, and looks wrong.
    SECRET_ODD = ("HD202", "secret", "put the secret's value there, and nothing else"),
    /// The certificate ends.
    CERTIFICATE = ("HD203", "certificate", "make a new one, register it with the app beside this one, and put it in its place"),
    /// The authority gives no token, and says why.
    SIGN_IN = ("HD211", "sign-in", "see what the authority says"),
    /// There is no token for another reason.
    NO_TOKEN = ("HD212", "sign-in", "see what keeps it out, and try again"),
    /// The token is for another tenant.
    FOREIGN_TOKEN = ("HD221", "token", "check `tenantId`"),
    /// The token is a person's.
    DELEGATED = ("HD222", "token", "grant application permissions"),
    /// The token allows nothing.
    NO_CONSENT = ("HD223", "token", "grant the permissions below, and consent to them"),
    /// The clock is wrong.
    CLOCK = ("HD231", "clock", "set the clock, and let NTP keep it"),
    /// A playbook lacks what its input needs.
    NOT_ARMED = ("HD301", "permissions", "grant what is listed below; within five minutes it is armed"),
    /// A playbook lacks what its actions need.
    CANNOT_ACT = ("HD302", "permissions", "grant what is listed below; what was not done comes back at the next run"),
    /// A playbook lacks what lets it see all.
    SEES_LESS = ("HD303", "permissions", "grant what is listed below"),
    /// A playbook will lack something.
    NEEDED_LATER = ("HD304", "permissions", "grant it before"),
    /// The permission of another API was granted.
    OTHER_API = ("HD305", "permissions", "grant the one that is needed, and take this one away"),
    /// More is granted than is needed.
    NEEDLESS = ("HD306", "permissions", "take it away, unless other software uses it"),
    /// Hunting goes to an API that ends.
    OLD_API = ("HD311", "hunting", "use `hunting: graph`"),
    /// A hunt reads a table that the tenant does not have.
    NO_TABLE = ("HD321", "licences", "get the licence and onboard the product, or mend the query; its runs fail until then"),
    /// Nobody says which tables there are.
    TABLES_UNKNOWN = ("HD322", "licences", "run the playbook once with `--dry-run`: a table that is not there fails it"),
    /// A setting of the service that no API tells.
    NETWORK_UNASKED = ("HD324", "settings of the service", "have network protection in block mode on the devices, and \"Custom network indicators\" switched on in Defender"),
    /// A licence that no API tells this app of.
    LICENCE_UNASKED = ("HD323", "licences", "look in the admin centre: no API says it to this app"),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_code_of_its_own_that_the_list_has() {
        let list = include_str!("../../DOCTOR.md");
        let codes: BTreeSet<&str> = ALL.iter().map(|flaw| flaw.code).collect();
        assert_eq!(codes.len(), ALL.len());
        for code in codes {
            assert!(
                list.contains(&format!("| {code} |")),
                "{code}: no test makes it, so it is not in the list"
            );
        }
    }
}
