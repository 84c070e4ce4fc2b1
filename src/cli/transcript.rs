//! What came of tests, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::output::clean;
use crate::diag::{Format, Span, render};
use crate::model::duration_text;
use crate::rehearsal::{Coverage, Line, LineState, Played, Scene, Share, Suite};

/// Width of the expected side, in characters: half of what a terminal of 120 columns has.
const SIDE_CHARS: usize = 56;

/// Longest line of the side of what happened.
const ACTUAL_CHARS: usize = 160;

/// Longest sentence on what went otherwise: that of a run that failed has all that the service says.
const FAILURE_CHARS: usize = 4000;

/// Everything for people: files, failures side by side, coverage, and a summary.
pub(super) fn text(played: &[Played], coverage: Option<&Coverage>) -> String {
    let mut out = String::new();
    let mut files: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for one in played {
        let (passed, failed) = files.entry(one.case.place.source.name.as_str()).or_default();
        *(if one.passed() { passed } else { failed }) += 1;
    }
    for (file, (passed, failed)) in &files {
        let word = if *failed == 0 { "ok    " } else { "FAILED" };
        let failures = if *failed == 0 { String::new() } else { format!(", {failed} failed") };
        line(&mut out, &format!("{word}  {file}: {passed} passed{failures}"));
    }
    for one in played.iter().filter(|one| !one.passed()) {
        line(&mut out, "");
        line(&mut out, &failure(one));
    }
    if let Some(coverage) = coverage {
        line(&mut out, "");
        line(&mut out, &covered(coverage));
    }
    let failed = played.iter().filter(|one| !one.passed()).count();
    let count = u32::try_from(played.len()).unwrap_or(u32::MAX).max(1);
    let took = played.iter().map(|one| one.took).sum::<Duration>() / count;
    line(&mut out, "");
    line(
        &mut out,
        &format!(
            "{} tests: {} passed, {failed} failed; {:.1} ms each",
            played.len(),
            played.len() - failed,
            took.as_secs_f64() * 1000.0,
        ),
    );
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// A test that failed: what went otherwise, each with its place, and the transcript of the run.
pub(super) fn failure(played: &Played) -> String {
    let mut out = format!("{}: `{}` failed", played.case.place, clean(&played.case.name, 200));
    for scene in &played.scenes {
        for failure in &scene.failures {
            // Writing to a string cannot fail.
            let _infallible =
                write!(out, "\n  {}: {}", failure.place, clean(&failure.message, FAILURE_CHARS));
        }
    }
    if let Some(broken) = &played.broken {
        let _infallible =
            write!(out, "\n  it could not be played to its end: {}", clean(broken, FAILURE_CHARS));
    }
    for scene in played.scenes.iter().filter(|scene| !scene.failures.is_empty()) {
        out.push('\n');
        out.push_str(&side_by_side(scene));
    }
    out
}

/// Expected and actual transcript of one run, side by side, with the line of each expectation.
fn side_by_side(scene: &Scene) -> String {
    let at = duration_text(scene.at);
    let mut out = format!("\n    {:5} {:SIDE_CHARS$} | actual, at {at}", "line", "expected");
    for row in &scene.lines {
        let (number, expected) = match &row.expected {
            Some((text, place)) => (place.line_column().0.to_string(), clean(text, SIDE_CHARS)),
            None => (String::new(), String::new()),
        };
        let actual = clean(row.actual.as_deref().unwrap_or_default(), ACTUAL_CHARS);
        let row = format!("  {} {number:>5} {expected:SIDE_CHARS$} | {actual}", mark(row));
        out.push('\n');
        out.push_str(row.trim_end());
    }
    out
}

const fn mark(line: &Line) -> char {
    match line.state {
        LineState::Same => '=',
        LineState::Missing => '-',
        LineState::Unexpected => '+',
        LineState::Different => '!',
        LineState::Aside => ' ',
    }
}

fn covered(coverage: &Coverage) -> String {
    let share = |share: Share| format!("{} of {}", share.reached, share.all);
    let mut out = format!(
        "reached: {} playbooks, {} actions, {} branches",
        share(coverage.playbooks),
        share(coverage.actions),
        share(coverage.branches)
    );
    for gap in &coverage.gaps {
        let _infallible = write!(out, "\n  {}: {}", gap.place, gap.message);
    }
    out
}

/// Everything for machines.
pub(super) fn json(suite: &Suite, played: &[Played], coverage: Option<&Coverage>) -> Value {
    let problems: Value = serde_json::from_str(&render(&suite.diagnostics, Format::Json)).unwrap_or_default();
    let failed = played.iter().filter(|one| !one.passed()).count();
    json!({
        "version": 1,
        "passed": played.len() - failed,
        "failed": failed,
        "problems": problems,
        "tests": played.iter().map(test).collect::<Vec<_>>(),
        "coverage": coverage.map(coverage_json),
    })
}

fn place(span: &Span) -> Value {
    let (line, column) = span.line_column();
    json!({"file": span.source.name, "line": line, "column": column})
}

fn test(played: &Played) -> Value {
    json!({
        "name": played.case.name,
        "playbookName": played.case.plan.about.name,
        "place": place(&played.case.place),
        "passed": played.passed(),
        "milliseconds": played.took.as_secs_f64() * 1000.0,
        "broken": played.broken,
        "runs": played.scenes.iter().map(scene).collect::<Vec<_>>(),
    })
}

fn scene(scene: &Scene) -> Value {
    let failures = scene.failures.iter();
    let failures = failures.map(|one| json!({"place": place(&one.place), "message": one.message}));
    let lines = scene.lines.iter().map(|line| {
        json!({
            "state": match line.state {
                LineState::Same => "same",
                LineState::Missing => "missing",
                LineState::Unexpected => "unexpected",
                LineState::Different => "different",
                LineState::Aside => "aside",
            },
            "expected": line.expected.as_ref().map(|(text, _)| text),
            "place": line.expected.as_ref().map(|(_, span)| place(span)),
            "actual": line.actual,
        })
    });
    json!({
        "at": duration_text(scene.at),
        "place": place(&scene.place),
        "failures": failures.collect::<Vec<_>>(),
        "transcript": lines.collect::<Vec<_>>(),
    })
}

fn coverage_json(coverage: &Coverage) -> Value {
    let share = |share: Share| json!({"reached": share.reached, "all": share.all});
    let gap =
        |gap: &crate::rehearsal::Gap| json!({"place": place(&gap.place), "message": gap.message.clone()});
    json!({
        "playbooks": share(coverage.playbooks),
        "actions": share(coverage.actions),
        "branches": share(coverage.branches),
        "gaps": coverage.gaps.iter().map(gap).collect::<Vec<_>>(),
    })
}
