//! Lists of incidents and alerts. What changed since some instant is read in slices of time, oldest first, each of
//! which fits on a page.
//!
//! The service gives such lists newest first and leafs through them by counting. Whatever changes meanwhile moves to
//! the front and pushes another item over the edge of the page that is read next: the item is never seen. A slice
//! that fits on one page has no next page, and what leaves it while it is read moves into a later slice.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::pages::{End, More, Turned};
use super::{Asked, Call, Client, Kind, with_new_members};
use crate::http::Request;
use crate::model::{Alert, Incident};
use crate::tenant::envelope::shown;
use crate::tenant::{
    AlertPage, AlertQuery, Audience, IncidentPage, IncidentQuery, Quarantined, Reach, TenantError, case,
    permission,
};
use crate::text::encode::odata;

const INCIDENTS: Asked =
    Asked { operation: "incidents", permission: permission::INCIDENTS, kind: Kind::Plain };
const ALERTS: Asked = Asked { operation: "alerts", permission: permission::ALERTS, kind: Kind::Plain };

/// Items asked for in one page. The most allowed is not documented; fifty is what the service gives by itself.
const PAGE_SIZE: &str = "50";

/// Most unreadable items of one list that are kept for inspection.
const QUARANTINED_MAX: usize = 100;

/// Most characters kept of each.
const RAW_MAX: usize = 2048;

/// Shortest slice. What is left in a second is what one act changed together, and is leafed through.
const SLICE_MIN: SignedDuration = SignedDuration::from_secs(1);

/// How often a slice that does not fit on a page is read until a reading brings nothing new.
const READINGS_MAX: usize = 3;

/// Something a list holds.
trait Listing: Send + Sized {
    /// What makes it the same.
    fn id(&self) -> &str;
    /// When it last changed.
    fn changed(&self) -> Option<Timestamp>;
    /// Reads it.
    fn read(json: &[u8]) -> Result<Self, serde_json::Error>;
}

impl Listing for Incident {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn changed(&self) -> Option<Timestamp> {
        self.last_update_date_time
    }

    fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        case::incident(json)
    }
}

impl Listing for Alert {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn changed(&self) -> Option<Timestamp> {
        self.last_update_date_time
    }

    fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        case::alert(json)
    }
}

/// What is asked for.
struct List<'a> {
    asked: Asked,
    route: &'a str,
    /// All of the filter but the time of change.
    filter: Option<String>,
    expand: Option<&'a str>,
    items_max: usize,
    pages_max: usize,
}

/// A part of a list by the time of change: at or after `from`, and before `until` if that is said.
#[derive(Debug, Clone, Copy)]
struct Slice {
    from: Timestamp,
    until: Option<Timestamp>,
}

impl Slice {
    fn holds(&self, changed: Timestamp) -> bool {
        self.from <= changed && self.until.is_none_or(|until| changed < until)
    }

    /// Two parts, the later first; nothing if it is too short. Of an open slice the items seen on its newest page
    /// tell how long it is.
    fn split(&self, newest: Option<Timestamp>) -> Option<[Self; 2]> {
        let until = self.until.or(newest)?;
        let length = self.from.duration_until(until);
        if length <= SLICE_MIN {
            return None;
        }
        let middle = self.from.checked_add(length / 2).ok()?;
        Some([Self { from: middle, ..*self }, Self { from: self.from, until: Some(middle) }])
    }
}

/// What a list held.
#[derive(Debug)]
struct Listed<T> {
    items: Vec<T>,
    quarantined: Vec<Quarantined>,
    truncated: bool,
    reach: Reach,
}

impl<T: Listing> Listed<T> {
    const fn new() -> Self {
        let reach = Reach { asked: None, until: None, latest: None };
        Self { items: Vec::new(), quarantined: Vec::new(), truncated: false, reach }
    }

    /// Takes an item, or sets it aside.
    fn take(&mut self, item: &[u8]) {
        match T::read(item) {
            Ok(item) => self.items.push(item),
            Err(error) if self.quarantined.len() < QUARANTINED_MAX => {
                let raw = shown(&String::from_utf8_lossy(item), RAW_MAX);
                let reason = shown(&error.to_string(), 200);
                self.quarantined.push(Quarantined { raw, reason });
            }
            Err(_one_of_many) => {}
        }
    }

    /// Adds a part of the list; what was changed meanwhile comes again, and the later one counts.
    fn add(&mut self, part: Self) {
        self.items.extend(part.items);
        self.quarantined.extend(part.quarantined);
        self.quarantined.truncate(QUARANTINED_MAX);
        self.reach.asked = self.reach.asked.or(part.reach.asked);
        self.truncated |= part.truncated;
    }

    /// Each item once, as it was seen last.
    fn once(mut self) -> Self {
        self.reach.latest = self.items.iter().filter_map(Listing::changed).max();
        let mut seen = BTreeSet::new();
        self.items.reverse();
        self.items.retain(|item| seen.insert(item.id().to_owned()));
        self.items.reverse();
        self
    }
}

impl Client {
    pub(super) async fn list_incidents(&self, query: &IncidentQuery) -> Result<IncidentPage, TenantError> {
        let list = List {
            asked: INCIDENTS,
            route: "v1.0/security/incidents",
            filter: filter(query),
            expand: query.expand_alerts.then_some("alerts"),
            items_max: query.incidents_max,
            pages_max: query.pages_max,
        };
        let listed = self.read_list(&list, query.updated_after).await?;
        let Listed { items: incidents, quarantined, truncated, reach } = listed;
        Ok(IncidentPage { incidents, quarantined, truncated, reach })
    }

    pub(super) async fn list_alerts(&self, query: &AlertQuery) -> Result<AlertPage, TenantError> {
        let list = List {
            asked: ALERTS,
            route: "v1.0/security/alerts_v2",
            filter: alert_filter(query),
            expand: None,
            items_max: query.alerts_max,
            pages_max: query.pages_max,
        };
        let listed = self.read_list(&list, query.updated_after).await?;
        let Listed { items: alerts, quarantined, truncated, reach } = listed;
        Ok(AlertPage { alerts, quarantined, truncated, reach })
    }

    async fn read_list<T: Listing>(
        &self,
        list: &List<'_>,
        since: Option<Timestamp>,
    ) -> Result<Listed<T>, TenantError> {
        let listed = match since.map(|from| Slice { from, until: None }) {
            Some(whole) => self.in_slices(list, whole).await?,
            None => self.leaf_through(list, None).await?,
        };
        Ok(listed.once())
    }

    /// Reads what changed in a time, oldest first, in parts that fit on a page.
    async fn in_slices<T: Listing>(&self, list: &List<'_>, whole: Slice) -> Result<Listed<T>, TenantError> {
        let mut all = Listed::new();
        let mut left = vec![whole];
        let mut pages = 0;
        while let Some(slice) = left.pop() {
            if list.pages_max <= pages || list.items_max <= all.items.len() {
                (all.truncated, all.reach.until) = (true, Some(slice.from));
                break;
            }
            pages += 1;
            let (mut part, more) = self.newest_of(list, slice).await?;
            if part.items.iter().filter_map(Listing::changed).any(|changed| !slice.holds(changed)) {
                // The service does not filter by time: parts of it are not what they seem.
                return self.leaf_through(list, Some(whole)).await;
            }
            if more {
                let newest = part.items.iter().filter_map(Listing::changed).max();
                if let Some(parts) = slice.split(newest) {
                    all.reach.asked = all.reach.asked.or(part.reach.asked);
                    left.extend(parts);
                    continue;
                }
                part = self.read_again_and_again(list, slice).await?;
            }
            let room = list.items_max.saturating_sub(all.items.len());
            let cut = part.truncated || room < part.items.len();
            part.items.truncate(room);
            all.add(part);
            if cut {
                (all.truncated, all.reach.until) = (true, Some(slice.from));
                break;
            }
        }
        Ok(all)
    }

    /// Leafs through a slice that does not fit on a page, again until nothing new comes.
    async fn read_again_and_again<T: Listing>(
        &self,
        list: &List<'_>,
        slice: Slice,
    ) -> Result<Listed<T>, TenantError> {
        let mut all = Listed::new();
        let mut known = BTreeSet::new();
        for _reading in 0..READINGS_MAX {
            let part: Listed<T> = self.leaf_through(list, Some(slice)).await?;
            let before = known.len();
            known.extend(part.items.iter().map(|item| item.id().to_owned()));
            let stop = part.truncated;
            all.quarantined.clear();
            all.add(part);
            if known.len() == before || stop {
                break;
            }
        }
        Ok(all.once())
    }

    /// The first page of a slice, and whether there is more of it.
    async fn newest_of<T: Listing>(
        &self,
        list: &List<'_>,
        slice: Slice,
    ) -> Result<(Listed<T>, bool), TenantError> {
        let mut part = Listed::new();
        let call = self.list_call(list, Some(slice))?;
        let Turned { more, asked } = self.one_page(&call, &mut |item| part.take(item)).await?;
        part.reach.asked = asked;
        Ok((part, more))
    }

    /// Reads a list, page by page, up to its limits.
    async fn leaf_through<T: Listing>(
        &self,
        list: &List<'_>,
        slice: Option<Slice>,
    ) -> Result<Listed<T>, TenantError> {
        let mut listed: Listed<T> = Listed::new();
        let mut take = |item: &[u8]| {
            if listed.items.len() >= list.items_max {
                listed.truncated = true;
                return Ok(More::Enough);
            }
            listed.take(item);
            Ok(More::Wanted)
        };
        let call = self.list_call(list, slice)?;
        let end = self.each_item(call, list.pages_max, &mut take).await?;
        listed.truncated |= end == End::Cut;
        if listed.truncated {
            // Newest first: what is missing is the oldest.
            listed.reach.until = slice.map(|slice| slice.from);
        }
        Ok(listed)
    }

    fn list_call(&self, list: &List<'_>, slice: Option<Slice>) -> Result<Call<'static>, TenantError> {
        let mut address = self.at(Audience::Graph, list.asked, list.route, &[])?.query("$top", PAGE_SIZE);
        let since = slice.map(|slice| format!("lastUpdateDateTime ge {}", slice.from));
        let until = slice.and_then(|slice| slice.until).map(|until| format!("lastUpdateDateTime lt {until}"));
        if let Some(filter) = all([list.filter.clone(), since, until]) {
            address = address.query("$filter", &filter);
        }
        if slice.is_some() {
            address = address.query("$count", "true");
        }
        if let Some(expand) = list.expand {
            address = address.query("$expand", expand);
        }
        let request = with_new_members(list.asked, Request::get(address))?;
        Ok(Call::read(Audience::Graph, list.asked, request))
    }
}

/// One of several values.
fn any(name: &str, values: &[&str]) -> Option<String> {
    let each: Vec<String> = values.iter().map(|value| format!("{name} eq {}", odata(value))).collect();
    match each.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        _ => Some(format!("({})", each.join(" or "))),
    }
}

/// All parts that are there; `None` for everything.
fn all<const N: usize>(parts: [Option<String>; N]) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

/// What the API can filter of incidents.
fn filter(query: &IncidentQuery) -> Option<String> {
    let status: Vec<&str> = query.status.iter().map(|value| value.as_str()).collect();
    let severity: Vec<&str> = query.severity.iter().map(|value| value.as_str()).collect();
    all([
        any("status", &status),
        any("severity", &severity),
        query.created_after.map(|time| format!("createdDateTime ge {time}")),
        query.assigned_to.as_deref().map(|owner| format!("assignedTo eq {}", odata(owner))),
    ])
}

/// What the API can filter of alerts.
fn alert_filter(query: &AlertQuery) -> Option<String> {
    let status: Vec<&str> = query.status.iter().map(|value| value.as_str()).collect();
    let severity: Vec<&str> = query.severity.iter().map(|value| value.as_str()).collect();
    let source: Vec<&str> = query.service_source.iter().map(String::as_str).collect();
    all([
        any("status", &status),
        any("severity", &severity),
        any("serviceSource", &source),
        query.created_after.map(|time| format!("createdDateTime ge {time}")),
        query.assigned_to.as_deref().map(|owner| format!("assignedTo eq {}", odata(owner))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AlertSeverity, IncidentStatus};

    #[test]
    fn a_filter_is_odata_with_its_literals_escaped() {
        let query = IncidentQuery {
            status: vec![IncidentStatus::Active, IncidentStatus::InProgress],
            severity: vec![AlertSeverity::High],
            created_after: Some("2026-01-10T12:00:00Z".parse().unwrap()),
            assigned_to: Some("o'neil' or status ne 'x".to_owned()),
            ..IncidentQuery::default()
        };
        assert_eq!(
            filter(&query).unwrap(),
            "(status eq 'active' or status eq 'inProgress') and severity eq 'high' and \
             createdDateTime ge 2026-01-10T12:00:00Z and assignedTo eq 'o''neil'' or status ne ''x'"
        );
        assert_eq!(filter(&IncidentQuery::default()), None);
    }
}
