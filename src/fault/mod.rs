//! Named places where a test may make the process die.
//!
//! The journal promises that a process that dies at any instant loses nothing and repeats nothing. To
//! try that, the program is full of calls such as `fault::crash_point("c09_after_intent_commit")`.
//! Without the cargo feature `crash-points` they compile to nothing. With it, and after [`arm`], the
//! process is killed at the n-th passage of the named point (SIGKILL): at once, without unwinding, without a flush.
//!
//! A panic is another end: after [`panics`] the point unwinds as a mistake of ours would, so that a test sees what is said
//! of it. After [`suspends`] it is none: the process stops there (SIGSTOP) as it does on a machine that sleeps, until
//! somebody lets it go on.
//!
//! A tenant in a test takes more calls than a real one: [`unpace`] lets the process send them as fast as it can, so
//! that hundreds of deaths take minutes, not hours. It needs the same feature.
//!
//! [`POINTS`] lists the names, in the order a run passes them. To add one: a line there, and the call.

/// Whether this build has crash points. If not, [`arm`] refuses and [`crash_point`] is nothing.
pub const COMPILED: bool = cfg!(feature = "crash-points");

/// Every crash point and where it is.
pub const POINTS: &[(&str, &str)] = &[
    ("c01_start", "the process has begun"),
    ("c03_lock_taken", "this process owns the journal"),
    ("c02_after_migrations", "the journal has its present form"),
    (
        "c04_before_transaction",
        "something is about to be written: what belongs together is on disk, or none of it",
    ),
    ("c05_batch_fetched", "the tenant answered, nothing is written yet"),
    ("c06_batch_journalled", "the matches are on disk"),
    ("c07_plan_built", "the actions are decided"),
    ("c08_before_intent", "the guards have passed"),
    ("c09_after_intent_commit", "the intent is on disk, nothing is sent"),
    ("c23_approval_read", "people's leave was read, nothing is written"),
    ("c24_approval_consumed", "people's leave is spent and the intent on disk, nothing is sent"),
    ("c10_before_send", "the call is about to be sent"),
    ("c11_let_pass", "the gate has let a change pass, no byte has left"),
    ("c12_head_received", "a change was answered, its body is not read"),
    ("c13_body_received", "the answer to a change was read, not understood"),
    ("c14_response_parsed", "the answer is known, not written"),
    ("c15_after_result_commit", "the result is on disk"),
    ("c16_before_outbox", "every item is settled, no message is written"),
    ("c17_after_outbox", "the messages wait in the outbox"),
    ("c18_run_ended", "the run has ended on disk"),
    ("c19_batch_written", "what a poll brought is written with how far it came, and not committed"),
    ("c20_list_read", "the tenant's list was read for an action in doubt, nothing is written"),
    ("c21_doubt_settled", "what became of an action in doubt is on disk"),
    ("c22_told_of_doubt", "people are told what became of an action in doubt, and it is not written"),
    ("c25_end_heard", "the tenant said how an action ended, nothing is written"),
    ("c26_end_written", "how an action ended is on disk"),
    ("c27_notify_sent", "a message left, not marked"),
    ("c28_notify_marked", "a message left and is marked"),
    ("c29_reload_read", "an edit was read"),
    ("c30_reload_validated", "an edit was checked"),
    ("c32_reload_persisted", "an edit is on disk, not in force"),
    ("c31_reload_swapped", "an edit is on disk and in force"),
    ("c33_stop_written", "a stop is on disk, nobody was told"),
    ("c34_word_heard", "somebody's word about leave is on disk, nobody was told"),
    ("c35_retention_delete", "a batch of old rows is gone"),
    ("c36_undo_noted", "what takes an action back is noted, its run has not begun"),
    ("c37_undo_begun", "its run has begun, nothing is decided"),
    ("c38_giving_up", "a run that was cut off is not taken up, and its end is not written"),
    ("c39_shutdown_begun", "nothing new is begun, runs may be in flight"),
    ("c40_shutdown_done", "everything has ended, the process has not"),
];

/// A crash point that cannot be armed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArmError {
    /// The build has no crash points.
    #[error("this build has no crash points (cargo feature `crash-points`)")]
    NotCompiled,
    /// The text is not `name` or `name:passage`.
    #[error("`{0}` is not a crash point: write `name` or `name:passage`, passages counted from 1")]
    Malformed(String),
    /// There is no such crash point; a test that arms it would test nothing.
    #[error("there is no crash point `{0}`")]
    Unknown(String),
    /// A crash point is armed already.
    #[error("a crash point is armed already")]
    Armed,
}

/// Arms one crash point for the life of the process: `name`, or `name:n` for its n-th passage.
///
/// # Errors
///
/// [`ArmError`], when the build has no crash points, the text is malformed, there is no such point, or one is armed
/// already.
pub fn arm(spec: &str) -> Result<(), ArmError> {
    let (name, passage) = known(spec)?;
    armed::arm(name, passage)
}

/// Lets the armed point panic in place of killing the process.
///
/// # Errors
///
/// [`ArmError::NotCompiled`] when the build has no crash points.
pub fn panics() -> Result<(), ArmError> {
    armed::panics()
}

/// Lets the armed point suspend the process in place of killing it.
///
/// # Errors
///
/// [`ArmError::NotCompiled`] when the build has no crash points.
pub fn suspends() -> Result<(), ArmError> {
    armed::suspends()
}

/// Arms a crash point for this thread alone, in place of any armed before: `name`, or `name:n`. It panics, once; what
/// simulates many deaths in one process arms it again.
///
/// # Errors
///
/// As [`arm`], but for [`ArmError::Armed`].
pub fn arm_here(spec: &str) -> Result<(), ArmError> {
    armed::arm_here(known(spec)?)
}

/// As [`arm_here`], but it panics at the point that comes after that passage, whichever it is.
///
/// # Errors
///
/// As [`arm_here`].
pub fn arm_after_here(spec: &str) -> Result<(), ArmError> {
    armed::arm_after_here(known(spec)?)
}

/// The point and the passage that a text names.
fn known(spec: &str) -> Result<(&'static str, u64), ArmError> {
    let (name, passage) = parse(spec).ok_or_else(|| ArmError::Malformed(spec.to_owned()))?;
    let known = POINTS.iter().find(|(known, _place)| *known == name);
    known.map(|(known, _place)| (*known, passage)).ok_or_else(|| ArmError::Unknown(name.to_owned()))
}

/// Takes back what [`arm_here`] armed, if it has not come to it.
///
/// # Errors
///
/// [`ArmError::NotCompiled`] when the build has no crash points.
pub fn disarm_here() -> Result<(), ArmError> {
    armed::disarm_here()
}

/// Dies here if this point is armed and its passage has come.
#[inline]
pub fn crash_point(name: &'static str) {
    armed::pass(name);
}

/// Lets this process make as many calls as it likes.
///
/// # Errors
///
/// [`ArmError::NotCompiled`] when the build has no crash points.
pub fn unpace() -> Result<(), ArmError> {
    armed::unpace()
}

/// Whether this process makes as many calls as it likes.
#[inline]
#[must_use]
pub fn is_unpaced() -> bool {
    armed::is_unpaced()
}

/// Splits `name:n`; the passage is 1 when none is written.
fn parse(spec: &str) -> Option<(&str, u64)> {
    let (name, passage) = spec.split_once(':').unwrap_or((spec, "1"));
    let passage = passage.parse().ok().filter(|passage| *passage > 0)?;
    let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    fits.then_some((name, passage))
}

#[cfg(feature = "crash-points")]
mod armed {
    //! The armed point, process-wide: a crash takes the whole process with it.

    use std::cell::Cell;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::ArmError;

    static POINT: OnceLock<(String, AtomicU64)> = OnceLock::new();
    static UNPACED: AtomicBool = AtomicBool::new(false);
    static PANICS: AtomicBool = AtomicBool::new(false);
    static SUSPENDS: AtomicBool = AtomicBool::new(false);

    thread_local! {
        static HERE: Cell<Option<Here>> = const { Cell::new(None) };
    }

    /// Where this thread panics.
    #[derive(Clone, Copy)]
    enum Here {
        /// At this passage of this point.
        At((&'static str, u64)),
        /// At the point after it.
        After((&'static str, u64)),
        /// At the next point.
        Next,
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other build refuses")]
    pub(super) fn arm_here(point: (&'static str, u64)) -> Result<(), ArmError> {
        HERE.set(Some(Here::At(point)));
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other build refuses")]
    pub(super) fn arm_after_here(point: (&'static str, u64)) -> Result<(), ArmError> {
        HERE.set(Some(Here::After(point)));
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other build refuses")]
    pub(super) fn disarm_here() -> Result<(), ArmError> {
        HERE.set(None);
        Ok(())
    }

    fn pass_here(name: &str) {
        let (next, dies) = match HERE.get() {
            Some(Here::At((armed, left))) if armed == name => {
                ((1 < left).then(|| Here::At((armed, left - 1))), left <= 1)
            }
            Some(Here::After((armed, left))) if armed == name => {
                (Some(if 1 < left { Here::After((armed, left - 1)) } else { Here::Next }), false)
            }
            Some(Here::Next) => (None, true),
            other => (other, false),
        };
        HERE.set(next);
        assert!(!dies, "crash point {name}");
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other build refuses")]
    pub(super) fn panics() -> Result<(), ArmError> {
        PANICS.store(true, Ordering::Relaxed);
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other build refuses")]
    pub(super) fn suspends() -> Result<(), ArmError> {
        SUSPENDS.store(true, Ordering::Relaxed);
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the other build refuses")]
    pub(super) fn unpace() -> Result<(), ArmError> {
        UNPACED.store(true, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn is_unpaced() -> bool {
        UNPACED.load(Ordering::Relaxed)
    }

    pub(super) fn arm(name: &str, passage: u64) -> Result<(), ArmError> {
        POINT.set((name.to_owned(), AtomicU64::new(passage))).map_err(|_point| ArmError::Armed)
    }

    pub(super) fn pass(name: &'static str) {
        pass_here(name);
        let Some((armed, left)) = POINT.get() else { return };
        if armed == name && left.fetch_sub(1, Ordering::SeqCst) == 1 {
            assert!(!PANICS.load(Ordering::Relaxed), "crash point {name}");
            if SUSPENDS.load(Ordering::Relaxed) {
                suspend();
            } else {
                die();
            }
        }
    }

    /// Stops all threads of the process until somebody lets them go on.
    fn suspend() {
        #[cfg(unix)]
        {
            use rustix::process::{Signal, getpid, kill_process};
            let _nobody_forbids_it = kill_process(getpid(), Signal::STOP);
        }
    }

    /// Ends the process as `kill -9` does: no handler runs, and no core is written.
    fn die() -> ! {
        #[cfg(unix)]
        {
            use rustix::process::{Signal, getpid, kill_process};
            let _nothing_else_ends_it_so = kill_process(getpid(), Signal::KILL);
        }
        std::process::abort()
    }
}

#[cfg(not(feature = "crash-points"))]
mod armed {
    //! Nothing: this build has no crash points.

    use super::ArmError;

    pub(super) const fn arm(_name: &str, _passage: u64) -> Result<(), ArmError> {
        Err(ArmError::NotCompiled)
    }

    #[inline]
    pub(super) const fn pass(_name: &'static str) {}

    pub(super) const fn arm_here(_point: (&'static str, u64)) -> Result<(), ArmError> {
        Err(ArmError::NotCompiled)
    }

    pub(super) const fn arm_after_here(_point: (&'static str, u64)) -> Result<(), ArmError> {
        Err(ArmError::NotCompiled)
    }

    pub(super) const fn disarm_here() -> Result<(), ArmError> {
        Err(ArmError::NotCompiled)
    }

    pub(super) const fn unpace() -> Result<(), ArmError> {
        Err(ArmError::NotCompiled)
    }

    pub(super) const fn panics() -> Result<(), ArmError> {
        Err(ArmError::NotCompiled)
    }

    pub(super) const fn suspends() -> Result<(), ArmError> {
        Err(ArmError::NotCompiled)
    }

    #[inline]
    pub(super) const fn is_unpaced() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_a_name_and_perhaps_a_passage() {
        assert_eq!(parse("c01_start"), Some(("c01_start", 1)));
        assert_eq!(parse("c01_start:3"), Some(("c01_start", 3)));
        for bad in ["", ":1", "c01:0", "c01:-1", "c01:x", "c 01", "c01:1:2"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_build_without_crash_points_refuses_to_arm_one() {
        if !COMPILED {
            assert_eq!(arm("c01_start"), Err(ArmError::NotCompiled));
        }
        assert_eq!(arm("?"), Err(ArmError::Malformed("?".to_owned())));
        assert_eq!(arm("c99_nowhere"), Err(ArmError::Unknown("c99_nowhere".to_owned())));
        crash_point("c01_start");
    }

    #[test]
    fn a_point_armed_here_is_passed_until_its_time_and_then_once() {
        if !COMPILED {
            assert_eq!(disarm_here(), Err(ArmError::NotCompiled));
            return;
        }
        arm_here("c01_start:2").unwrap();
        crash_point("c02_after_migrations");
        crash_point("c01_start");
        assert!(std::panic::catch_unwind(|| crash_point("c01_start")).is_err());
        crash_point("c01_start");
        arm_here("c01_start").unwrap();
        disarm_here().unwrap();
        crash_point("c01_start");
        assert_eq!(arm_here("c99_nowhere"), Err(ArmError::Unknown("c99_nowhere".to_owned())));

        arm_after_here("c01_start:2").unwrap();
        crash_point("c01_start");
        crash_point("c03_lock_taken");
        crash_point("c01_start");
        assert!(std::panic::catch_unwind(|| crash_point("c03_lock_taken")).is_err(), "whichever comes next");
        crash_point("c03_lock_taken");
    }

    /// Collects the names in calls of `crash_point` below a folder.
    fn passed(folder: &std::path::Path, found: &mut std::collections::BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                passed(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let calls = text.split("crash_point(\"").skip(1);
                found.extend(
                    calls.filter_map(|call| call.split_once('"')).map(|(name, _rest)| name.to_owned()),
                );
            }
        }
    }

    #[test]
    fn every_point_is_listed_and_every_listed_point_is_passed() {
        let mut found = std::collections::BTreeSet::new();
        passed(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let listed: std::collections::BTreeSet<String> =
            POINTS.iter().map(|(name, _place)| (*name).to_owned()).collect();
        assert_eq!(found, listed);
    }
}
