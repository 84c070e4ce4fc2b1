//! What is never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::verdict::Reason;
use super::{Candidate, Feature, Target, TargetKind};

/// Devices, users and indicators, and features of devices and users, that no action touches. Entries are compared without regard to case; names with
/// and without their domain: `dc01` is `DC01.contoso.example`, but `dc01.fabrikam.example` is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclusions {
    devices: Entries,
    features: BTreeMap<Feature, BTreeSet<String>>,
    users: Entries,
    indicators: Entries,
}

/// Entries, each with the list it stands in; `None` for one that is written out.
type Entries = BTreeMap<String, Option<Arc<str>>>;

impl Exclusions {
    /// Excludes devices, by id or name.
    #[must_use]
    pub fn devices<S: AsRef<str>>(mut self, entries: impl IntoIterator<Item = S>) -> Self {
        self.devices.extend(folded(entries).map(|entry| (entry, None)));
        self
    }

    /// Excludes the devices of a list, by id or name.
    #[must_use]
    pub fn listed_devices<S: AsRef<str>>(mut self, list: &str, entries: impl IntoIterator<Item = S>) -> Self {
        let list: Arc<str> = list.into();
        self.devices.extend(folded(entries).map(|entry| (entry, Some(Arc::clone(&list)))));
        self
    }

    /// Excludes devices that have one of these tags.
    #[must_use]
    pub fn device_tags<S: AsRef<str>>(self, tags: impl IntoIterator<Item = S>) -> Self {
        self.having(Feature::Tag, tags)
    }

    /// Excludes whatever has one of these.
    #[must_use]
    pub fn having<S: AsRef<str>>(mut self, feature: Feature, any: impl IntoIterator<Item = S>) -> Self {
        for one in folded(any) {
            self.features.entry(feature).or_default().insert(one);
        }
        self
    }

    /// Excludes users, by object id, user principal name or account name.
    #[must_use]
    pub fn users<S: AsRef<str>>(mut self, entries: impl IntoIterator<Item = S>) -> Self {
        self.users.extend(folded(entries).map(|entry| (entry, None)));
        self
    }

    /// Excludes the users of a list, by object id, user principal name or account name.
    #[must_use]
    pub fn listed_users<S: AsRef<str>>(mut self, list: &str, entries: impl IntoIterator<Item = S>) -> Self {
        let list: Arc<str> = list.into();
        self.users.extend(folded(entries).map(|entry| (entry, Some(Arc::clone(&list)))));
        self
    }

    /// Excludes indicators: hashes, addresses, domains with all below them, URLs.
    #[must_use]
    pub fn indicators<S: AsRef<str>>(mut self, entries: impl IntoIterator<Item = S>) -> Self {
        self.indicators.extend(folded(entries).map(|entry| (entry, None)));
        self
    }

    /// Excludes the indicators of a list.
    #[must_use]
    pub fn listed_indicators<S: AsRef<str>>(
        mut self,
        list: &str,
        entries: impl IntoIterator<Item = S>,
    ) -> Self {
        let list: Arc<str> = list.into();
        self.indicators.extend(folded(entries).map(|entry| (entry, Some(Arc::clone(&list)))));
        self
    }

    /// Everything either of the two excludes.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let mut all = self.clone();
        for (feature, any) in &other.features {
            all = all.having(*feature, any);
        }
        all.devices.extend(other.devices.clone());
        all.users.extend(other.users.clone());
        all.indicators.extend(other.indicators.clone());
        all
    }

    /// Whether it excludes by this feature.
    #[must_use]
    pub fn needs(&self, feature: Feature) -> bool {
        self.features.contains_key(&feature)
    }

    /// Whether deciding about a kind of target needs features of it, so that the caller looks them up.
    #[must_use]
    pub fn needs_features(&self, kind: TargetKind) -> bool {
        self.features.keys().any(|feature| feature.of() == kind)
    }

    /// Whether deciding about devices needs their ids from before they were merged.
    #[must_use]
    pub fn needs_merged(&self) -> bool {
        self.devices.keys().any(|entry| is_device_id(entry))
    }

    /// Whether deciding about a kind of target needs all the names it goes by.
    #[must_use]
    pub fn needs_names(&self, kind: TargetKind) -> bool {
        match kind {
            TargetKind::Device => self.devices.keys().any(|entry| !is_device_id(entry)),
            // A user may be meant by its id or by its name, and an entry may be either.
            TargetKind::User => !self.users.is_empty(),
            TargetKind::Incident | TargetKind::Alert | TargetKind::Indicator | TargetKind::Email => false,
        }
    }

    /// Why a candidate may not be touched, if it may not.
    pub(super) fn refuses(&self, candidate: &Candidate) -> Option<Reason> {
        let target = &candidate.target;
        match target.kind() {
            TargetKind::Device => self
                .device(target)
                .or_else(|| self.feature(candidate))
                .or_else(|| unknown(candidate, &self.devices, is_device_id))
                .or_else(|| self.unknown_merged(candidate)),
            TargetKind::User => self
                .user(target)
                .or_else(|| self.feature(candidate))
                .or_else(|| unknown(candidate, &self.users, is_object_id)),
            TargetKind::Indicator => {
                self.indicator(target).or_else(|| candidate.others.iter().find_map(|one| self.indicator(one)))
            }
            // The one name it has is its mailbox's; entries of other kinds cannot be compared with it.
            TargetKind::Email => self.user(target),
            TargetKind::Incident | TargetKind::Alert => None,
        }
    }

    /// Compares a device's id and names.
    fn device(&self, target: &Target) -> Option<Reason> {
        let (entry, list) = find(&self.devices, target, |entry, name| {
            same(entry, name, |text| match text.trim_end_matches('.').split_once('.') {
                Some((host, domain)) => (host, Domain::Dns(domain)),
                None => (text.trim_end_matches('.'), Domain::None),
            })
        })?;
        Some(Reason::ExcludedDevice { target: target.shown(), entry, list })
    }

    /// Refuses a disruptive action if an entry is an id, and nobody knows which ids the device had before.
    fn unknown_merged(&self, candidate: &Candidate) -> Option<Reason> {
        let target = &candidate.target;
        if !candidate.destructive || target.merged().is_some() {
            return None;
        }
        let entry = self.devices.keys().find(|entry| is_device_id(entry))?.clone();
        Some(Reason::IdentityUnknown { target: target.shown(), entry })
    }

    /// Compares what a target has.
    fn feature(&self, candidate: &Candidate) -> Option<Reason> {
        let target = &candidate.target;
        let mut mine = self.features.iter().filter(|(feature, _any)| feature.of() == target.kind());
        mine.find_map(|(feature, any)| {
            let (feature, shown) = (*feature, target.shown());
            let Some(has) = target.has(feature) else {
                let unknown = Reason::FeatureUnknown { target: shown, feature };
                return candidate.destructive.then_some(unknown);
            };
            let value = has.iter().find(|one| any.contains(&one.to_lowercase()))?.clone();
            Some(Reason::ExcludedFeature { target: shown, feature, value })
        })
    }

    /// Compares an indicator.
    fn indicator(&self, target: &Target) -> Option<Reason> {
        let folded = target.id().to_lowercase();
        let (entry, list) = self.indicators.iter().find(|(entry, _list)| is_hit(entry, &folded))?;
        let (entry, list) = (entry.clone(), list.as_deref().map(str::to_owned));
        Some(Reason::ExcludedIndicator { target: target.shown(), entry, list })
    }

    /// Compares a user's id and names.
    fn user(&self, target: &Target) -> Option<Reason> {
        let (entry, list) = find(&self.users, target, |entry, name| {
            same(entry, name, |text| match (text.split_once('@'), text.split_once('\\')) {
                (Some((account, domain)), _) => (account, Domain::Dns(domain)),
                (None, Some((domain, account))) => (account, Domain::Flat(domain)),
                (None, None) => (text, Domain::None),
            })
        })?;
        Some(Reason::ExcludedUser { target: target.shown(), entry, list })
    }
}

/// Whether an entry excludes an indicator, both folded: it is the same, it names the indicator's host or a domain
/// above it, or it lies below a domain that the indicator would hit as a whole.
fn is_hit(entry: &str, indicator: &str) -> bool {
    let (protected, host) = (host(entry), host(indicator));
    let below = |name: &str, domain: &str| {
        name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    entry == indicator
        || (!entry.contains("://") && below(host, protected))
        || (!indicator.contains("://") && below(protected, host))
}

/// The host of a URL, or the text itself without what marks a domain: `*.` before it, a dot around it.
fn host(text: &str) -> &str {
    let Some((_scheme, rest)) = text.split_once("://") else {
        return text.strip_prefix("*.").unwrap_or(text).trim_matches('.');
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_user, host)| host);
    match host.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((address, _port)) => address,
        None => host.split_once(':').map_or(host, |(host, _port)| host),
    }
}

/// Trims and folds entries; empty ones are dropped.
fn folded<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> impl Iterator<Item = String> {
    entries.into_iter().map(|entry| entry.as_ref().trim().to_lowercase()).filter(|entry| !entry.is_empty())
}

/// Finds the entry that names the target, and its list.
fn find(
    entries: &Entries,
    target: &Target,
    same: impl Fn(&str, &str) -> bool,
) -> Option<(String, Option<String>)> {
    let found =
        |(entry, list): (&String, &Option<Arc<str>>)| (entry.clone(), list.as_deref().map(str::to_owned));
    if let Some(by_id) = entries.get_key_value(&target.id().to_lowercase()) {
        return Some(found(by_id));
    }
    let merged = target.merged().unwrap_or_default();
    if let Some(by_id) = merged.iter().find_map(|id| entries.get_key_value(&id.to_lowercase())) {
        return Some(found(by_id));
    }
    let names: Vec<String> = target.names().iter().map(|name| name.to_lowercase()).collect();
    entries.iter().find(|(entry, _)| names.iter().any(|name| same(entry, name))).map(found)
}

/// The domain of a name: `contoso.example`, `CONTOSO`, or none.
enum Domain<'a> {
    Dns(&'a str),
    Flat(&'a str),
    None,
}

/// Whether two names are the same. Domains that cannot be compared, because one is missing or of the other
/// kind, are taken for the same: it is the side on which nothing is touched.
fn same<'a>(one: &'a str, other: &'a str, parts: impl Fn(&'a str) -> (&'a str, Domain<'a>)) -> bool {
    let ((one, one_domain), (other, other_domain)) = (parts(one), parts(other));
    let apart = match (&one_domain, &other_domain) {
        (Domain::Dns(one), Domain::Dns(other)) | (Domain::Flat(one), Domain::Flat(other)) => one != other,
        (Domain::None, _) | (_, Domain::None) => false,
        (Domain::Dns(_), Domain::Flat(_)) | (Domain::Flat(_), Domain::Dns(_)) => false,
    };
    one == other && !apart
}

/// Refuses a disruptive action if some entry cannot be compared with what is known of its target.
fn unknown(candidate: &Candidate, entries: &Entries, is_id: fn(&str) -> bool) -> Option<Reason> {
    let target = &candidate.target;
    if !candidate.destructive {
        return None;
    }
    let id_known = is_id(target.id()) || target.names().iter().any(|name| is_id(name));
    let name_known = target.names().iter().any(|name| !is_id(name));
    entries
        .keys()
        .find(|entry| if is_id(entry) { !id_known } else { !name_known })
        .map(|entry| Reason::IdentityUnknown { target: target.shown(), entry: entry.clone() })
}

/// Whether a text has the form of a device id.
fn is_device_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a text has the form of an object id.
fn is_object_id(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}
