//! What is written at an incident or an alert, read to see whether a comment of huntbook's arrived.

use crate::model::{AlertId, IncidentId};

/// What is commented on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commented {
    /// An incident.
    Incident(IncidentId),
    /// An alert.
    Alert(AlertId),
}

/// The comments that a tenant shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comments {
    /// What they say.
    pub texts: Vec<String>,
    /// Whether one that is not among them is not there: the service did not leave them out or cut them off, and the incident
    /// has not been merged into another, of which nobody says which comments went along.
    pub are_all: bool,
}
