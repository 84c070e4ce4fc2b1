//! Who may open a journal, and which.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use huntbook::diag::Chain as ErrorChain;
use huntbook::store::{EffectState, Intended, Remedy, Store, StoreError};
use sqlx::Executor as _;

use crate::bench::{Bench, effect, result, settled};

#[tokio::test]
async fn row_45_a_second_engine_is_told_who_has_the_journal() {
    let bench = Bench::new();
    let store = bench.open().await;
    let refused = bench.try_open().await.unwrap_err();
    assert!(refused.to_string().contains(&format!("(process {})", std::process::id())), "{refused}");
    assert_eq!(refused.remedy(), Remedy::Stop);
    bench.end(store).await;
    bench.open().await;
}

#[tokio::test]
async fn a_journal_is_its_owners_alone() {
    let (bench, store, run) = Bench::running().await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = bench.folder().join("state");
    assert_eq!(mode(&folder), 0o700);
    for file in fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    bench.end(store).await;
    fs::set_permissions(bench.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let store = bench.open().await;
    assert_eq!(mode(&bench.path()), 0o600);
    assert!(store.run(run).await.unwrap().is_some());
}

#[tokio::test]
async fn a_reader_sees_what_the_owner_writes_and_writes_nothing() {
    let bench = Bench::new();
    let missing = Store::open_reader(&bench.path()).await.unwrap_err();
    assert!(matches!(missing, StoreError::Missing { .. }), "{missing}");
    let store = bench.open().await;
    let reader = Store::open_reader(&bench.path()).await.unwrap();
    let run = bench.begin(&store, 2).await;
    assert_eq!(reader.run(run).await.unwrap().unwrap().items.len(), 2);
    assert!(matches!(reader.settle(run, &settled(0, "acted")).await, Err(StoreError::Reader)));
    bench.end(store).await;
    // Nobody owns it, and it is still readable.
    let reader = Store::open_reader(&bench.path()).await.unwrap();
    assert!(reader.run(run).await.unwrap().is_some());
}

#[tokio::test]
async fn an_owner_that_lost_the_journal_does_not_write() {
    let bench = Bench::new();
    let old = bench.open().await;
    let run = bench.begin(&old, 1).await;
    assert_eq!(old.intend(&effect(run, "device:a")).await.unwrap(), Intended::Go { attempt: 1 });
    // Somebody removes the lock file, and with it the lock.
    fs::remove_file(bench.folder().join("state/huntbook.db.lock")).unwrap();
    let new = bench.open().await;
    for refused in [
        old.intend(&effect(run, "device:b")).await.unwrap_err(),
        old.record(&effect(run, "device:a").key, 1, &result(EffectState::Done)).await.unwrap_err(),
    ] {
        assert!(matches!(refused, StoreError::Fenced), "{refused}");
    }
    assert_eq!(new.park_in_doubt().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_journal_is_refused() {
    let bench = Bench::new();
    let store = bench.open().await;
    bench.end(store).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', 1, x'00', 0)";
    bench.raw().await.execute(newer).await.unwrap();
    let refused = bench.try_open().await.unwrap_err();
    assert!(matches!(refused, StoreError::Newer { migration: 9999 }), "{refused}");
    let refused = Store::open_reader(&bench.path()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Newer { migration: 9999 }), "{refused}");
}

#[tokio::test]
async fn an_older_journal_is_brought_up_to_date_by_a_writer_only() {
    let bench = Bench::new();
    let store = bench.open().await;
    let run = bench.begin(&store, 1).await;
    bench.end(store).await;
    let first = "INSERT INTO refusals VALUES ('a.yaml', x'00', '[{\"code\":\"gone\",\"level\":\"warning\"}]', 1), \
                 ('b.yaml', zeroblob(32), '[{\"code\":\"HB0101\"}]', 1); \
                 DROP VIEW effects_dated; DROP VIEW resumes_dated; DROP TABLE held; DROP TABLE held_edits; DROP TABLE watermarks; DROP TABLE sign_ins; DROP TABLE reverts; DROP TABLE words; DROP TABLE fleets; DROP TABLE headroom; DROP TABLE stop_events; DROP TABLE undone_told; DROP TABLE approvals; DROP TABLE approval_events; \
                 DROP TABLE approval_transitions; DELETE FROM facts WHERE name IN ('approvalCut', 'serving', 'uptimeSeen', 'turnedAt', 'bootSeen', 'turnedStop'); \
                 DROP TABLE crashes; ALTER TABLE runs DROP COLUMN epoch; DROP TABLE merged_devices; DROP TABLE going_on; \
                 DROP TABLE alone; DROP TABLE list_lags; \
                 DROP TRIGGER effects_tried; DROP TRIGGER effects_kept; DROP TRIGGER effects_refused; ALTER TABLE effects DROP COLUMN refused; \
                 DROP TRIGGER effects_up; DROP INDEX effects_tried_at; DROP INDEX effects_tried_up; ALTER TABLE effects DROP COLUMN uptime; ALTER TABLE effects DROP COLUMN boot; \
                 ALTER TABLE slots DROP COLUMN skipped; ALTER TABLE slots DROP COLUMN why; ALTER TABLE slots DROP COLUMN skips; \
                 ALTER TABLE runs DROP COLUMN account; ALTER TABLE runs DROP COLUMN uid; \
                 ALTER TABLE slots DROP COLUMN lacks; ALTER TABLE slots DROP COLUMN lacks_since; \
                 DELETE FROM _sqlx_migrations WHERE 1 < version";
    bench.raw().await.execute(first).await.unwrap();
    let refused = Store::open_reader(&bench.path()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Older), "{refused}");
    let store = bench.open().await;
    assert_eq!(store.told_undone(run).await.unwrap(), None);
    // What was held stood among the refusals once.
    let refused = store.refusals().await.unwrap();
    assert_eq!(refused.iter().map(|refused| refused.file.as_str()).collect::<Vec<_>>(), ["b.yaml"]);
    assert_eq!(store.unfinished().await.unwrap()[0].items.len(), 1);
}

#[tokio::test]
async fn a_file_that_is_no_journal_is_refused_and_left_alone() {
    let bench = Bench::new();
    fs::create_dir(bench.folder().join("state")).unwrap();
    let text = "schema: 1\nname: not a journal\n".repeat(200);
    fs::write(bench.path(), &text).unwrap();
    let refused = bench.try_open().await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{}", ErrorChain(&refused));
    assert_eq!(fs::read_to_string(bench.path()).unwrap(), text);
}

#[tokio::test]
async fn row_42_a_damaged_journal_is_refused() {
    let bench = Bench::new();
    let store = bench.open().await;
    for _run in 0..40 {
        bench.begin(&store, 30).await;
    }
    bench.end(store).await;
    let whole = fs::read(bench.path()).unwrap();
    let mut refused = 0;
    // The head of every page after the first, one at a time.
    for page in 1..whole.len() / 4096 {
        let mut damaged = whole.clone();
        for byte in &mut damaged[page * 4096..page * 4096 + 12] {
            *byte ^= 0xff;
        }
        fs::write(bench.path(), &damaged).unwrap();
        match bench.try_open().await {
            Err(StoreError::Corrupt { .. }) => refused += 1,
            Err(other) => panic!("page {page}: {}", ErrorChain(&other)),
            Ok(store) => bench.end(store).await,
        }
    }
    // A page of the free list may be damaged without harm; there is hardly any here.
    assert!(whole.len() / 4096 * 9 / 10 <= refused, "{refused} of {}", whole.len() / 4096);
}

#[tokio::test]
async fn row_42_however_little_is_left_of_a_journal_it_is_no_new_one() {
    let bench = Bench::new();
    let store = bench.open().await;
    bench.end(store).await;
    let whole = fs::read(bench.path()).unwrap();
    for left in [1, 2, 15, 16, 99, 100, 511, 512, 4095] {
        fs::write(bench.path(), &whole[..left]).unwrap();
        assert!(matches!(bench.try_open().await, Err(StoreError::Corrupt { .. })), "{left} bytes");
        assert!(Store::open_reader(&bench.path()).await.is_err(), "{left} bytes");
        assert_eq!(fs::read(bench.path()).unwrap(), &whole[..left], "nothing is written over it");
    }
}

#[tokio::test]
async fn a_torn_log_gives_a_prefix_of_what_was_written() {
    let bench = Bench::new();
    let store = bench.open().await;
    let mut runs = Vec::new();
    for _run in 0..6 {
        runs.push(bench.begin(&store, 3).await);
    }
    // The files as a power cut leaves them: the log is not yet in the journal.
    let log = bench.folder().join("state/huntbook.db-wal");
    let (base, frames) = (fs::read(bench.path()).unwrap(), fs::read(&log).unwrap());
    bench.end(store).await;
    let mut lengths = Vec::new();
    for cut in (0..=frames.len()).step_by(frames.len() / 24) {
        fs::write(bench.path(), &base).unwrap();
        fs::write(&log, &frames[..cut]).unwrap();
        drop(fs::remove_file(bench.folder().join("state/huntbook.db-shm")));
        let store = bench.open().await;
        let mut there = Vec::new();
        for run in &runs {
            there.push(store.run(*run).await.unwrap().is_some());
        }
        assert!(there.is_sorted_by(|one, other| one >= other), "{there:?} is a prefix");
        lengths.push(there.iter().filter(|one| **one).count());
        bench.end(store).await;
    }
    assert!(lengths.is_sorted());
    assert_eq!((lengths.first(), lengths.last()), (Some(&0), Some(&6)));
}

#[tokio::test]
async fn a_closed_journal_is_one_file() {
    let (bench, store, run) = Bench::running().await;
    bench.end(store).await;
    let copy = Bench::new();
    fs::create_dir(copy.folder().join("state")).unwrap();
    fs::copy(bench.path(), copy.path()).unwrap();
    let store = copy.open().await;
    assert!(store.run(run).await.unwrap().is_some());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_an_error_with_its_name() {
    let bench = Bench::new();
    fs::write(bench.folder().join("state"), "a file where a folder should be").unwrap();
    let refused = bench.try_open().await.unwrap_err();
    assert!(matches!(&refused, StoreError::File { .. }), "{refused}");
    assert!(refused.to_string().contains("state"), "{refused}");
}

#[tokio::test]
async fn a_folder_that_may_not_be_written_is_an_error() {
    let bench = Bench::new();
    let folder = bench.folder().join("state");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write everywhere, so there is nothing to see as root.
    if fs::write(folder.join("probe"), "").is_err() {
        let refused = bench.try_open().await.unwrap_err();
        assert!(matches!(&refused, StoreError::File { .. }), "{refused}");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
}
