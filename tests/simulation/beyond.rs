//! The crash points that only a whole process comes to: real kills meet them (`tests/kill`), and the matrix of the
//! simulation every other one.

pub(crate) const BEYOND: &[(&str, &str)] = &[
    ("c01_start", "the engine has no beginning of its own"),
    ("c29_reload_read", "the daemon reads files"),
    ("c30_reload_validated", "the daemon reads files"),
    ("c31_reload_swapped", "the daemon puts in force what it read"),
    ("c32_reload_persisted", "the daemon puts in force what it read"),
    ("c39_shutdown_begun", "the daemon ends"),
    ("c40_shutdown_done", "the daemon ends"),
];
