//! How editors and tools save, each in a file of its own, under each way of noticing changes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::store::ContentHash;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{Place, Served, pause, playbook, slots_once, until};

/// How far apart the runs of each file are.
pub(crate) const EVERY_S: i64 = 5;

/// A version of the playbook in a file. Its first part is a playbook as well.
pub(crate) fn version(file: u32, number: u32) -> String {
    let more = format!(
        "schedule: {{every: {EVERY_S}s, catchUp: all, overlap: queue}}\nfalsePositives:\n  - first of {number}\n  - \
         second of {number}\n"
    );
    playbook(file, &more)
}

/// What a version is called.
pub(crate) fn named(text: &[u8]) -> String {
    ContentHash::of(text).to_string()
}

/// What may be in force of each file.
pub(crate) type Whole = BTreeMap<String, BTreeSet<String>>;

/// The name of a file.
pub(crate) fn name(file: u32) -> String {
    format!("{file}.yaml")
}

/// Serves files, all in their first version, with changes noticed so.
pub(crate) async fn serve(watch: &str, files: Range<u32>) -> (Place, Served) {
    let place = Place::new().await;
    place.set("reload", json!({"watch": watch, "pollInterval": "1s"}));
    for file in files {
        place.put(&format!("playbooks/{}", name(file)), version(file, 0));
    }
    let served = place.serve().await;
    let polls = !served.logged("playbooks and lists are looked at every").is_empty();
    if watch == "poll" {
        until("it polls", || {
            (!served.logged("playbooks and lists are looked at every").is_empty()).then_some(())
        })
        .await;
    } else {
        assert!(!polls, "inotify does not work here: {}", served.text());
    }
    (place, served)
}

/// Waits until each file has this version in force.
pub(crate) async fn until_all(place: &Place, files: Range<u32>, number: u32) {
    let wanted: BTreeMap<String, String> =
        files.map(|file| (name(file), named(version(file, number).as_bytes()))).collect();
    let mut last = BTreeMap::new();
    for _look in 0..crate::LOOKS_MAX {
        last = place.live();
        if last == wanted {
            return;
        }
        pause(100).await;
    }
    let missing: Vec<_> = wanted.iter().filter(|(file, version)| last.get(*file) != Some(version)).collect();
    panic!("version {number} is not in force of {missing:?}");
}

/// Sees to it that nothing was in force that was not whole, and that every slot had its run.
pub(crate) async fn hold(place: &Place, served: Served, whole: &Whole) {
    for fields in served.logged("a version is in force") {
        let file = Path::new(fields["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
        assert!(whole[file].contains(fields["version"].as_str().unwrap()), "{fields}");
    }
    assert_eq!(served.logged("a playbook is retired"), Vec::<Value>::new());
    let served = served.stopped().await;
    let all: BTreeSet<&String> = whole.values().flatten().collect();
    for run in place.runs() {
        assert!(all.iter().any(|version| run["playbookVersion"] == **version), "{run}");
        assert_ne!(run["state"], "failed", "{run}");
    }
    slots_once(place, EVERY_S, &served.dropped());
}

/// How editors and tools save.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Save {
    InPlace,
    RenameOver,
    Vim,
    VimInPlace,
    Emacs,
    JetBrains,
    Gnome,
    GitCheckout,
    LinkSwapped,
    HardLinked,
    RsyncWithOldTime,
    InPieces(Pieces),
}

/// How tools save that write into the file that is there, and take their time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pieces {
    TruncateAndWriteTwice,
    EmptyThenAppend,
    RsyncInPlace,
    EndFirst,
    AllocatedThenWritten,
    CutShortAtLast,
}

impl Save {
    pub(crate) const ALL: [Self; 17] = [
        Self::InPlace,
        Self::RenameOver,
        Self::InPieces(Pieces::TruncateAndWriteTwice),
        Self::InPieces(Pieces::EmptyThenAppend),
        Self::Vim,
        Self::VimInPlace,
        Self::Emacs,
        Self::JetBrains,
        Self::Gnome,
        Self::GitCheckout,
        Self::LinkSwapped,
        Self::HardLinked,
        Self::RsyncWithOldTime,
        Self::InPieces(Pieces::RsyncInPlace),
        Self::InPieces(Pieces::EndFirst),
        Self::InPieces(Pieces::AllocatedThenWritten),
        Self::InPieces(Pieces::CutShortAtLast),
    ];

    /// Saves a text as a file of a folder. Gives what stood there on the way for so long that it may be taken for whole.
    pub(crate) async fn save(self, folder: &Path, name: &str, text: &str) -> Option<Vec<u8>> {
        let (file, beside) = (folder.join(name), |name: String| folder.join(name));
        match self {
            Self::InPlace => fs::write(file, text).unwrap(),
            Self::RenameOver => replace(&beside(format!("{name}.tmp")), &file, text),
            Self::InPieces(pieces) => return pieces.save(&file, text).await,
            Self::Vim => vim(&file, &beside, text),
            Self::VimInPlace => {
                let swap = beside(format!(".{name}.swp"));
                fs::write(&swap, "b0VIM 9.1").unwrap();
                fs::write(file, text).unwrap();
                fs::remove_file(swap).unwrap();
            }
            Self::Emacs => {
                let (lock, auto) = (beside(format!(".#{name}")), beside(format!("#{name}#")));
                symlink("me@here.4711:1", &lock).unwrap();
                fs::write(&auto, halves(text).0).unwrap();
                fs::rename(&file, beside(format!("{name}~"))).unwrap();
                fs::write(file, text).unwrap();
                fs::remove_file(auto).unwrap();
                fs::remove_file(lock).unwrap();
            }
            Self::JetBrains => {
                let (new, old) =
                    (beside(format!("{name}___jb_tmp___")), beside(format!("{name}___jb_old___")));
                fs::write(&new, text).unwrap();
                fs::rename(&file, &old).unwrap();
                fs::rename(new, file).unwrap();
                fs::remove_file(old).unwrap();
            }
            Self::Gnome => replace(&beside(format!(".goutputstream-{name}")), &file, text),
            Self::GitCheckout => {
                fs::remove_file(&file).unwrap();
                fs::write(file, text).unwrap();
            }
            Self::LinkSwapped => {
                fs::create_dir_all(folder.join(".elsewhere")).unwrap();
                let (place, link) = (format!(".elsewhere/{name}"), beside(format!("{name}.link")));
                fs::write(folder.join(&place), text).unwrap();
                symlink(place, &link).unwrap();
                fs::rename(link, file).unwrap();
            }
            Self::HardLinked => {
                let (kept, link) = (beside(format!(".{name}.kept")), beside(format!("{name}.link")));
                // One that is linked already would be renamed to itself.
                drop(fs::remove_file(&kept));
                fs::write(&kept, text).unwrap();
                fs::hard_link(kept, &link).unwrap();
                fs::rename(link, file).unwrap();
            }
            Self::RsyncWithOldTime => {
                let new = beside(format!(".{name}.Qw3rTy"));
                fs::write(&new, text).unwrap();
                age(&File::options().write(true).open(&new).unwrap());
                fs::rename(new, file).unwrap();
            }
        }
        None
    }
}

/// What stood for so long may be taken for whole where nothing tells of writing: somewhat less than the two seconds, for
/// this clock and that of the daemon do not look at the same moment.
pub(crate) const STOOD: SignedDuration = SignedDuration::from_millis(1_500);

impl Pieces {
    async fn save(self, file: &Path, text: &str) -> Option<Vec<u8>> {
        let begun = SystemClock.uptime();
        let (first, second) = halves(text);
        let mut stood = Vec::new();
        let mut rest = async |length_ms: i64| {
            stood = fs::read(file).unwrap();
            pause(length_ms).await;
        };
        match self {
            Self::TruncateAndWriteTwice => {
                let mut open = File::create(file).unwrap();
                open.write_all(first.as_bytes()).unwrap();
                rest(600).await;
                open.write_all(second.as_bytes()).unwrap();
            }
            Self::EmptyThenAppend => {
                drop(File::create(file).unwrap());
                rest(300).await;
                OpenOptions::new().append(true).open(file).unwrap().write_all(text.as_bytes()).unwrap();
            }
            Self::RsyncInPlace => {
                let open = OpenOptions::new().write(true).open(file).unwrap();
                open.write_all_at(first.as_bytes(), 0).unwrap();
                rest(300).await;
                open.write_all_at(second.as_bytes(), first.len() as u64).unwrap();
                open.set_len(text.len() as u64).unwrap();
                age(&open);
            }
            Self::EndFirst => {
                let open = File::create(file).unwrap();
                open.write_all_at(second.as_bytes(), first.len() as u64).unwrap();
                rest(300).await;
                open.write_all_at(first.as_bytes(), 0).unwrap();
            }
            Self::AllocatedThenWritten => {
                let open = File::create(file).unwrap();
                open.set_len(text.len() as u64).unwrap();
                rest(300).await;
                open.write_all_at(text.as_bytes(), 0).unwrap();
            }
            Self::CutShortAtLast => {
                let mut open = OpenOptions::new().write(true).open(file).unwrap();
                open.write_all(format!("{text}  - left over of what was longer\n").as_bytes()).unwrap();
                rest(300).await;
                open.set_len(text.len() as u64).unwrap();
            }
        }
        // At most, for on a busy machine a pause is longer than it was to be.
        let length = SystemClock.uptime().saturating_sub(begun);
        (STOOD <= length).then_some(stood)
    }
}

/// Splits a version where its first part is a playbook, too.
fn halves(text: &str) -> (&str, &str) {
    text.split_at(text.find("  - second").unwrap())
}

fn replace(beside: &Path, file: &Path, text: &str) {
    fs::write(beside, text).unwrap();
    fs::rename(beside, file).unwrap();
}

fn vim(file: &Path, beside: &dyn Fn(String) -> PathBuf, text: &str) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let (swap, backup) = (beside(format!(".{name}.swp")), beside(format!("{name}~")));
    fs::write(&swap, "b0VIM 9.1").unwrap();
    fs::write(beside(format!("4913{name}~")), "").unwrap();
    fs::remove_file(beside(format!("4913{name}~"))).unwrap();
    fs::rename(file, &backup).unwrap();
    fs::write(file, text).unwrap();
    fs::remove_file(backup).unwrap();
    fs::remove_file(swap).unwrap();
}

/// Gives a file the time of the one it was copied from.
pub(crate) fn age(file: &File) {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 50);
    file.set_times(FileTimes::new().set_modified(long_ago)).unwrap();
}

/// Saves every file once in its own way, all at the same time, and once more.
async fn every_kind_of_save(watch: &str) {
    let files = 0..u32::try_from(Save::ALL.len()).unwrap();
    let (place, served) = serve(watch, files.clone()).await;
    until_all(&place, files.clone(), 0).await;
    let (mut whole, mut late) = (Whole::new(), BTreeSet::new());
    for number in 0..=2 {
        for file in files.clone() {
            whole.entry(name(file)).or_default().insert(named(version(file, number).as_bytes()));
        }
    }
    for number in 1..=2 {
        let mut saving = tokio::task::JoinSet::new();
        for (file, save) in (0..).zip(Save::ALL) {
            let folder = place.at("playbooks");
            saving.spawn(async move {
                let stood = save.save(&folder, &name(file), &version(file, number)).await;
                stood.map(|bytes| (name(file), bytes))
            });
        }
        for (file, bytes) in saving.join_all().await.into_iter().flatten() {
            if watch == "poll" {
                whole.entry(file.clone()).or_default().insert(named(&bytes));
            }
            late.insert(file);
        }
        until_all(&place, files.clone(), number).await;
    }
    let is_late = |fields: &Value| {
        let file = Path::new(fields["file"].as_str().unwrap()).file_name();
        file.and_then(OsStr::to_str).is_some_and(|file| late.contains(file))
    };
    let refused = served.logged("a file is refused").into_iter().filter(|fields| !is_late(fields));
    assert_eq!(refused.collect::<Vec<_>>(), Vec::<Value>::new());
    hold(&place, served, &whole).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_48_every_kind_of_save_takes_effect_and_never_by_halves() {
    every_kind_of_save("auto").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_48_every_kind_of_save_takes_effect_where_nothing_tells_of_it() {
    every_kind_of_save("poll").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_48_where_no_watches_are_left_it_is_said_and_files_are_looked_at() {
    let place = Place::new().await;
    place.set("reload", json!({"pollInterval": "1s"}));
    place.put("playbooks/0.yaml", version(0, 0));
    let library = place.at("unwatched.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reload/unwatched.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    assert!(built.unwrap().success(), "tests/setup installs a C compiler");
    let mut huntbook = place.huntbook();
    huntbook.env("LD_PRELOAD", &library);
    let served = place.serve_by(huntbook, crate::LOOKS_MAX).await;
    let said = until("it is said", || served.logged("playbooks and lists are looked at every").pop()).await;
    assert!(said["why"].as_str().unwrap().contains("cannot be watched"), "{said}");
    fs::write(place.at("playbooks/0.yaml"), version(0, 1)).unwrap();
    until_all(&place, 0..1, 1).await;
    served.stop().await;
}
