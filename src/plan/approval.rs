//! Whose leave actions need.

use super::names::Lowering;
use crate::action::{Approval, TIMEOUT, TIMEOUT_MAX, TIMEOUT_MIN};
use crate::diag::Code;
use crate::playbook::{self, OnExceed, OnTimeout};

/// Understands one `approval`.
pub(super) fn approval(
    lowering: &mut Lowering<'_>,
    at: &str,
    written: &playbook::Approval,
) -> Option<Approval> {
    let before = lowering.errors();
    lowering.channel(&format!("{at}/channel"), &written.channel);
    let timeout = match &written.timeout {
        Some(text) => lowering.duration(&format!("{at}/timeout"), text),
        None => Some(TIMEOUT),
    };
    if timeout.is_some_and(|timeout| !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout)) {
        let message = "people have between a minute and an hour to approve an action";
        lowering.error(Code::WrongValue, &format!("{at}/timeout"), message, "write `30m`, for instance");
    }
    let known = lowering.world.approvers.people();
    if known == 0 {
        let help = "name them: `approvers: {soc-lead: {account: alice}}`";
        lowering.error(Code::UnknownReference, at, "the settings name no approvers", help);
    } else if usize::try_from(written.minimum).unwrap_or(usize::MAX) > known {
        let message = format!("{} people must approve, and the settings name {known}", written.minimum);
        let help = "it could never be approved";
        lowering.error(Code::Guard, &format!("{at}/minimum"), message, help);
    }
    let OnTimeout::Deny = written.on_timeout;
    let (channel, minimum) = (written.channel.clone(), written.minimum);
    timeout.filter(|_timeout| lowering.errors() == before).map(|timeout| Approval {
        channel,
        minimum,
        timeout,
    })
}

/// Warns where people are asked and nobody is kept from approving what they wrote themselves.
pub(super) fn warn_of_no_author(lowering: &mut Lowering<'_>) {
    let playbook = &lowering.document.playbook;
    if playbook.author.is_some() {
        return;
    }
    let of_actions = playbook.actions.iter().enumerate().find_map(|(index, action)| {
        let asked = [("approval", &action.approval), ("revertApproval", &action.revert_approval)];
        let (key, _asked) = asked.into_iter().find(|(_key, asked)| asked.is_some())?;
        Some(format!("/actions/{index}/{key}"))
    });
    let of_guards = || playbook.guards.approval.as_ref().map(|_asked| "/guards/approval".to_owned());
    if let Some(at) = of_actions.or_else(of_guards) {
        let message =
            "people are asked, and whoever wrote the playbook could approve it: it names no `author`";
        lowering.warn(Code::Author, &at, message, "add `author: NAME`, as the settings call who wrote it");
    }
}

/// Who is asked when the playbook's own limits would be passed.
pub(super) fn on_exceed(lowering: &mut Lowering<'_>) -> Option<Approval> {
    let guards = &lowering.document.playbook.guards;
    let approval =
        guards.approval.as_ref().and_then(|written| approval(lowering, "/guards/approval", written));
    match (guards.on_exceed, &guards.approval) {
        (OnExceed::Approve, None) => {
            let message = "`onExceed: approve` needs an `approval` that says who is asked";
            let help = "add `approval: {channel: soc-approvals}` beside it";
            lowering.error(Code::KeyCombination, "/guards/onExceed", message, help);
        }
        (OnExceed::Halt, Some(_)) => {
            let message = "nobody is asked without `onExceed: approve`";
            lowering.error(Code::KeyCombination, "/guards/approval", message, "add it, or leave this out");
        }
        (OnExceed::Approve, Some(_)) | (OnExceed::Halt, None) => {}
    }
    approval
}
