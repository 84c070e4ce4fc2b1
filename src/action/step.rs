//! A step of a playbook, and the calls it becomes for one item.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    AccountParams, AlertParams, Approval, Call, DeviceParams, EmailParams, IncidentParams, MergeParams,
    NewAlertParams, RevertRule, SetParams, Undo,
};
use crate::expr::Condition;
use crate::model::{AlertSeverity, IdError, Lists};
use crate::playbook::OnError;
use crate::tenant::{
    ActionKind, DeviceValue, Indicator, IndicatorAction, IndicatorError, IndicatorType, IndicatorValue,
    Operation, Permission,
};
use crate::text::{Template, TextError};

/// Longest comment sent, in characters. The services do not document theirs; this fits the portal's own
/// field, and what people write is far shorter.
pub(super) const COMMENT_CHARS_MAX: usize = 1000;
/// Longest tag sent, in characters: the portal's own limit for device tags.
pub(super) const TAG_CHARS_MAX: usize = 200;
/// Longest title or description of an indicator, in characters.
pub(super) const DESCRIPTION_CHARS_MAX: usize = 1000;

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
    #[error("`{parameter}` is no usable target: what is filled in is not {wanted}")]
    Target {
        /// Which.
        parameter: &'static str,
        /// What is wanted. What was found stays out of it: it may be a secret, and reasons are told.
        wanted: &'static str,
    },
    /// What was found is no indicator of its kind. There is nothing to be done about it, and nothing is sent.
    #[error("there is no indicator in it: what is filled in is not {wanted}")]
    Indicator {
        /// What is wanted.
        wanted: &'static str,
    },
    /// A text is empty after rendering where the service wants one.
    #[error("`{parameter}` is empty")]
    Empty {
        /// Which.
        parameter: &'static str,
    },
    /// A list or feed that says what there is to be is not there: nothing is sent.
    #[error("the list or feed of `{list}` does not say what there is to be")]
    List {
        /// The list.
        list: String,
    },
    /// One has an entry that is no indicator: nothing is sent.
    #[error("the list or feed of `{list}` does not say what there is to be: an entry is not {wanted}")]
    Entry {
        /// The list.
        list: String,
        /// What is wanted.
        wanted: &'static str,
    },
    /// A text with something filled in is more than one word to a shell, or no path: nothing is sent.
    #[error("`{parameter}` with what is filled in is not one plain word")]
    Word {
        /// Which.
        parameter: &'static str,
    },
    /// A text is no such value.
    #[error("`{parameter}` is not {wanted}")]
    Value {
        /// Which.
        parameter: &'static str,
        /// What is wanted.
        wanted: &'static str,
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

impl From<IndicatorError> for ActionError {
    fn from(error: IndicatorError) -> Self {
        Self::Indicator { wanted: error.wanted() }
    }
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
    /// When and how it is taken back by itself, if it is.
    pub revert: Option<RevertRule>,
    /// What it does.
    pub params: Params,
}

/// Texts and values of an action, before an item is known.
#[derive(Debug, Clone, PartialEq)]
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
    /// See [`Operation::RemoveIndicator`].
    RemoveIndicator {
        /// What the value is.
        kind: IndicatorType,
        /// The value.
        value: Template,
    },
    /// See [`Operation::ReconcileIndicators`].
    ReconcileIndicators(Box<SetParams>),
    /// An action on a user.
    Account(Box<AccountParams>),
    /// See [`Operation::RemediateEmail`].
    Email(Box<EmailParams>),
    /// See [`Operation::UpdateIncident`]; with a comment also [`Operation::CommentIncident`].
    UpdateIncident(Box<IncidentParams>),
    /// See [`Operation::CommentIncident`].
    CommentIncident {
        /// The incident's id.
        incident: Template,
        /// The comment.
        comment: Template,
    },
    /// See [`Operation::MergeIncidents`].
    MergeIncidents(Box<MergeParams>),
    /// See [`Operation::UpdateAlert`] and [`Operation::UpdateAlerts`]; with a comment also
    /// [`Operation::CommentAlert`].
    UpdateAlert(Box<AlertParams>),
    /// See [`Operation::CommentAlert`].
    CommentAlert {
        /// The alert's id.
        alert: Template,
        /// The comment.
        comment: Template,
    },
    /// See [`Operation::CreateAlert`].
    CreateAlert(Box<NewAlertParams>),
    /// What takes an action back.
    Undo {
        /// What.
        undo: Box<Undo>,
        /// Why.
        comment: String,
    },
}

/// Parameters of `addIndicator`.
#[derive(Debug, Clone, PartialEq)]
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

impl Params {
    /// Which action.
    #[must_use]
    pub fn kind(&self) -> ActionKind {
        match self {
            Self::OnDevice(params) => params.kind(),
            Self::SetDeviceValue { .. } => ActionKind::SetDeviceValue,
            Self::TagDevice { .. } => ActionKind::TagDevice,
            Self::UntagDevice { .. } => ActionKind::UntagDevice,
            Self::AddIndicator(_) => ActionKind::AddIndicator,
            Self::RemoveIndicator { .. } => ActionKind::RemoveIndicator,
            Self::ReconcileIndicators(_) => ActionKind::ReconcileIndicators,
            Self::Account(params) => params.kind(),
            Self::Email(params) => params.remedy.kind(),
            Self::UpdateIncident(_) => ActionKind::UpdateIncident,
            Self::CommentIncident { .. } => ActionKind::CommentIncident,
            Self::MergeIncidents(_) => ActionKind::MergeIncidents,
            Self::UpdateAlert(params) => params.kind(),
            Self::CommentAlert { .. } => ActionKind::CommentAlert,
            Self::CreateAlert(_) => ActionKind::CreateAlert,
            Self::Undo { undo, .. } => undo.kind(),
        }
    }

    /// What it needs to be allowed, all of it.
    #[must_use]
    pub fn permissions(&self) -> Vec<Permission> {
        match self {
            Self::Account(params) => params.permissions(),
            other => other.kind().permissions().collect(),
        }
    }

    /// Makes the calls for one item, in the order they are sent. `now` is when an expiry counts from.
    ///
    /// # Errors
    ///
    /// [`ActionError`] if a text does not render, or a target is not an id: then nothing of the step is
    /// sent.
    pub fn render(&self, texts: &Value, (now, lists): (Timestamp, &Lists)) -> Result<Vec<Call>, ActionError> {
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
            Self::RemoveIndicator { kind, value } => {
                let value = IndicatorValue::parse(*kind, &render("indicatorValue", value, texts)?)?;
                Operation::RemoveIndicator { indicator_type: *kind, value, added: None }
            }
            Self::ReconcileIndicators(params) => {
                Operation::ReconcileIndicators(Box::new(params.render(texts, (now, lists))?))
            }
            Self::Account(params) => params.render(texts)?,
            Self::Email(params) => params.render(texts)?,
            Self::UpdateIncident(params) => return params.render(texts),
            Self::CommentIncident { incident, comment: why } => Operation::CommentIncident {
                incident: target("incident", incident, texts)?,
                comment: comment(why, texts)?,
            },
            Self::MergeIncidents(params) => params.render(texts)?,
            Self::UpdateAlert(params) => return params.render(texts),
            Self::CommentAlert { alert, comment: why } => Operation::CommentAlert {
                alert: target("alert", alert, texts)?,
                comment: comment(why, texts)?,
            },
            Self::CreateAlert(params) => params.render(texts)?,
            Self::Undo { undo, comment } => undo.operation(&tidy(comment, COMMENT_CHARS_MAX)),
        };
        Ok(vec![Call::new(operation)])
    }
}

impl IndicatorParams {
    fn render(&self, texts: &Value, now: Timestamp) -> Result<Indicator, ActionError> {
        let value = render("indicatorValue", &self.value, texts)?;
        self.with(IndicatorValue::parse(self.kind, &value)?, texts, now)
    }

    /// The indicator of a value.
    pub(super) fn with(
        &self,
        value: IndicatorValue,
        texts: &Value,
        now: Timestamp,
    ) -> Result<Indicator, ActionError> {
        let long = |name, template: &Template| {
            Ok::<_, ActionError>(tidy(&render(name, template, texts)?, DESCRIPTION_CHARS_MAX))
        };
        Ok(Indicator {
            indicator_value: value,
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
    text.trim().parse().map_err(|error: IdError| ActionError::Target { parameter, wanted: error.wanted() })
}

/// Renders a tag: never cut, because a cut tag is another tag.
pub(super) fn short(
    parameter: &'static str,
    template: &Template,
    texts: &Value,
) -> Result<String, ActionError> {
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
pub(super) fn tidy(text: &str, max: usize) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c });
    let mut cut: String = clean.take(max).collect();
    if text.trim().chars().count() > max {
        cut.pop();
        cut.push('…');
    }
    cut
}
