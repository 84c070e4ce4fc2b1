//! A report as things stand now: what was accepted, in doubt or waiting when the run ended has gone on since.
//!
//! The stored report stays what it was, the engine's word at the end of the run. What the journal learnt
//! afterwards (a message arrived, a person settled a parked action) is put in when somebody looks.

use super::report::{ItemOutcome, Report, RunState, StepReport, StepState, Told, ToldState};
use super::resume::step_report;
use crate::store::{Effect, Message, MessageState};

impl Report {
    /// Whether nothing in it can have changed since the run ended.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let mut steps = self.items.iter().flat_map(|item| &item.steps);
        !steps.any(is_open) && !self.told.iter().any(|told| told.state == ToldState::Queued)
    }

    /// Puts in what the journal has learnt of the run's actions and messages since it ended.
    pub fn bring_up_to_date(&mut self, effects: &[Effect], messages: &[Message]) {
        let mut changed = false;
        for item in &mut self.items {
            let seq = item.seq;
            let mut moved = false;
            for step in item.steps.iter_mut().filter(|step| is_open(step)) {
                let mine = effects.iter().find(|effect| {
                    (effect.seq, &effect.step, &effect.action) == (seq, &step.id, &step.action)
                });
                let waited_in_vain =
                    |now: &StepReport| (step.state, now.state) == (StepState::Failed, StepState::Accepted);
                let news = |now: &StepReport| now.state != step.state && !waited_in_vain(now);
                let Some(now) = mine.map(step_report).filter(news) else { continue };
                *step = StepReport { target: std::mem::take(&mut step.target), ..now };
                moved = true;
            }
            if moved {
                item.outcome = ItemOutcome::of(&item.steps);
                changed = true;
            }
        }
        if changed {
            self.counts.tally(&self.items);
            if matches!(
                self.state,
                RunState::Succeeded | RunState::Waiting | RunState::Halted | RunState::Partial
            ) {
                self.state = RunState::of(&self.counts);
            }
        }
        // Messages of one title in one channel are alike to a reader: each stands for one line.
        let mut left: Vec<&Message> = messages.iter().collect();
        for told in self.told.iter_mut().filter(|told| told.state == ToldState::Queued) {
            let mine = left.iter().position(|message| is_of(message, told));
            if let Some(message) = mine.map(|place| left.remove(place)) {
                told.state = match message.state {
                    MessageState::Pending => ToldState::Queued,
                    MessageState::Delivered => ToldState::Delivered,
                    MessageState::Dead => ToldState::Failed,
                };
                told.reason.clone_from(&message.reason);
            }
        }
    }
}

/// Whether the journal may know more of a step by now: also of one that was waited for in vain, and that its device
/// may do yet.
const fn is_open(step: &StepReport) -> bool {
    match step.state {
        StepState::Accepted | StepState::Parked => true,
        StepState::Failed => step.remote_id.is_some(),
        _ => false,
    }
}

fn is_of(message: &Message, told: &Told) -> bool {
    let title = message.body.pointer("/message/title").and_then(serde_json::Value::as_str);
    message.channel == told.channel && title == Some(told.title.as_str())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn told(title: &str) -> Told {
        let (channel, title) = ("soc".to_owned(), title.to_owned());
        Told { channel, title, state: ToldState::Queued, reason: None }
    }

    fn message(id: &str, title: &str, state: MessageState, reason: Option<&str>) -> Message {
        Message {
            id: id.to_owned(),
            channel: "soc".to_owned(),
            body: json!({"message": {"title": title}}),
            state,
            attempts: 1,
            reason: reason.map(str::to_owned),
            enqueued: Timestamp::UNIX_EPOCH,
            ended: None,
            dedup: None,
        }
    }

    #[test]
    fn each_line_stands_for_a_message_of_its_own() {
        let mut report: Report = serde_json::from_value(json!({
            "version": 1, "run": "01a1fc60-4d8f-7eff-bf32-edc0fea05880",
            "playbook": "6218f7d1-2061-46a6-b474-902387129bfe", "playbookName": "x", "playbookVersion": "",
            "tenant": "contoso", "mode": "enforce", "effects": "apply", "trigger": "schedule",
            "started": "2026-01-10T12:00:00Z", "finished": "2026-01-10T12:00:01Z", "state": "succeeded",
            "reason": null, "counts": serde_json::to_value(crate::engine::Counts::default()).unwrap(),
            "items": [], "told": [],
        }))
        .unwrap();
        assert!(report.is_settled());
        report.told = vec![told("two"), told("two"), told("one"), told("late")];
        assert!(!report.is_settled());
        let messages = [
            message("a", "one", MessageState::Dead, Some("no such address")),
            message("b", "two", MessageState::Delivered, None),
            message("c", "two", MessageState::Pending, Some("busy")),
        ];
        report.bring_up_to_date(&[], &messages);
        let states: Vec<_> = report.told.iter().map(|told| (told.state, told.reason.as_deref())).collect();
        let expect = [
            (ToldState::Delivered, None),
            (ToldState::Queued, Some("busy")),
            (ToldState::Failed, Some("no such address")),
            (ToldState::Queued, None),
        ];
        assert_eq!(states, expect);
    }
}
