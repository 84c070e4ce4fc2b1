//! A new journal in place of a damaged one.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use huntbook::store::{Chain, EffectState, History, Rebuilt, Stop, StopWord, Store, StoreError};

use crate::bench::{Bench, TENANT, effect, word};

/// What a page of rows begins with.
const TABLE_LEAF: u8 = 0x0d;
const PAGE: usize = 4096;

fn because(tenant: Option<&str>, reason: &str) -> StopWord {
    StopWord { reason: Some(reason.to_owned()), ..word(tenant) }
}

async fn rebuild(bench: &Bench) -> Result<Option<Rebuilt>, StoreError> {
    Store::rebuild(&bench.path(), Arc::new(bench.clock.clone()), &because(None, "begun anew")).await
}

fn beside(bench: &Bench, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", bench.path().display()))
}

/// A journal of so many runs with a stop and an action under way, as it is on the disk when nobody has it open, and the mark of the
/// action.
async fn lived(runs: usize) -> (Bench, Vec<u8>, String) {
    let (bench, store, run) = Bench::running().await;
    for _run in 0..runs {
        bench.begin(&store, 30).await;
    }
    store.halt(&because(Some(TENANT), "drill")).await.unwrap();
    let open = effect(run, "device:a");
    store.lift(&because(Some(TENANT), "over")).await.unwrap();
    store.intend(&open).await.unwrap();
    store.halt(&because(Some(TENANT), "drill")).await.unwrap();
    let mark = store.mark(TENANT, &open.key, 1).unwrap();
    bench.end(store).await;
    let bytes = fs::read(bench.path()).unwrap();
    (bench, bytes, mark)
}

#[tokio::test]
async fn row_42_of_a_single_byte_that_is_left_a_new_journal_is_begun_too() {
    let (bench, whole, _mark) = lived(0).await;
    fs::write(bench.path(), &whole[..1]).unwrap();
    let rebuilt = rebuild(&bench).await.unwrap().expect("it is damaged");
    assert_eq!(fs::read(&rebuilt.kept).unwrap(), &whole[..1], "it is kept as it was");
    let store = bench.open().await;
    assert!(store.stops().await.unwrap().iter().any(|stop| stop.tenant.is_none()), "everything is stopped");
    bench.end(store).await;
}

#[tokio::test]
async fn row_42_whatever_page_is_damaged_a_new_journal_knows_what_could_be_read_and_stops_everything() {
    let (bench, whole, mark) = lived(40).await;
    let (mut damaged, mut known) = (0, 0);
    for page in 0..whole.len() / PAGE {
        let mut bytes = whole.clone();
        for byte in &mut bytes[page * PAGE + 100 * usize::from(page == 0)..page * PAGE + 112] {
            *byte ^= 0xff;
        }
        fs::write(bench.path(), &bytes).unwrap();
        let Some(rebuilt) = rebuild(&bench).await.unwrap() else { continue };
        damaged += 1;
        assert_eq!(fs::read(&rebuilt.kept).unwrap(), bytes, "page {page}: it is kept as it was");
        assert!(rebuilt.damage.is_some());
        let store = bench.open().await;
        let stops = store.stops().await.unwrap();
        assert_eq!(stops.last().map(|stop| &stop.account), Some(&rebuilt.stop.account), "page {page}");
        assert!(stops.iter().any(|stop| stop.tenant.is_none()), "page {page}: everything is stopped");
        let drills = rebuilt.left.stops.as_ref().map(|stops| (stops.len(), stops[0].tenant.as_deref()));
        assert!(drills.is_none_or(|drill| drill == (1, Some(TENANT))), "page {page}: {drills:?}");
        assert_eq!(stops.len(), 1 + drills.map_or(0, |(count, _tenant)| count), "page {page}: {stops:?}");
        if let Some(open) = &rebuilt.left.open {
            assert_eq!(open.iter().map(|one| one.state).collect::<Vec<_>>(), [EffectState::Intended]);
        }
        let key = effect(bench.run(None).id, "device:a").key;
        assert!(store.is_unproven(TENANT).unwrap(), "page {page}: the tenants are asked");
        if rebuilt.left.knows_marks() {
            known += 1;
            let key = mark.split(':').nth(2).unwrap().parse().unwrap_or(key);
            assert_eq!(store.mark(TENANT, &key, 1).unwrap(), mark, "page {page}: the same key");
        }
        assert!(matches!(store.verify(History::Stops, u32::MAX).await.unwrap(), Chain::Intact { .. }));
        bench.end(store).await;
        fs::remove_file(bench.folder().join("state/stop")).unwrap();
        fs::remove_file(&rebuilt.kept).unwrap();
    }
    let pages = whole.len() / PAGE;
    assert!(pages * 9 / 10 <= damaged && damaged / 2 <= known, "{known} of {damaged} of {pages}");
}

#[tokio::test]
async fn what_was_cut_off_is_finished_and_nothing_is_written_before() {
    let (bench, whole, _mark) = lived(40).await;
    // The new one is written, and neither log nor journal has left its place.
    fs::write(beside(&bench, ".rebuilt"), &whole).unwrap();
    fs::write(bench.path(), "damaged").unwrap();
    fs::write(beside(&bench, "-wal"), "its log").unwrap();
    let refused = bench.try_open().await.unwrap_err();
    assert!(matches!(refused, StoreError::HalfRebuilt), "{refused}");
    let rebuilt = rebuild(&bench).await.unwrap().expect("it is finished");
    assert_eq!(fs::read_to_string(&rebuilt.kept).unwrap(), "damaged");
    assert_eq!(fs::read_to_string(format!("{}-wal", rebuilt.kept.display())).unwrap(), "its log");
    bench.end(bench.open().await).await;
    // The journal has left its place, and the new one has not taken it.
    fs::rename(bench.path(), beside(&bench, ".rebuilt")).unwrap();
    assert!(matches!(bench.try_open().await.unwrap_err(), StoreError::HalfRebuilt));
    rebuild(&bench).await.unwrap().expect("it is finished");
    let store = bench.open().await;
    assert_eq!(store.stops().await.unwrap().len(), 2, "what was there, and the file");
    assert!(!beside(&bench, ".rebuilt").exists());
}

#[tokio::test]
async fn what_was_begun_stays_where_less_can_be_read_by_then() {
    let (bench, whole, mark) = lived(0).await;
    let key = mark.split(':').nth(2).unwrap().parse().unwrap();
    let mut less = 0;
    for page in 1..whole.len() / PAGE {
        let mut bytes = whole.clone();
        for byte in &mut bytes[page * PAGE..page * PAGE + 112] {
            *byte ^= 0xff;
        }
        fs::write(bench.path(), &bytes).unwrap();
        fs::write(beside(&bench, ".rebuilt"), &whole).unwrap();
        let Some(rebuilt) = rebuild(&bench).await.unwrap() else { continue };
        less += usize::from(rebuilt.left.knows_marks() != rebuilt.left.stops.is_some());
        let store = bench.open().await;
        let stops = store.stops().await.unwrap();
        assert!(stops.iter().any(|stop| stop.tenant.as_deref() == Some(TENANT)), "page {page}: {stops:?}");
        assert_eq!(store.mark(TENANT, &key, 1).unwrap(), mark, "page {page}: the same key");
        bench.end(store).await;
        fs::remove_file(bench.folder().join("state/stop")).unwrap();
        fs::remove_file(&rebuilt.kept).unwrap();
    }
    assert!(0 < less, "of some page one is read and the other is not");
}

#[tokio::test]
async fn what_is_said_before_a_rebuilding_that_was_cut_off_is_finished_stands() {
    let (bench, whole, _mark) = lived(40).await;
    fs::write(beside(&bench, ".rebuilt"), &whole).unwrap();
    // It took a word meanwhile, and is still damaged.
    let clock = Arc::new(bench.clock.clone());
    Store::stop(&bench.path(), clock, &because(None, "said meanwhile")).await.unwrap();
    let mut bytes = fs::read(bench.path()).unwrap();
    // A page of the items, of which there are most.
    let holds_items =
        |page: &[u8]| page[0] == TABLE_LEAF && page.windows(8).any(|text| text == b"{\"Files\"");
    let page = bytes.chunks(PAGE).position(holds_items).expect("there are items") * PAGE;
    bytes[page..page + 12].fill(0xff);
    fs::write(bench.path(), &bytes).unwrap();
    rebuild(&bench).await.unwrap().expect("it is damaged");
    let stops = bench.open().await.stops().await.unwrap();
    let is_there = |stop: &Stop| stop.reason.as_ref().is_some_and(|why| why.ends_with(": said meanwhile"));
    assert!(stops.iter().any(is_there), "{stops:?}");
}

#[tokio::test]
async fn the_log_of_a_journal_that_has_left_its_place_follows_it() {
    let (bench, whole, _mark) = lived(40).await;
    fs::rename(bench.path(), beside(&bench, ".rebuilt")).unwrap();
    fs::write(beside(&bench, "-wal"), "the log of the damaged one").unwrap();
    let rebuilt = rebuild(&bench).await.unwrap().expect("it is finished");
    let log = fs::read_to_string(format!("{}-wal", rebuilt.kept.display())).unwrap();
    assert_eq!(
        (log.as_str(), fs::read(bench.path()).unwrap() == whole),
        ("the log of the damaged one", true)
    );
}

#[tokio::test]
async fn a_backup_that_was_put_in_its_place_meanwhile_stays() {
    let (bench, whole, _mark) = lived(40).await;
    fs::write(beside(&bench, ".rebuilt"), "begun").unwrap();
    assert!(rebuild(&bench).await.unwrap().is_none());
    assert_eq!(fs::read(bench.path()).unwrap(), whole);
    bench.end(bench.open().await).await;
}

#[tokio::test]
async fn what_is_called_by_a_link_is_mended_and_stopped_where_it_is() {
    let (bench, mut bytes, _mark) = lived(40).await;
    let page = bytes.len() - PAGE;
    bytes[page..page + 12].fill(0xff);
    fs::write(bench.path(), &bytes).unwrap();
    let link = bench.folder().join("link.db");
    std::os::unix::fs::symlink(bench.path(), &link).unwrap();
    let begun = Store::rebuild(&link, Arc::new(bench.clock.clone()), &because(None, "begun anew")).await;
    let begun = begun.unwrap().expect("it was damaged");
    assert_eq!(begun.kept.parent(), fs::canonicalize(bench.path()).unwrap().parent());
    assert!(link.is_symlink());
    for path in [&link, &bench.path()] {
        let store = Store::open(path, Arc::new(bench.clock.clone())).await.unwrap();
        assert!(store.stops().await.unwrap().iter().any(|stop| stop.tenant.is_none()), "{path:?}");
        bench.end(store).await;
    }
}

#[tokio::test]
async fn a_sound_journal_stays_and_so_does_one_that_somebody_has_open() {
    let (bench, whole, _mark) = lived(40).await;
    assert!(rebuild(&bench).await.unwrap().is_none());
    assert_eq!(fs::read(bench.path()).unwrap(), whole);
    assert!(!bench.folder().join("state/stop").exists());
    let store = bench.open().await;
    let refused = rebuild(&bench).await.unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    bench.end(store).await;
    fs::remove_file(bench.path()).unwrap();
    let refused = rebuild(&bench).await.unwrap_err();
    assert!(matches!(refused, StoreError::Missing { .. }), "{refused}");
}
