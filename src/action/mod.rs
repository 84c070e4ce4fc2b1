//! The catalogue of response actions, and what a step of a playbook becomes when it is carried out.
//!
//! A [`Step`] is one entry of a playbook's `actions`, understood: its templates are compiled. Rendered
//! for one item it gives [`Call`]s, each one [`Operation`](crate::tenant::Operation) on one target with checked ids. What an
//! action needs, changes and can undo is written down once, in [`ActionKind::spec`].
//!
//! To add one: the [`ActionKind`] and the call in `tenant`; its [`Spec`] in `catalogue.rs`; its page in `manual.rs` and a
//! playbook with it in `example.rs`; its parameters
//! in [`Params`] and their rendering in `step.rs`; the YAML form in `playbook`; the lowering in `plan`; the
//! endpoint in `sim`; a row in the README's permissions table.

mod account;
mod approval;
mod call;
mod case;
mod catalogue;
mod device;
mod email;
mod example;
mod live;
mod manual;
mod revert;
mod set;
mod step;

pub use account::{AccountChange, AccountParams, MasteredParams, SwitchAt};
pub use approval::{
    Approval, Approvers, NotAllowed, Origin, TIMEOUT, TIMEOUT_MAX, TIMEOUT_MIN, Who, of_provider,
};
pub use call::Call;
pub use case::{AlertParams, IncidentParams, MergeParams, NewAlertParams, Tags, WhichAlerts};
pub use catalogue::{Remote, Spec, TargetKind};
pub use device::{DeviceAction, DeviceParams};
pub use email::EmailParams;
pub use live::{COMMANDS_MAX, LiveParams, ScriptParams};
pub use manual::{Manual, text_limit};
pub use revert::{RevertRule, Undo};
pub use set::{ADDED_MAX, REMOVED_MAX, REMOVED_PERCENT_MAX, SetParams, SetValues};
pub use step::{ActionError, IndicatorParams, Params, Step};

pub use crate::tenant::{ActionKind, Impact};
