//! Reads the directories of playbooks and lists, as they are at one moment.
//!
//! What editors and tools leave beside the real files (`.a.yaml.swp`, `a.yaml~`, `#a.yaml#`, `..data`) is
//! passed over. Symbolic links inside a directory are followed, because Kubernetes mounts are made of them; what else a
//! file must be like to count is said by [`Terms`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};

use super::terms::{Links, ScanError, Terms, open};
use crate::diag::Diagnostic;
use crate::plan::SourceFile;
use crate::store::ContentHash;

/// Most files read from one directory tree.
const FILES_MAX: usize = 20_000;
/// Most bytes read in all.
const BYTES_MAX: u64 = 256 << 20;
/// Most bytes read of one file: one more than the largest list, so that a larger file is seen to be one and
/// is refused. What is cut off must not validate.
const FILE_BYTES_MAX: u64 = crate::playbook::list::BYTES_MAX as u64 + 1;
/// Deepest folder below the directory.
const DEPTH_MAX: usize = 8;

/// A file that cannot be read, or a folder and all that is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Unread {
    /// Its path.
    pub path: PathBuf,
    /// Why.
    pub problem: Diagnostic,
}

impl Unread {
    /// Whether a file is this one or in this folder.
    pub(super) fn covers(&self, file: &str) -> bool {
        Path::new(file).starts_with(&self.path)
    }
}

impl From<ScanError> for Unread {
    fn from(error: ScanError) -> Self {
        Self { problem: error.diagnostic(), path: error.path().to_path_buf() }
    }
}

/// What is done about something that cannot be read: the end, or go on without it.
type Trouble<'a> = &'a mut dyn FnMut(ScanError) -> Result<(), ScanError>;

/// Everything found at one moment, sorted by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scan {
    /// Playbooks: `*.yaml` and `*.yml`, but not `*.test.yaml`.
    pub playbooks: Vec<SourceFile>,
    /// Lists: `*.txt`, `*.csv`, `*.yaml`, `*.yml`.
    pub lists: Vec<SourceFile>,
    /// What of the playbooks cannot be read.
    pub unread_playbooks: Vec<Unread>,
    /// What of the lists cannot be read.
    pub unread_lists: Vec<Unread>,
}

/// Reads both directories. A list directory that is not there has no lists.
///
/// # Errors
///
/// [`ScanError`] if a whole directory could not be read; single files and folders in it are listed as unread.
pub fn scan(playbooks: &Path, lists: &Path) -> Result<Scan, ScanError> {
    scan_on(&Terms::default(), playbooks, lists)
}

/// The same on terms: what does not meet them is listed as unread.
///
/// # Errors
///
/// [`ScanError`] if a whole directory could not be read, or does not meet them.
pub fn scan_on(terms: &Terms, playbooks: &Path, lists: &Path) -> Result<Scan, ScanError> {
    look(terms, playbooks, lists).map(|seen| seen.scan)
}

/// Reads the lists alone. A directory that is not there has none.
///
/// # Errors
///
/// [`ScanError`] if something could not be read.
pub fn scan_lists(lists: &Path) -> Result<Vec<SourceFile>, ScanError> {
    let Some(_there) = real(lists)? else { return Ok(Vec::new()) };
    Ok(files(walk(lists, (&is_list, None), &Terms::default(), &mut Err)?))
}

/// Reads of these playbooks, and of the lists, whatever can be read, and says what cannot.
#[must_use]
pub fn read_all(playbooks: &[PathBuf], lists: &Path) -> (Scan, Vec<ScanError>) {
    let mut unread = Vec::new();
    let mut go_on = |error| {
        unread.push(error);
        Ok(())
    };
    let mut scan = Scan::default();
    let found_playbooks = read_each(playbooks, lists, &mut go_on);
    let found_lists = match real(lists) {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(_there)) => walk(lists, (&is_list, None), &Terms::default(), &mut go_on),
        Err(error) => Err(error),
    };
    match found_playbooks {
        Ok(found) => scan.playbooks = found,
        Err(error) => unread.push(error),
    }
    match found_lists {
        Ok(found) => scan.lists = files(found),
        Err(error) => unread.push(error),
    }
    (scan, unread)
}

/// Where a directory really is; `None` if it is not there.
fn real(directory: &Path) -> Result<Option<PathBuf>, ScanError> {
    match directory.canonicalize() {
        Ok(real) => Ok(Some(real)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ScanError::new(directory, source)),
    }
}

/// Whether a file of this name holds a list.
fn is_list(name: &str) -> bool {
    ends_in(name, &["txt", "csv", "yaml", "yml"])
}

/// What a look found, and how fresh it is.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) scan: Scan,
    /// When each file changed last, where that is known.
    changed: BTreeMap<String, Timestamp>,
}

impl Seen {
    /// The files that may still be changing at `now`: those that changed within `quiet`; those in which there is
    /// nothing and which changed within `about_to`, for they are about to be written more often than not; and
    /// those that `is_open` says somebody has written to and not closed.
    pub(super) fn changing(
        &self,
        now: Timestamp,
        (quiet, about_to): (SignedDuration, SignedDuration),
        is_open: impl Fn(&Path) -> bool,
    ) -> BTreeSet<String> {
        let files = self.scan.playbooks.iter().chain(&self.scan.lists);
        let changing = files.filter(|file| {
            let within = if file.bytes.is_empty() { about_to } else { quiet };
            let is_fresh = |at: &Timestamp| now.duration_since(*at).abs() < within;
            self.changed.get(&file.name).is_some_and(is_fresh) || is_open(Path::new(&file.name))
        });
        changing.map(|file| file.name.clone()).collect()
    }

    /// Takes out files of which nobody knows yet what they will be: they count as unread.
    pub(super) fn without(mut self, changing: &BTreeSet<String>) -> Self {
        let Scan { playbooks, lists, unread_playbooks, unread_lists } = &mut self.scan;
        for (files, unread) in [(playbooks, unread_playbooks), (lists, unread_lists)] {
            let unfinished = |file: &SourceFile| changing.contains(&file.name);
            unread.extend(
                files
                    .iter()
                    .filter(|file| unfinished(file))
                    .map(|file| Unread::from(ScanError::unfinished(&file.name))),
            );
            files.retain(|file| !unfinished(file));
        }
        self
    }

    /// Tells what was seen from anything else that could be seen.
    pub(super) fn hash(&self) -> ContentHash {
        let mut all = Vec::new();
        for file in self.scan.playbooks.iter().chain(&self.scan.lists) {
            // Lengths and a fixed order of fields, so that no two sets of files look the same.
            all.extend_from_slice(&file.name.len().to_be_bytes());
            all.extend_from_slice(file.name.as_bytes());
            all.extend_from_slice(ContentHash::of(&file.bytes).to_string().as_bytes());
        }
        all.extend_from_slice(&self.scan.playbooks.len().to_be_bytes());
        for unread in self.scan.unread_playbooks.iter().chain(&self.scan.unread_lists) {
            let text = format!("{}\n{}\n", unread.path.display(), unread.problem.message);
            all.extend_from_slice(&text.len().to_be_bytes());
            all.extend_from_slice(text.as_bytes());
        }
        ContentHash::of(&all)
    }
}

/// Reads both directories, like [`scan_on`].
pub(super) fn look(terms: &Terms, playbooks: &Path, lists: &Path) -> Result<Seen, ScanError> {
    let (mut unread_playbooks, mut unread_lists) = (Vec::new(), Vec::new());
    let lists_at = real(lists)?;
    let lists = match &lists_at {
        Some(_there) => {
            terms.check_way(lists)?;
            walk(lists, (&is_list, None), terms, &mut within(lists, &mut unread_lists))?
        }
        None => Vec::new(),
    };
    terms.check_way(playbooks)?;
    let wanted: Wanted<'_> = (&is_playbook, lists_at.as_deref());
    let playbooks = walk(playbooks, wanted, terms, &mut within(playbooks, &mut unread_playbooks))?;
    let all = playbooks.iter().chain(&lists);
    let changed = all.filter_map(|found| Some((found.file.name.clone(), found.changed?))).collect();
    let scan = Scan { playbooks: files(playbooks), lists: files(lists), unread_playbooks, unread_lists };
    Ok(Seen { scan, changed })
}

/// Goes on without what cannot be read inside a directory; the directory itself must be read.
fn within<'a>(
    root: &'a Path,
    unread: &'a mut Vec<Unread>,
) -> impl FnMut(ScanError) -> Result<(), ScanError> + 'a {
    move |error| {
        if error.path() == root {
            return Err(error);
        }
        unread.push(error.into());
        Ok(())
    }
}

/// Reads a file that a person names. Whose it is, they have looked at; whether it is signed as it must be, they cannot say.
///
/// # Errors
///
/// [`ScanError`] if it cannot be read, or is not signed as the terms want it.
pub fn read_named(terms: &Terms, path: &Path) -> Result<SourceFile, ScanError> {
    let found = read(path)?;
    terms.check_signature(path, &found.file.bytes)?;
    Ok(found.file)
}

/// Reads files by name: single files and whole directories.
///
/// # Errors
///
/// [`ScanError`] for the first that cannot be read.
pub fn read_paths(paths: &[PathBuf], lists: &Path) -> Result<Vec<SourceFile>, ScanError> {
    read_each(paths, lists, &mut Err)
}

fn read_each(paths: &[PathBuf], lists: &Path, trouble: Trouble<'_>) -> Result<Vec<SourceFile>, ScanError> {
    let lists_at = lists.canonicalize().ok();
    let mut read_files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let wanted: Wanted<'_> = (&is_playbook, lists_at.as_deref());
            read_files.extend(files(walk(path, wanted, &Terms::default(), trouble)?));
        } else {
            match read(path) {
                Ok(found) => read_files.push(found.file),
                Err(error) => trouble(error)?,
            }
        }
    }
    Ok(read_files)
}

/// Reads the files of tests among these paths: `*.test.yaml` and `*.test.yml` in directories, files of tests
/// by name, and what stands beside a playbook named here.
///
/// # Errors
///
/// [`ScanError`] for the first that cannot be read.
pub fn read_tests(paths: &[PathBuf], lists: &Path) -> Result<Vec<SourceFile>, ScanError> {
    let lists_at = lists.canonicalize().ok();
    let mut read_files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let wanted: Wanted<'_> = (&is_test, lists_at.as_deref());
            read_files.extend(files(walk(path, wanted, &Terms::default(), &mut Err)?));
        } else if path.file_name().and_then(|name| name.to_str()).is_some_and(is_test) {
            read_files.push(read(path)?.file);
        } else {
            for ending in ["test.yaml", "test.yml"] {
                let beside = path.with_extension(ending);
                if beside.is_file() {
                    read_files.push(read(&beside)?.file);
                }
            }
        }
    }
    Ok(read_files)
}

/// Whether a file of this name holds a playbook.
fn is_playbook(name: &str) -> bool {
    ends_in(name, &["yaml", "yml"]) && !is_test(name)
}

/// Whether a file of this name holds tests and no playbook.
fn is_test(name: &str) -> bool {
    ends_in(name, &["yaml", "yml"]) && name.contains(".test.")
}

/// A file that was read.
struct Found {
    file: SourceFile,
    changed: Option<Timestamp>,
}

fn files(found: Vec<Found>) -> Vec<SourceFile> {
    found.into_iter().map(|found| found.file).collect()
}

/// Which names of files are wanted, and which folder is somebody else's.
type Wanted<'a> = (&'a dyn Fn(&str) -> bool, Option<&'a Path>);

/// Reads what is wanted below a folder, sorted by name.
fn walk(
    root: &Path,
    (wanted, except): Wanted<'_>,
    terms: &Terms,
    trouble: Trouble<'_>,
) -> Result<Vec<Found>, ScanError> {
    let mut files = Vec::new();
    let mut bytes = 0;
    let mut seen = BTreeSet::new();
    let mut folders = vec![(root.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let listed = folder.canonicalize().and_then(|real| Ok((real, std::fs::read_dir(&folder)?)));
        let (real, entries) = match listed {
            Ok(listed) => listed,
            Err(source) => {
                trouble(ScanError::new(&folder, source))?;
                continue;
            }
        };
        // A link that leads back up would go on for ever; the lists have their own reader.
        if !seen.insert(real.clone()) || except == Some(real.as_path()) {
            continue;
        }
        let about = real.symlink_metadata().map_err(|error| ScanError::new(&folder, error));
        if let Err(error) = about.and_then(|about| terms.check_inside((root, &folder), (&real, &about))) {
            trouble(error)?;
            continue;
        }
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(source) => {
                    trouble(ScanError::new(&folder, source))?;
                    continue;
                }
            };
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if is_leftover(name) {
                continue;
            }
            if path.is_dir() {
                if depth < DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            } else if wanted(name) {
                let found = match read_on(terms, root, &path) {
                    // Between listing and reading it went: the next look will see what became of it. A link
                    // that leads nowhere is still there.
                    Err(error) if error.is_missing() => continue,
                    Err(error) => {
                        trouble(error)?;
                        continue;
                    }
                    Ok(found) => found,
                };
                bytes += found.file.bytes.len() as u64;
                if files.len() == FILES_MAX || BYTES_MAX < bytes {
                    let source = io::Error::other("there are too many files, or they are too large");
                    return Err(ScanError::new(&folder, source));
                }
                files.push(found);
            }
        }
    }
    files.sort_by(|one, other| one.file.name.cmp(&other.file.name));
    Ok(files)
}

/// Whether a file name has one of these endings, whatever their case.
fn ends_in(name: &str, endings: &[&str]) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    endings.iter().any(|wanted| ending.eq_ignore_ascii_case(wanted))
}

/// Whether a name is what an editor or a mount leaves beside the real files.
fn is_leftover(name: &str) -> bool {
    name.starts_with('.') || name.starts_with('#') || name.ends_with('~') || ends_in(name, &["tmp"])
}

fn read(path: &Path) -> Result<Found, ScanError> {
    take(path, open(path, Links::Follow).map_err(|error| ScanError::new(path, error))?)
}

/// Reads a file of a directory, if it meets the terms. What is read is what was looked at: the file itself, opened
/// where it really is.
fn read_on(terms: &Terms, root: &Path, path: &Path) -> Result<Found, ScanError> {
    let found = if terms.owners.is_some() {
        let failed = |error| ScanError::new(path, error);
        let real = path.canonicalize().map_err(failed)?;
        let file = open(&real, Links::Refuse).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        terms.check_inside((root, path), (&real, &about))?;
        take(path, file)?
    } else {
        read(path)?
    };
    terms.check_signature(path, &found.file.bytes)?;
    Ok(found)
}

fn take(path: &Path, mut file: File) -> Result<Found, ScanError> {
    let mut bytes = Vec::new();
    Read::take(&mut file, FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| ScanError::new(path, error))?;
    // Asked for after reading, so that a change meanwhile shows.
    let changed = file.metadata().and_then(|about| about.modified()).ok().and_then(instant);
    Ok(Found { file: SourceFile { name: path.display().to_string(), bytes }, changed })
}

fn instant(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_links_and_lists_are_told_from_playbooks() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("lists")).unwrap();
        std::fs::create_dir_all(at("..2026/deep")).unwrap();
        std::fs::create_dir_all(at("team")).unwrap();
        for name in
            ["a.yaml", "b.yml", "a.yaml~", ".a.yaml.swp", "#a.yaml#", "a.test.yaml", "note.md", "team/c.yaml"]
        {
            std::fs::write(at(name), name).unwrap();
        }
        std::fs::write(at("lists/hosts.txt"), "x").unwrap();
        std::fs::write(at("lists/more.yaml"), "[]").unwrap();
        std::fs::write(at("..2026/d.yaml"), "d").unwrap();
        std::os::unix::fs::symlink(at("..2026/d.yaml"), at("d.yaml")).unwrap();
        std::os::unix::fs::symlink(dir.path(), at("team/up")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("zero.yaml")).unwrap();
        std::os::unix::fs::symlink("round.yaml", at("round.yaml")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("gone.yaml")).unwrap();
        let scan = scan(dir.path(), &at("lists")).unwrap();
        let names = |files: &[SourceFile]| -> Vec<String> {
            let short =
                |file: &SourceFile| file.name.trim_start_matches(&*dir.path().to_string_lossy()).to_owned();
            files.iter().map(short).collect()
        };
        assert_eq!(names(&scan.playbooks), ["/a.yaml", "/b.yml", "/d.yaml", "/team/c.yaml"]);
        assert_eq!(names(&scan.lists), ["/lists/hosts.txt", "/lists/more.yaml"]);
        let mut unread: Vec<_> = scan.unread_playbooks.iter().map(|unread| unread.path.clone()).collect();
        unread.sort();
        assert_eq!(unread, [at("gone.yaml"), at("round.yaml"), at("zero.yaml")]);
    }

    #[test]
    fn a_file_that_is_too_large_is_not_cut_to_one_that_validates() {
        let dir = tempfile::tempdir().unwrap();
        let line = b"workstation-0001\n".as_slice();
        let max = crate::playbook::list::BYTES_MAX;
        let entries = |bytes: usize| {
            let mut text = line.repeat(bytes / line.len());
            text.resize(bytes, b'x');
            std::fs::write(dir.path().join("vip.txt"), text).unwrap();
            let found = scan(dir.path(), dir.path()).unwrap().lists.remove(0);
            let mut sink = crate::diag::Sink::new();
            crate::playbook::list::parse(&found.name, &found.bytes, &mut sink).map(|list| list.len())
        };
        assert_eq!(entries(max), Some(2));
        assert_eq!(entries(max + 1), None);
        assert_eq!(entries(max * 2), None);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let error = scan(Path::new("/nonexistent/playbooks"), Path::new("/nonexistent/lists")).unwrap_err();
        assert_eq!(error.to_string(), "reading `/nonexistent/playbooks`");
    }
}
