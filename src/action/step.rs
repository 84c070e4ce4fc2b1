//! A step of a playbook, and the calls it becomes for one item.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Approval, Call, DeviceParams};
use crate::expr::Condition;
use crate::model::{AlertSeverity, AlertStatus, Classification, Determination, IdError, IncidentStatus};
use crate::playbook::OnError;
use crate::tenant::{
    ActionKind, AlertPatch, DeviceValue, IncidentPatch, Indicator, IndicatorAction, IndicatorError,
    IndicatorType, IndicatorValue, Operation,
};
use crate::text::{Template, TextError};

/// Longest comment sent, in characters. The services do not document theirs; this fits the portal's own
/// field, and what people write is far shorter.
const COMMENT_CHARS_MAX: usize = 1000;
/// Longest tag sent, in characters: the portal's own limit for device tags.
const TAG_CHARS_MAX: usize = 200;
/// Longest title or description of an indicator, in characters.
const DESCRIPTION_CHARS_MAX: usize = 1000;

/// Why a step could not be made into a call for an item.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// A text could not be rendered.
    #[error("`{parameter}` could not be rendered")]
    Text {
        /// Which.
        parameter: &'static str,
        /// Why.
        #[source]
        source: TextError,
    },
    /// A target is not an id of its kind: nothing is sent.
    #[error("`{parameter}` is no usable target")]
    Target {
        /// Which.
        parameter: &'static str,
        /// Why.
        #[source]
        source: IdError,
    },
    /// What was found is no indicator of its kind. There is nothing to be done about it, and nothing is sent.
    #[error("there is no indicator in it")]
    Indicator(#[from] IndicatorError),
    /// A text is empty after rendering where the service wants one.
    #[error("`{parameter}` is empty")]
    Empty {
        /// Which.
        parameter: &'static str,
    },
    /// A text with something filled in is more than one word to a shell, or no path: nothing is sent.
    #[error("`{parameter}` with what is filled in is not one plain word")]
    Word {
        /// Which.
        parameter: &'static str,
    },
    /// A text is longer than the service takes.
    #[error("`{parameter}` is longer than {max} characters")]
    TooLong {
        /// Which.
        parameter: &'static str,
        /// The limit.
        max: usize,
    },
}

/// One entry of `actions`, understood.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name in the playbook; unique there.
    pub id: String,
    /// Whether it is wanted for an item.
    pub condition: Option<Condition>,
    /// What its failure means for the item's later steps.
    pub on_error: OnError,
    /// Whom it needs leave from, if it needs any.
    pub approval: Option<Approval>,
    /// How long its device may take to do it, if the item's later steps wait for that.
    pub wait_for: Option<SignedDuration>,
    /// What it does.
    pub params: Params,
}

/// Texts and values of an action, before an item is known.
#[derive(Debug, Clone)]
pub enum Params {
    /// See [`DeviceAction`](super::DeviceAction).
    OnDevice(Box<DeviceParams>),
    /// See [`Operation::SetDeviceValue`].
    SetDeviceValue {
        /// The device's id.
        device: Template,
        /// How much it matters.
        value: DeviceValue,
    },
    /// See [`Operation::TagDevice`].
    TagDevice {
        /// The device's id.
        device: Template,
        /// The tag.
        tag: Template,
    },
    /// See [`Operation::UntagDevice`].
    UntagDevice {
        /// The device's id.
        device: Template,
        /// The tag.
        tag: Template,
    },
    /// See [`Operation::AddIndicator`].
    AddIndicator(Box<IndicatorParams>),
    /// See [`Operation::DisableUser`].
    DisableUser {
        /// The user's id.
        user: Template,
    },
    /// See [`Operation::RevokeSessions`].
    RevokeSessions {
        /// The user's id.
        user: Template,
    },
    /// See [`Operation::UpdateIncident`]; with a comment also [`Operation::CommentIncident`].
    UpdateIncident(Box<IncidentParams>),
    /// See [`Operation::CommentIncident`].
    CommentIncident {
        /// The incident's id.
        incident: Template,
        /// The comment.
        comment: Template,
    },
    /// See [`Operation::UpdateAlert`].
    UpdateAlert {
        /// The alert's id.
        alert: Template,
        /// New status.
        status: Option<AlertStatus>,
        /// New classification.
        classification: Option<Classification>,
        /// New determination.
        determination: Option<Determination>,
        /// New owner.
        assigned_to: Option<Template>,
    },
}

/// Parameters of `addIndicator`.
#[derive(Debug, Clone)]
pub struct IndicatorParams {
    /// The hash, address, domain or URL.
    pub value: Template,
    /// What it is.
    pub kind: IndicatorType,
    /// What happens.
    pub action: IndicatorAction,
    /// Title.
    pub title: Template,
    /// Description.
    pub description: Template,
    /// Severity of its alerts.
    pub severity: Option<AlertSeverity>,
    /// How long it is in force.
    pub expires_in: Option<SignedDuration>,
    /// What analysts should do.
    pub recommended_actions: Option<Template>,
    /// Device groups.
    pub rbac_group_names: Vec<String>,
    /// Whether meeting it raises an alert.
    pub generate_alert: bool,
}

/// Parameters of `updateIncident`.
#[derive(Debug, Clone)]
pub struct IncidentParams {
    /// The incident's id.
    pub incident: Template,
    /// New status.
    pub status: Option<IncidentStatus>,
    /// New classification.
    pub classification: Option<Classification>,
    /// New determination.
    pub determination: Option<Determination>,
    /// New owner.
    pub assigned_to: Option<Template>,
    /// Tags.
    pub tags: Tags,
    /// A comment beside the change.
    pub comment: Option<Template>,
}

/// Tags to put on and take off.
#[derive(Debug, Clone, Default)]
pub struct Tags {
    /// To put on.
    pub add: Vec<Template>,
    /// To take off.
    pub remove: Vec<Template>,
}

impl Params {
    /// Which action.
    #[must_use]
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::OnDevice(params) => params.kind(),
            Self::SetDeviceValue { .. } => ActionKind::SetDeviceValue,
            Self::TagDevice { .. } => ActionKind::TagDevice,
            Self::UntagDevice { .. } => ActionKind::UntagDevice,
            Self::AddIndicator(_) => ActionKind::AddIndicator,
            Self::DisableUser { .. } => ActionKind::DisableUser,
            Self::RevokeSessions { .. } => ActionKind::RevokeSessions,
            Self::UpdateIncident(_) => ActionKind::UpdateIncident,
            Self::CommentIncident { .. } => ActionKind::CommentIncident,
            Self::UpdateAlert { .. } => ActionKind::UpdateAlert,
        }
    }

    /// Makes the calls for one item, in the order they are sent. `now` is when an expiry counts from.
    ///
    /// # Errors
    ///
    /// [`ActionError`] if a text does not render, or a target is not an id: then nothing of the step is
    /// sent.
    pub fn render(&self, texts: &Value, now: Timestamp) -> Result<Vec<Call>, ActionError> {
        let text = |name, template: &Template| render(name, template, texts);
        let operation = match self {
            Self::OnDevice(params) => params.render(texts)?,
            Self::SetDeviceValue { device, value } => {
                Operation::SetDeviceValue { device: target("device", device, texts)?, value: *value }
            }
            Self::TagDevice { device, tag } => Operation::TagDevice {
                device: target("device", device, texts)?,
                tag: short("tag", tag, texts)?,
            },
            Self::UntagDevice { device, tag } => Operation::UntagDevice {
                device: target("device", device, texts)?,
                tag: short("tag", tag, texts)?,
            },
            Self::AddIndicator(params) => Operation::AddIndicator(params.render(texts, now)?),
            Self::DisableUser { user } => Operation::DisableUser { user: target("user", user, texts)? },
            Self::RevokeSessions { user } => Operation::RevokeSessions { user: target("user", user, texts)? },
            Self::UpdateIncident(params) => return params.render(texts),
            Self::CommentIncident { incident, comment: why } => Operation::CommentIncident {
                incident: target("incident", incident, texts)?,
                comment: comment(why, texts)?,
            },
            Self::UpdateAlert { alert, status, classification, determination, assigned_to } => {
                Operation::UpdateAlert {
                    alert: target("alert", alert, texts)?,
                    patch: AlertPatch {
                        status: *status,
                        classification: *classification,
                        determination: *determination,
                        assigned_to: assigned_to
                            .as_ref()
                            .map(|owner| text("assignedTo", owner))
                            .transpose()?,
                    },
                }
            }
        };
        Ok(vec![Call::new(operation)])
    }
}

impl IndicatorParams {
    fn render(&self, texts: &Value, now: Timestamp) -> Result<Indicator, ActionError> {
        let long = |name, template: &Template| {
            Ok::<_, ActionError>(tidy(&render(name, template, texts)?, DESCRIPTION_CHARS_MAX))
        };
        let value = render("indicatorValue", &self.value, texts)?;
        Ok(Indicator {
            indicator_value: IndicatorValue::parse(self.kind, &value)?,
            indicator_type: self.kind,
            action: self.action,
            title: long("title", &self.title)?,
            description: long("description", &self.description)?,
            severity: self.severity,
            recommended_actions: self
                .recommended_actions
                .as_ref()
                .map(|text| long("recommendedActions", text))
                .transpose()?,
            expiration_time: self.expires_in.and_then(|length| now.checked_add(length).ok()),
            generate_alert: self.generate_alert,
            rbac_group_names: self.rbac_group_names.clone(),
        })
    }
}

impl IncidentParams {
    /// The change and the comment are two calls: each is journalled and judged by itself.
    fn render(&self, texts: &Value) -> Result<Vec<Call>, ActionError> {
        let incident: crate::model::IncidentId = target("incident", &self.incident, texts)?;
        let tags = |tags: &[Template]| {
            tags.iter().map(|tag| short("tags", tag, texts)).collect::<Result<Vec<_>, _>>()
        };
        let patch = IncidentPatch {
            status: self.status,
            classification: self.classification,
            determination: self.determination,
            assigned_to: self
                .assigned_to
                .as_ref()
                .map(|owner| render("assignedTo", owner, texts))
                .transpose()?,
            tags_add: tags(&self.tags.add)?,
            tags_remove: tags(&self.tags.remove)?,
        };
        let mut calls = Vec::new();
        if patch != IncidentPatch::default() {
            calls.push(Call::new(Operation::UpdateIncident { incident: incident.clone(), patch }));
        }
        if let Some(comment) = &self.comment {
            let comment = self::comment(comment, texts)?;
            calls.push(Call::new(Operation::CommentIncident { incident, comment }));
        }
        Ok(calls)
    }
}

/// Renders a comment.
pub(super) fn comment(template: &Template, texts: &Value) -> Result<String, ActionError> {
    Ok(tidy(&render("comment", template, texts)?, COMMENT_CHARS_MAX))
}

pub(super) fn render(
    parameter: &'static str,
    template: &Template,
    texts: &Value,
) -> Result<String, ActionError> {
    template.render(texts).map_err(|source| ActionError::Text { parameter, source })
}

/// Renders a target and checks it: an id that is none never reaches a URL.
pub(super) fn target<T: std::str::FromStr<Err = IdError>>(
    parameter: &'static str,
    template: &Template,
    texts: &Value,
) -> Result<T, ActionError> {
    let text = render(parameter, template, texts)?;
    text.trim().parse().map_err(|source| ActionError::Target { parameter, source })
}

/// Renders a tag: never cut, because a cut tag is another tag.
fn short(parameter: &'static str, template: &Template, texts: &Value) -> Result<String, ActionError> {
    let text = render(parameter, template, texts)?.trim().to_owned();
    if text.is_empty() {
        return Err(ActionError::Empty { parameter });
    }
    if text.chars().count() > TAG_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(ActionError::TooLong { parameter, max: TAG_CHARS_MAX });
    }
    Ok(text)
}

/// Makes a text fit for a comment: control characters become spaces, and it is cut where the reader
/// sees it.
fn tidy(text: &str, max: usize) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c });
    let mut cut: String = clean.take(max).collect();
    if text.trim().chars().count() > max {
        cut.pop();
        cut.push('…');
    }
    cut
}
