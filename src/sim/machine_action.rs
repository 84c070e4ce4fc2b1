//! Response actions on devices: what each needs, and its life from accepted to done.

use axum::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::call::{Refusal, shown};
use super::live;
use super::seed::{Reach, stamp};

/// How long an action takes on a device that is on-line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionTiming {
    /// From accepted to running.
    pub pending: SignedDuration,
    /// From running to done.
    pub running: SignedDuration,
}

impl Default for ActionTiming {
    /// One second and two: long enough to be seen pending, short enough to wait for.
    fn default() -> Self {
        Self { pending: SignedDuration::from_secs(1), running: SignedDuration::from_secs(2) }
    }
}

/// How long an action waits for a device that is away. Source: the live response page; for the others none says.
const PENDING_MAX: SignedDuration = SignedDuration::from_hours(3 * 24);

/// In which order actions of one device end. The service is reported to do either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Completion {
    /// As they were accepted.
    #[default]
    InOrder,
    /// What comes later overtakes what is open: a device is isolated after it was released.
    LastFirst,
}

/// What a second action of the same type does while the first is open. The service is reported to do
/// any of the three.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// 400, `Action is already in progress`.
    #[default]
    Refused,
    /// 201 with the action that is open; nothing new happens.
    Returned,
    /// 201 with another action, which runs too: the reported hazard of a device isolated again after
    /// it was released.
    Queued,
}

/// A kind of response action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Isolate,
    Unisolate,
    RestrictCodeExecution,
    UnrestrictCodeExecution,
    RunAntiVirusScan,
    StopAndQuarantineFile,
    CollectInvestigationPackage,
    LiveResponse,
    Offboard,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Isolate,
        Self::Unisolate,
        Self::RestrictCodeExecution,
        Self::UnrestrictCodeExecution,
        Self::RunAntiVirusScan,
        Self::StopAndQuarantineFile,
        Self::CollectInvestigationPackage,
        Self::LiveResponse,
        Self::Offboard,
    ];

    /// The kind a path segment names, whatever its case.
    pub(super) fn find(segment: &str) -> Option<Self> {
        let segment = if segment.eq_ignore_ascii_case("runLiveResponse") { "LiveResponse" } else { segment };
        Self::ALL.into_iter().find(|kind| kind.api_type().eq_ignore_ascii_case(segment))
    }

    /// The API's name of the type.
    pub(super) const fn api_type(self) -> &'static str {
        match self {
            Self::Isolate => "Isolate",
            Self::Unisolate => "Unisolate",
            Self::RestrictCodeExecution => "RestrictCodeExecution",
            Self::UnrestrictCodeExecution => "UnrestrictCodeExecution",
            Self::RunAntiVirusScan => "RunAntiVirusScan",
            Self::StopAndQuarantineFile => "StopAndQuarantineFile",
            Self::CollectInvestigationPackage => "CollectInvestigationPackage",
            Self::LiveResponse => "LiveResponse",
            Self::Offboard => "Offboard",
        }
    }

    /// The log's name of the effect.
    pub(super) const fn effect(self) -> &'static str {
        match self {
            Self::Isolate => "isolate",
            Self::Unisolate => "unisolate",
            Self::RestrictCodeExecution => "restrictCodeExecution",
            Self::UnrestrictCodeExecution => "unrestrictCodeExecution",
            Self::RunAntiVirusScan => "runAntiVirusScan",
            Self::StopAndQuarantineFile => "stopAndQuarantineFile",
            Self::CollectInvestigationPackage => "collectInvestigationPackage",
            Self::LiveResponse => "liveResponse",
            Self::Offboard => "offboard",
        }
    }

    /// The role that allows it.
    pub(super) const fn role(self) -> &'static str {
        match self {
            Self::Isolate | Self::Unisolate => "Machine.Isolate",
            Self::RestrictCodeExecution | Self::UnrestrictCodeExecution => "Machine.RestrictExecution",
            Self::RunAntiVirusScan => "Machine.Scan",
            Self::StopAndQuarantineFile => "Machine.StopAndQuarantine",
            Self::CollectInvestigationPackage => "Machine.CollectForensics",
            Self::LiveResponse => "Machine.LiveResponse",
            Self::Offboard => "Machine.Offboard",
        }
    }

    /// Member of the body that says how far the action goes, with the values it may have.
    const fn scope(self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            Self::Isolate => Some(("IsolationType", &["Full", "Selective", "UnManagedDevice"])),
            Self::RunAntiVirusScan => Some(("ScanType", &["Quick", "Full"])),
            _ => None,
        }
    }

    /// Whether a device with this operating system can do it.
    fn runs_on(self, platform: &str, scope: Option<&str>) -> bool {
        let windows = platform.starts_with("Windows");
        match self {
            Self::Isolate => windows || scope != Some("Selective"),
            Self::Unisolate | Self::CollectInvestigationPackage | Self::LiveResponse => true,
            _ => windows,
        }
    }
}

/// What an action is asked to do, checked.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) kind: Kind,
    pub(super) comment: String,
    pub(super) scope: Option<String>,
    pub(super) sha1: Option<String>,
    pub(super) commands: Vec<Value>,
}

impl Order {
    /// Reads the body of an action. Names of members are case-sensitive, as in the service.
    pub(super) fn read(kind: Kind, body: &Map<String, Value>) -> Result<Self, Refusal> {
        let comment = required(body, "Comment")?.to_owned();
        let scope = match kind.scope() {
            None => None,
            Some((name, values)) => {
                let given = required(body, name)?;
                let known =
                    values.iter().find(|value| value.eq_ignore_ascii_case(given)).ok_or_else(|| {
                        let text = format!("'{}' is not a valid value of {name}.", shown(given));
                        Refusal::bad("InvalidInput", text)
                    })?;
                Some((*known).to_owned())
            }
        };
        let sha1 = if kind == Kind::StopAndQuarantineFile {
            let hash = required(body, "Sha1")?;
            if hash.len() != 40 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(Refusal::bad("InvalidHashValue", "Sha1 is not a SHA-1."));
            }
            Some(hash.to_ascii_lowercase())
        } else {
            None
        };
        let commands = if kind == Kind::LiveResponse { live::commands(body)? } else { Vec::new() };
        Ok(Self { kind, comment, scope, sha1, commands })
    }

    /// Checks that a device can do it.
    pub(super) fn suits(&self, platform: &str) -> Result<(), Refusal> {
        if self.kind.runs_on(platform, self.scope.as_deref()) {
            return Ok(());
        }
        let text = format!("The action is not supported on the operating system {platform}.");
        Err(Refusal::bad("OsPlatformNotSupported", text))
    }
}

/// Where an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    InProgress,
    Succeeded,
    Failed,
    TimeOut,
    Cancelled,
}

impl Status {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::TimeOut => "TimeOut",
            Self::Cancelled => "Cancelled",
        }
    }

    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::InProgress)
    }
}

/// An accepted action.
#[derive(Debug, Clone)]
pub(super) struct Action {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) machine: String,
    pub(super) machine_name: String,
    pub(super) scope: Option<String>,
    pub(super) sha1: Option<String>,
    pub(super) commands: Vec<Value>,
    pub(super) comment: String,
    pub(super) requestor: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) status: Status,
    pub(super) cancelled: Option<(String, String, Timestamp)>,
    /// When it starts and ends.
    due: (Timestamp, Timestamp),
    end: Status,
}

/// Where an action comes from and goes to.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) id: String,
    pub(super) machine: &'a str,
    pub(super) machine_name: &'a str,
    pub(super) reach: Reach,
    pub(super) requestor: &'a str,
}

impl Action {
    /// Accepts an order.
    pub(super) fn new(order: Order, target: &Target<'_>, timing: ActionTiming, now: Timestamp) -> Self {
        let start = now.saturating_add(timing.pending).unwrap_or(now);
        let done = start.saturating_add(timing.running).unwrap_or(start);
        let lost = now.saturating_add(PENDING_MAX).unwrap_or(now);
        let (due, end) = match target.reach {
            Reach::Online => ((start, done), Status::Succeeded),
            Reach::Failing => ((start, done), Status::Failed),
            Reach::Offline => ((lost, lost), Status::TimeOut),
        };
        Self {
            id: target.id.clone(),
            kind: order.kind,
            machine: target.machine.to_owned(),
            machine_name: target.machine_name.to_owned(),
            scope: order.scope,
            sha1: order.sha1,
            commands: order.commands,
            comment: order.comment,
            requestor: target.requestor.to_owned(),
            created: now,
            updated: now,
            status: Status::Pending,
            cancelled: None,
            due,
            end,
        }
    }

    /// Brings the action to where it stands now. Returns when it ended, if it has just done so.
    pub(super) fn settle(&mut self, now: Timestamp) -> Option<Timestamp> {
        let (start, done) = self.due;
        if !self.status.is_open() {
            return None;
        }
        if done <= now {
            (self.status, self.updated) = (self.end, done);
            return Some(done);
        }
        if start <= now && self.status == Status::Pending {
            (self.status, self.updated) = (Status::InProgress, start);
        }
        None
    }

    /// Brings its end before that of an action that was accepted earlier.
    pub(super) fn overtake(&mut self, other: &Self) {
        let (start, done) = self.due;
        let before = |at: Timestamp, limit: Timestamp| {
            at.min(limit.checked_sub(SignedDuration::from_millis(1)).unwrap_or(limit)).max(self.created)
        };
        self.due = (before(start, other.due.0), before(done, other.due.1));
    }

    /// The machine action as the API shows it.
    pub(super) fn view(&self) -> Map<String, Value> {
        let file =
            self.sha1.as_ref().map(|hash| json!({"fileIdentifier": hash, "fileIdentifierType": "Sha1"}));
        let cancelled = |part: fn(&(String, String, Timestamp)) -> String| self.cancelled.as_ref().map(part);
        let view = json!({
            "id": self.id,
            "type": self.kind.api_type(),
            "title": null,
            "scope": self.scope,
            "requestor": self.requestor,
            "requestorComment": self.comment,
            "requestSource": "PublicApi",
            "externalID": null,
            "status": self.status.as_str(),
            "machineId": self.machine,
            "computerDnsName": self.machine_name,
            "creationDateTimeUtc": stamp(self.created),
            "lastUpdateDateTimeUtc": stamp(self.updated),
            "cancellationRequestor": cancelled(|(who, _, _)| who.clone()),
            "cancellationComment": cancelled(|(_, comment, _)| comment.clone()),
            "cancellationDateTimeUtc": cancelled(|(_, _, at)| stamp(*at)),
            "errorHResult": 0,
            "relatedFileInfo": file,
        });
        let mut view = match view {
            Value::Object(object) => object,
            _ => Map::new(),
        };
        if self.kind == Kind::LiveResponse {
            view.insert("commands".to_owned(), live::views(self));
        }
        view
    }
}

/// A member of a body that must be a text with something in it.
pub(super) fn required<'b>(body: &'b Map<String, Value>, name: &str) -> Result<&'b str, Refusal> {
    let text = body.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| {
        Refusal::bad("MissingRequiredParameter", format!("The required parameter '{name}' is missing."))
    })
}

/// The body of an action as JSON, with the words the service uses for a body that is none.
pub(super) fn body(bytes: &Bytes) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(Refusal::bad("InvalidRequestBody", "Request body is incorrect.")),
    }
}
