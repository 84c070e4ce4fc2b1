//! Plays playbooks through against a simulated tenant on a virtual clock: tests, recordings, replays.
//!
//! [`load`] reads tests and the playbooks they are for, and reports every problem; [`play`] plays one test
//! and says line by line what was expected and what happened; [`cover`] says what no test reaches.
//! [`record()`] asks a tenant for what a playbook sees, [`scrub()`] takes the people out of it; [`backtest()`]
//! plays a playbook through a stretch of recorded time.
//!
//! What plays is the engine itself with a journal, the real client of the tenant, the real channels and the
//! simulated tenant's server. Only two things differ from `run`: the clock leaps over waits, and requests
//! take a wire inside the process instead of a socket.
//!
//! This room reads no file by itself: it is given a way to read.

mod answers;
mod backtest;
mod coverage;
mod facts;
mod fixture;
mod hunter;
mod judge;
mod lists;
mod record;
mod save;
mod scrub;
mod stage;
mod suite;

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::time::Instant;

pub use backtest::{Backtest, BacktestError, Replay, ReplayRun, backtest};
pub use coverage::{Coverage, Gap, Share, cover};
pub use judge::{Failure, Line, LineState};
pub use record::{RecordError, RecordOptions, Recording, Subject, record};
pub use save::{Draft, Saved, skeleton};
pub use scrub::scrub;
pub use suite::{Case, Naming, ReadFile, Script, Sink, Sources, Suite, load};

use crate::diag::Span;
use stage::{Place, Stage};

/// A test that was played.
#[derive(Debug)]
pub struct Played {
    /// The test.
    pub case: Arc<Case>,
    /// Its runs, in order; those after a breakdown are missing.
    pub scenes: Vec<Scene>,
    /// Why it could not be played to its end.
    pub broken: Option<String>,
    /// How long it took, in real time.
    pub took: std::time::Duration,
}

impl Played {
    /// Whether everything happened as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.broken.is_none() && self.scenes.iter().all(|scene| scene.failures.is_empty())
    }
}

/// One run of a test.
#[derive(Debug)]
pub struct Scene {
    /// When, counted from the first moment of the test.
    pub at: SignedDuration,
    /// Where its expectations stand.
    pub place: Span,
    /// What was expected beside what happened.
    pub lines: Vec<Line>,
    /// What went otherwise, each with its place.
    pub failures: Vec<Failure>,
    /// Ids of the actions that were taken, planned, or tried.
    pub reached: Vec<String>,
    /// How the run ended.
    pub ended: &'static str,
    /// Rows the hunt brought in.
    pub hunted: u64,
    /// How many of what there were, by the keys of `expect`.
    pub counts: Vec<(&'static str, u64)>,
}

/// Plays a test.
pub async fn play(case: &Arc<Case>) -> Played {
    let began = Instant::now();
    let mut scenes = Vec::new();
    let broken = act(case, &mut scenes).await.err();
    Played { case: Arc::clone(case), scenes, broken, took: began.elapsed() }
}

async fn act(case: &Case, scenes: &mut Vec<Scene>) -> Result<(), String> {
    let mut stage = Stage::set(&case.setting).await?;
    for (index, step) in case.steps.iter().enumerate() {
        let place = if index + 1 < case.steps.len() { Place::Among } else { Place::Last };
        let seen = stage.run(&case.setting, (step.at, place), &step.changes).await?;
        let (lines, failures) = judge::judge(case, step, &seen);
        let place = case.tree.key_span(&step.pointer);
        let (reached, ended, counts) = (seen.reached(), seen.report.state.as_str(), seen.counts());
        let hunted = seen.report.counts.hunted;
        scenes.push(Scene { at: step.at, place, lines, failures, reached, ended, hunted, counts });
    }
    Ok(())
}
