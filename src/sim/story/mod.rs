//! A tenant with a story: a working day at `contoso.example` in which several things go wrong.
//!
//! The scripted events stand in `data/story/*.ndjson`, one file for each happening; times are
//! relative, so the day is always today. Around them is a quiet background that is the same every
//! time. Machines, users, incidents and alerts are those of the JSON files beside them, and every
//! table agrees with them on ids: `DeviceInfo`, `IdentityInfo`, `AlertInfo` and `AlertEvidence` are
//! derived, and so is what the
//! service says of files and addresses (`FileProfile`, `DeviceFromIP`, …). Some rows hold what an attacker would write to break a reader: markup, mentions,
//! terminal sequences, template braces.
//!
//! To add a happening: a file in `data/story`, a line in `SCRIPTS`, and a playbook that finds it.

mod background;
mod bulk;
mod cast;
mod derived;
mod generate;
mod script;

pub use generate::{Create, Generate, GenerateError, Snapshot, TABLE_EXTENSION, TENANT_FILE};

use jiff::Timestamp;

use super::SimError;
use super::seed::{SimData, items};
use crate::kql::{Library, LibraryError, Schema};
use cast::Cast;

/// The happenings.
const SCRIPTS: &[(&str, &str)] = &[
    ("password_spray", include_str!("../data/story/password_spray.ndjson")),
    ("mfa_fatigue", include_str!("../data/story/mfa_fatigue.ndjson")),
    ("oauth_consent", include_str!("../data/story/oauth_consent.ndjson")),
    ("phish", include_str!("../data/story/phish.ndjson")),
    ("psexec_fanout", include_str!("../data/story/psexec_fanout.ndjson")),
    ("office_child", include_str!("../data/story/office_child.ndjson")),
    ("lsass_dump", include_str!("../data/story/lsass_dump.ndjson")),
    ("ransomware", include_str!("../data/story/ransomware.ndjson")),
    ("scheduled_task", include_str!("../data/story/scheduled_task.ndjson")),
];

/// What a simulated tenant is filled with.
#[derive(Debug, Clone)]
pub struct Story {
    /// Machines, users, incidents, alerts.
    pub data: SimData,
    /// The tables of advanced hunting.
    pub library: Library,
}

impl Story {
    /// The day at `contoso.example`, as it stands at `now`.
    ///
    /// # Errors
    ///
    /// [`SimError::Data`] if a shipped file is damaged; a test reads them all.
    pub fn contoso(now: Timestamp) -> Result<Self, SimError> {
        let data = SimData {
            machines: items("story/machines.json", include_str!("../data/story/machines.json"))?,
            users: items("story/users.json", include_str!("../data/story/users.json"))?,
            incidents: items("story/incidents.json", include_str!("../data/story/incidents.json"))?,
            alerts: items("story/alerts.json", include_str!("../data/story/alerts.json"))?,
            indicators: Vec::new(),
        };
        let cast = Cast::new(&data, now);
        let mut library = empty_tables();
        for (name, text) in SCRIPTS {
            script::play(name, text, &cast, &mut library)?;
        }
        background::paint(&cast, &mut library).map_err(damaged("background"))?;
        derived::fill(&data, &cast, &mut library).map_err(damaged("derived tables"))?;
        derived::answers(&data, &cast, &mut library)?;
        Ok(Self { data, library })
    }
}

/// The tables of advanced hunting without rows. Cheap.
#[must_use]
pub fn empty_tables() -> Library {
    Library::of_tenant(&Schema::defender())
}

fn damaged(name: &str) -> impl FnOnce(LibraryError) -> SimError {
    let name = name.to_owned();
    move |error| SimError::Data { name, source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-10T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_shipped_story_is_sound_and_of_a_useful_size() {
        let story = Story::contoso(now()).unwrap();
        assert_eq!(story.data.machines.len(), 20);
        assert_eq!(story.data.users.len(), 30);
        let filled: Vec<(&str, usize)> = story.library.sizes().filter(|(_, rows)| *rows > 0).collect();
        let rows: usize = filled.iter().map(|(_, rows)| rows).sum();
        assert!((900..3000).contains(&rows), "{rows} rows: {filled:?}");
        assert!(filled.len() >= 15, "{filled:?}");
    }

    #[test]
    fn the_story_is_the_same_every_time_and_moves_with_the_clock() {
        let first = Story::contoso(now()).unwrap();
        let again = Story::contoso(now()).unwrap();
        assert_eq!(format!("{:?}", first.library), format!("{:?}", again.library));
        let later = Story::contoso(now() + jiff::SignedDuration::from_hours(1)).unwrap();
        let sizes = |story: &Story| story.library.sizes().map(|(_, rows)| rows).collect::<Vec<_>>();
        assert_eq!(sizes(&first), sizes(&later));
        assert_ne!(format!("{:?}", first.library), format!("{:?}", later.library));
    }

    #[test]
    fn alerts_name_only_incidents_machines_and_people_of_the_story() {
        let data = Story::contoso(now()).unwrap().data;
        let has = |found: bool, alert: &str, what: &str| assert!(found, "{alert} names {what}");
        for alert in &data.alerts {
            let incident = alert.incident_id.as_deref().unwrap();
            has(data.incidents.iter().any(|known| known.id == incident), &alert.id, incident);
            for evidence in &alert.evidence {
                if let Some(device) = evidence["mdeDeviceId"].as_str() {
                    has(data.machines.iter().any(|known| known.id == device), &alert.id, device);
                }
                if let Some(user) = evidence["userAccount"]["azureAdUserId"].as_str() {
                    has(data.users.iter().any(|known| known.id == user), &alert.id, user);
                }
            }
        }
    }

    #[tokio::test]
    async fn the_story_answers_over_http() {
        let clock = std::sync::Arc::new(crate::clock::ManualClock::new(now()));
        let sim = crate::sim::Sim::start(crate::sim::SimOptions::story(now()).unwrap(), clock).await.unwrap();
        assert_eq!(sim.state()["incidents"].as_array().unwrap().len(), 11);
        sim.stop().await;
    }
}
