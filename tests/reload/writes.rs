//! Files that are written in random pieces, with pauses, seeks, cuts and syncs in between, and saved as editors and tools
//! do, in any order, under each way of noticing changes: what is in force is a whole version at any time, and at the end the last one.
//!
//! `WRITE_SEEDS=200` tries as many schedules; what fails names its seed, which is the number of its file.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use huntbook::clock::{Clock as _, SystemClock};
use jiff::SignedDuration;

use crate::pause;
use crate::saves::{STOOD, Save, Whole, age, hold, name, named, serve, until_all, version};

/// Schedules by default.
const SEEDS: u32 = 20;
/// Schedules at a time: more playbooks than these keep a debug build busy with their runs.
const AT_ONCE: u32 = 20;
/// Versions written of each file.
const VERSIONS: u32 = 4;
/// Longest pause in the middle of writing, in milliseconds.
const PAUSE_MAX: u32 = 200;

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn new(seed: u32) -> Self {
        let mut dice = Self(0x9e37_79b9_7f4a_7c15 ^ u64::from(seed + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9));
        dice.roll(1);
        dice
    }

    /// A number below `sides`.
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 33) % u64::from(sides)).unwrap()
    }

    fn is(&mut self, one_in: u32) -> bool {
        self.roll(one_in) == 0
    }

    /// Where to cut a text into pieces.
    fn cuts(&mut self, length: usize) -> Vec<usize> {
        let places = 1 + self.roll(4);
        let length = u32::try_from(length).unwrap();
        let mut cuts: BTreeSet<usize> = (0..places).map(|_place| self.roll(length) as usize).collect();
        cuts.extend([0, length as usize]);
        cuts.into_iter().collect()
    }
}

/// Somebody who writes one file.
struct Writer {
    path: PathBuf,
    dice: Dice,
    /// What is in the file, and since when at the earliest.
    stands: (Vec<u8>, SignedDuration),
    /// When that was noted.
    noted: SignedDuration,
    /// What stood for so long that it may be taken for whole.
    stood: Vec<Vec<u8>>,
    /// Whether the system tells of it. If not, the times of files are those of a server with another clock.
    is_told: bool,
}

impl Writer {
    fn new(folder: &Path, file: u32) -> Self {
        let path = folder.join(name(file));
        let noted = SystemClock.uptime();
        let stands = (fs::read(&path).unwrap(), noted);
        Self { path, dice: Dice::new(file), stands, noted, stood: Vec::new(), is_told: true }
    }

    /// Notes what the file says now.
    fn note(&mut self) {
        let (now, bytes) = (SystemClock.uptime(), fs::read(&self.path).unwrap_or_default());
        let last = std::mem::replace(&mut self.noted, now);
        if bytes != self.stands.0 {
            let (before, since) = std::mem::replace(&mut self.stands, (bytes, last));
            if STOOD <= now.saturating_sub(since) {
                self.stood.push(before);
            }
        }
    }

    async fn rest(&mut self) {
        self.note();
        if let Ok(open) = OpenOptions::new().write(true).open(&self.path)
            && !self.is_told
        {
            age(&open);
        }
        let length = self.dice.roll(PAUSE_MAX);
        pause(length.into()).await;
    }

    /// Writes pieces of a text where they belong, in this order or from behind, into a file that stays open.
    async fn pieces(&mut self, open: &File, text: &[u8]) {
        let cuts = self.dice.cuts(text.len());
        let mut pieces: Vec<_> = cuts.windows(2).map(|cut| (cut[0], cut[1])).collect();
        match self.dice.roll(4) {
            0 => pieces.reverse(),
            1 => pieces.rotate_left(1),
            _ => {}
        }
        for (from, to) in pieces {
            open.write_all_at(&text[from..to], from as u64).unwrap();
            if self.dice.is(6) {
                self.note();
                open.sync_all().unwrap();
            }
            if self.dice.is(4) {
                // Back, and the same once more.
                open.write_all_at(&text[..to], 0).unwrap();
            }
            if self.dice.is(8) {
                open.set_len(from as u64).unwrap();
                self.rest().await;
                open.write_all_at(&text[from..to], from as u64).unwrap();
            }
            self.rest().await;
        }
        // What went by cutting, and what is left of a longer one.
        open.write_all_at(text, 0).unwrap();
        open.set_len(text.len() as u64).unwrap();
    }

    /// Writes a version in one of many ways.
    async fn write(&mut self, text: &[u8]) {
        match self.dice.roll(10) {
            0 => {
                let open = OpenOptions::new().write(true).open(&self.path).unwrap();
                self.pieces(&open, text).await;
            }
            1 => {
                let open = File::create(&self.path).unwrap();
                self.rest().await;
                self.pieces(&open, text).await;
            }
            2 => {
                let beside = self.path.with_extension("tmp");
                let open = File::create(&beside).unwrap();
                self.pieces(&open, text).await;
                fs::rename(beside, &self.path).unwrap();
            }
            3 => {
                fs::remove_file(&self.path).unwrap();
                self.rest().await;
                let open = File::create(&self.path).unwrap();
                self.pieces(&open, text).await;
            }
            4 => {
                // Closed in between, where what is there is no playbook: whoever closes one has written it.
                let hunt = text.windows(5).position(|word| word == b"hunt:").unwrap();
                let cut = self.dice.roll(u32::try_from(hunt).unwrap()) as usize;
                fs::write(&self.path, &text[..cut]).unwrap();
                self.rest().await;
                let open = OpenOptions::new().write(true).open(&self.path).unwrap();
                self.pieces(&open, text).await;
            }
            _ => self.save(text).await,
        }
    }

    /// Saves a version as one of the editors and tools does.
    async fn save(&mut self, text: &[u8]) {
        let place = self.dice.roll(u32::try_from(Save::ALL.len()).unwrap());
        let (folder, name) = (self.path.parent().unwrap(), self.path.file_name().unwrap());
        let text = std::str::from_utf8(text).unwrap();
        self.stood.extend(Save::ALL[place as usize].save(folder, name.to_str().unwrap(), text).await);
    }

    /// Writes all versions of a file, and gives what may be in force of it.
    async fn run(mut self, file: u32) -> (String, BTreeSet<String>) {
        let mut whole = BTreeSet::from([named(&self.stands.0)]);
        for number in 1..=VERSIONS {
            let text = version(file, number);
            whole.insert(named(text.as_bytes()));
            self.write(text.as_bytes()).await;
            self.rest().await;
            let length = self.dice.roll(1_200);
            pause(length.into()).await;
        }
        if !self.is_told {
            whole.extend(self.stood.iter().map(|bytes| named(bytes)));
        }
        (name(file), whole)
    }
}

#[expect(clippy::disallowed_methods, reason = "how many schedules are tried is said in the environment")]
fn seeds() -> u32 {
    std::env::var("WRITE_SEEDS").map_or(SEEDS, |text| text.parse().unwrap())
}

async fn written_at_random(watch: &str) {
    let seeds = seeds();
    for first in (0..seeds).step_by(AT_ONCE as usize) {
        let files = AT_ONCE.min(seeds - first);
        let (place, served) = serve(watch, first..first + files).await;
        let mut writing = tokio::task::JoinSet::new();
        for file in first..first + files {
            let writer = Writer { is_told: watch == "auto", ..Writer::new(&place.at("playbooks"), file) };
            writing.spawn(writer.run(file));
        }
        let whole: Whole = writing.join_all().await.into_iter().collect();
        until_all(&place, first..first + files, VERSIONS).await;
        hold(&place, served, &whole).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_48_whatever_is_written_at_random_is_in_force_only_whole() {
    written_at_random("auto").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_48_whatever_is_written_at_random_is_in_force_only_whole_where_nothing_tells_of_it() {
    written_at_random("poll").await;
}
