//! Incidents are made one as it was intended, and no other is with them.

use std::collections::{BTreeMap, BTreeSet};

use huntbook::tenant::ActionKind;

use super::deeds::merged;
use super::{Applied, Journal};

/// The incidents that have become one, by the one that is left.
type Merged = BTreeMap<String, BTreeSet<String>>;

/// Each merge is of just what an intent names: of what was merged before, by any of its names.
pub(super) fn merges(journal: &Journal, applied: &[Applied<'_>], wrong: &mut Vec<String>) {
    if journal.is_cut() {
        return;
    }
    let mut tenants: BTreeMap<&str, Merged> = BTreeMap::new();
    for one in applied.iter().filter(|one| one.effect.effect == "mergeIncidents") {
        let known = tenants.entry(one.tenant).or_default();
        let part = |id: String| known.remove(&id).unwrap_or_else(|| BTreeSet::from([id]));
        let parts: Vec<BTreeSet<String>> = merged(one.effect).into_iter().map(part).collect();
        let whole: BTreeSet<String> = parts.iter().flatten().cloned().collect();
        let is_meant = journal.intents().filter_map(|intent| intent.about.as_ref()).any(|about| {
            let ids = about.target.split_once(':').map_or("", |(_kind, ids)| ids);
            let ids: BTreeSet<String> = ids.split('+').map(str::to_owned).collect();
            let is_here = about.tenant == one.tenant && about.action == ActionKind::MergeIncidents;
            is_here && ids.is_subset(&whole) && parts.iter().all(|part| !part.is_disjoint(&ids))
        });
        if !is_meant {
            let (at, tenant) = (one.effect.at, one.tenant);
            wrong.push(format!("{whole:?} in {tenant} made one at {at}, and others were intended"));
        }
        known.insert(one.effect.target.clone(), whole);
    }
}
