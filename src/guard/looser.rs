//! What a playbook allows itself beyond the settings.

use super::{Ceilings, Rate, TARGETS_PER_DAY, TARGETS_PER_RUN, Written};
use crate::model::duration_text;
use crate::text::counted;

/// A limit of a playbook that is looser than the settings allow. It does no harm, because
/// [`tighten`](super::tighten) takes the stricter one, but its author is wrong about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Looser {
    /// Where it stands in the playbook, as a JSON pointer.
    pub pointer: &'static str,
    /// What is wrong, in words.
    pub message: String,
}

/// Lists the limits of a playbook that are looser than the settings allow, each once. `disruptive` is how many
/// disruptive actions it takes for an item: the ceilings count targets, a playbook's limits count actions, and
/// so many fit on a target.
#[must_use]
pub fn looser(ceilings: &Ceilings, written: &Written, disruptive: u32) -> Vec<Looser> {
    let number = |own: Option<u32>, ceiling: Option<u32>, default: u32| {
        let ceiling = ceiling.unwrap_or(default).saturating_mul(disruptive);
        own.filter(|own| 0 < disruptive && ceiling < *own).map(|own| (own, ceiling))
    };
    let (run_actions, day_actions) = ceilings.any_kind();
    let of_any_kind = |own: Option<u32>, ceiling: u32| {
        own.filter(|own| ceiling < *own).map(|own| (own, format!("{ceiling} of any kind")))
    };
    let targets = |(own, ceiling)| (own, format!("{ceiling} targets of disruptive actions"));
    let run = number(written.actions.per_run, ceilings.targets.per_run, TARGETS_PER_RUN).map(targets);
    let run = run.or_else(|| of_any_kind(written.actions.per_run, run_actions));
    let day = number(written.actions.per_day, ceilings.targets.per_day, TARGETS_PER_DAY).map(targets);
    let day = day.or_else(|| of_any_kind(written.actions.per_day, day_actions));
    let share = written.percent_of_devices.zip(ceilings.percent_of_devices);
    let share = share.filter(|(own, ceiling)| ceiling < own);
    let mut found = Vec::new();
    found.extend(run.map(|(own, ceiling)| Looser {
        pointer: "/guards/maxActions/perRun",
        message: format!("{} in a run; the settings allow {ceiling}", counted(own, "action")),
    }));
    found.extend(day.map(|(own, ceiling)| Looser {
        pointer: "/guards/maxActions/perDay",
        message: format!("{} in a day; the settings allow {ceiling}", counted(own, "action")),
    }));
    let cool_down = written.cool_down.filter(|own| 0 < disruptive && *own < ceilings.cool_down());
    found.extend(cool_down.map(|own| Looser {
        pointer: "/guards/coolDown",
        message: format!(
            "a target is left alone for {}; the settings want {}",
            duration_text(own),
            duration_text(ceilings.cool_down())
        ),
    }));
    let times = written.times_usual.filter(|own| ceilings.times_usual() < *own);
    found.extend(times.map(|own| Looser {
        pointer: "/guards/maxTimesUsual",
        message: format!("{own} times the usual; the settings allow {}", ceilings.times_usual()),
    }));
    found.extend(shorter(ceilings, written, disruptive));
    found.extend(share.map(|(own, ceiling)| Looser {
        pointer: "/guards/maxPercentOfDevices",
        message: format!("{own} of the devices in a day; the settings allow {ceiling}"),
    }));
    found
}

/// The same of what looks at a short time, at the first targets and at the first runs.
fn shorter(ceilings: &Ceilings, written: &Written, disruptive: u32) -> Vec<Looser> {
    let ceiling = ceilings.rate(Rate::default());
    let over = |own: Option<u32>, ceiling: Option<u32>| own.zip(ceiling).filter(|(own, most)| most < own);
    let rate = |pointer, within: &'static str| {
        move |(own, most)| Looser {
            pointer,
            message: format!("{own} disruptive actions in {within}; the settings allow {most}"),
        }
    };
    let mut found = Vec::new();
    let minute = over(written.rate.per_minute, ceiling.per_minute);
    found.extend(minute.map(rate("/guards/maxDisruptive/perMinute", "a minute")));
    let hour = over(written.rate.per_hour, ceiling.per_hour);
    found.extend(hour.map(rate("/guards/maxDisruptive/perHour", "an hour")));
    if let (Some(own), Some(house)) = (written.canary, ceilings.canary)
        && (house.first < own.first || house.wait < own.wait)
        && 0 < disruptive
    {
        found.push(Looser {
            pointer: "/guards/canary",
            message: format!(
                "{} first for {}; the settings want {} and {}",
                counted(own.first, "target"),
                duration_text(own.wait),
                house.first,
                duration_text(house.wait)
            ),
        });
    }
    let runs = written.observe_first.filter(|own| *own < ceilings.observe_first);
    found.extend(runs.map(|own| Looser {
        pointer: "/guards/observeFirst",
        message: format!(
            "the first {} of a version only observe; the settings want {}",
            counted(own, "run"),
            ceilings.observe_first
        ),
    }));
    found
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::{Canary, Caps, Percent};
    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    #[test]
    fn what_the_settings_say_themselves_is_within_them() {
        let (actions, share) = (Caps { per_run: Some(5), per_day: Some(5) }, Percent::new(2.0));
        let ceilings = Ceilings {
            actions,
            percent_of_devices: share,
            cool_down: Some(DAY),
            times_usual: Some(10),
            ..Ceilings::default()
        };
        let same = Written {
            actions,
            percent_of_devices: share,
            cool_down: Some(DAY),
            times_usual: Some(10),
            ..Written::default()
        };
        assert_eq!([0, 1].map(|disruptive| looser(&ceilings, &same, disruptive)), [vec![], vec![]]);
        // Who takes nothing away has nobody to leave alone.
        let shorter = Written { cool_down: Some(DAY / 2), ..Written::default() };
        assert_eq!([0, 1].map(|disruptive| looser(&ceilings, &shorter, disruptive).len()), [0, 1]);
    }

    #[test]
    fn a_playbook_may_only_be_stricter_in_a_short_time_and_at_first() {
        let canary = |first, days| Some(Canary { first, wait: DAY * days });
        let rate = |minute, hour| Rate { per_minute: Some(minute), per_hour: Some(hour) };
        let ceilings =
            Ceilings { rate: rate(5, 50), canary: canary(2, 2), observe_first: 3, ..Ceilings::default() };
        for (rate, canary, runs, disruptive, expect) in [
            (rate(5, 50), canary(2, 2), 3, 1, &[][..]),
            (rate(4, 49), canary(1, 1), 4, 1, &[]),
            (rate(6, 50), canary(2, 2), 3, 1, &["/guards/maxDisruptive/perMinute"]),
            (rate(5, 51), canary(2, 2), 3, 1, &["/guards/maxDisruptive/perHour"]),
            (rate(5, 50), canary(3, 2), 3, 1, &["/guards/canary"]),
            (rate(5, 50), canary(2, 3), 3, 1, &["/guards/canary"]),
            (rate(5, 50), canary(3, 3), 3, 0, &[]),
            (rate(5, 50), canary(2, 2), 2, 1, &["/guards/observeFirst"]),
        ] {
            let written = Written { rate, canary, observe_first: Some(runs), ..Written::default() };
            let found: Vec<&str> =
                looser(&ceilings, &written, disruptive).iter().map(|looser| looser.pointer).collect();
            assert_eq!(found, expect, "{written:?}");
        }
    }
}
