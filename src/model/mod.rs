//! The nouns: incidents, alerts, rows, identities, secrets. No I/O, no opinions.

mod case;
mod duration;
mod id;
mod list;
mod row;
mod secret;
mod written;

pub use case::{
    Alert, AlertCategory, AlertSeverity, AlertStatus, CaseComment, Classification, Determination,
    EvidenceDevice, EvidenceUser, Incident, IncidentStatus, MergeReason, Term, alert_fields, incident_fields,
};
pub use duration::{DurationError, duration, duration_text};
pub use id::{
    AccountId, AlertId, DeviceId, IdError, IncidentId, MachineActionId, MailAddress, NetworkMessageId,
    PlaybookId, RunId, Sha1, TenantId, UserId,
};
pub use list::{List, Lists};
pub use row::{Cell, CellRef, Projection, Row, RowView, Wanted};
pub use secret::{Secret, SecretFolder, SecretSource, SecretUnread, SharedFolder, SharedSource};
pub use written::{DayText, DurationText, InstantText, WindowText, WindowsText};
