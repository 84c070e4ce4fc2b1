//! How often a service may be called: its documented limits, in one table.
//!
//! A service counts calls in groups. Defender for Endpoint counts each method for itself; Graph counts by the
//! workload behind it, which the permission of a call tells.

use jiff::SignedDuration;

use super::super::Audience;

/// So many calls in so long a time, counted back from any moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Most calls.
    pub calls: u32,
    /// In this time.
    pub per: SignedDuration,
}

/// What a service allows of a group of calls.
#[derive(Debug, PartialEq, Eq)]
pub struct Quota {
    /// All of them hold.
    pub windows: &'static [Window],
    /// Where it is documented.
    pub source: &'static str,
}

/// Calls that a service counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// The API.
    pub api: Audience,
    /// Its name, for people.
    pub name: &'static str,
    /// What is allowed.
    pub quota: &'static Quota,
}

const fn window(calls: u32, per: SignedDuration) -> Window {
    Window { calls, per }
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Hunting through Graph or Defender XDR: what even the smallest tenant has. What it may cost in computing time
/// is not told beforehand.
static HUNTING: Quota =
    Quota { windows: &[window(45, MINUTE)], source: "Defender XDR, advanced hunting API: quotas" };

/// Incidents and alerts in Graph.
static SECURITY: Quota =
    Quota { windows: &[window(150, MINUTE)], source: "Microsoft Graph throttling limits: security" };

/// Users in Graph, taking each call for a write, of which fewest are allowed.
static USERS: Quota = Quota {
    windows: &[window(3000, SignedDuration::from_secs(150))],
    source: "Microsoft Graph throttling limits: identity and access",
};

/// Risky users in Graph. All apps of the tenant share it, and no refusal says how long to wait.
static RISK: Quota =
    Quota { windows: &[window(1, SECOND)], source: "Microsoft Graph throttling limits: identity protection" };

/// A method of Defender for Endpoint that is not listed in [`EXCEPTIONS`].
static METHOD: Quota = Quota {
    windows: &[window(100, MINUTE), window(1500, HOUR)],
    source: "Defender for Endpoint API: limitations of each method",
};

/// Incidents of Defender XDR.
static XDR_INCIDENTS: Quota = Quota {
    windows: &[window(50, MINUTE), window(1500, HOUR)],
    source: "Defender XDR, incidents API: quotas",
};

/// Methods of Defender for Endpoint that are allowed more or less than [`METHOD`], or that several operations
/// go through: the operations, the method, its limits.
static EXCEPTIONS: &[(&[&str], &str, Quota)] = &[
    (
        &["tagDevice", "untagDevice"],
        "machine tags",
        Quota {
            windows: &[window(100, MINUTE), window(1500, HOUR)],
            source: "Defender for Endpoint: add or remove machine tags",
        },
    ),
    (
        &["runHuntingQuery"],
        "hunting",
        Quota {
            windows: &[window(45, MINUTE), window(1500, HOUR)],
            source: "Defender for Endpoint: advanced hunting",
        },
    ),
    (
        &["runLiveResponse"],
        "live response",
        Quota { windows: &[window(10, MINUTE)], source: "Defender for Endpoint: run live response" },
    ),
    (
        &["initiateInvestigation"],
        "investigations",
        Quota {
            windows: &[window(50, HOUR)],
            source: "Defender for Endpoint: start automated investigation",
        },
    ),
    (
        &["createAlert"],
        "alerts by reference",
        Quota { windows: &[window(15, MINUTE)], source: "Defender for Endpoint: create alert from event" },
    ),
    (
        &["updateAlerts"],
        "alerts, many at once",
        Quota {
            windows: &[window(10, MINUTE), window(500, HOUR)],
            source: "Defender for Endpoint: batch update alerts",
        },
    ),
    (
        &["importIndicators", "reconcileIndicators"],
        "indicator import",
        Quota { windows: &[window(30, MINUTE)], source: "Defender for Endpoint: import indicators" },
    ),
    (
        &["deleteIndicators"],
        "indicator deletion, many at once",
        Quota {
            windows: &[window(30, MINUTE), window(1500, HOUR)],
            source: "Defender for Endpoint: batch delete indicators",
        },
    ),
    (
        &["package"],
        "package addresses",
        Quota {
            windows: &[window(2, MINUTE), window(120, HOUR)],
            source: "Defender for Endpoint: get package SAS URI",
        },
    ),
];

impl Group {
    /// The group of a call, by its API, what it asks for, and the least role that allows it.
    #[must_use]
    pub fn of(api: Audience, operation: &'static str, role: &str) -> Self {
        let is = |name: &str| operation == name;
        let (name, quota) = match api {
            Audience::Graph => match role.split_once('.').map_or(role, |(family, _)| family) {
                "ThreatHunting" => ("hunting", &HUNTING),
                "User" | "Directory" => ("users", &USERS),
                "IdentityRiskyUser" => ("identity protection", &RISK),
                _ => ("security", &SECURITY),
            },
            Audience::Xdr if is("runHuntingQuery") => ("hunting", &HUNTING),
            Audience::Xdr => ("incidents", &XDR_INCIDENTS),
            Audience::Mde => {
                let listed = EXCEPTIONS.iter().find(|(operations, ..)| operations.contains(&operation));
                listed.map_or((operation, &METHOD), |(_, name, quota)| (*name, quota))
            }
        };
        Self { api, name, quota }
    }

    /// Whether the service limits what these calls cost besides how many there are.
    pub(super) fn is_hunting(self) -> bool {
        self.name == "hunting"
    }
}

impl std::fmt::Display for Quota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (nth, Window { calls, per }) in self.windows.iter().enumerate() {
            let before = if nth == 0 { "" } else { ", " };
            match per.as_secs() {
                1 => write!(f, "{before}{calls}/s")?,
                60 => write!(f, "{before}{calls}/min")?,
                3600 => write!(f, "{before}{calls}/h")?,
                seconds => write!(f, "{before}{calls}/{seconds} s")?,
            }
        }
        Ok(())
    }
}
