//! Reads the directories of playbooks and lists, as they are at one moment.
//!
//! What editors and tools leave beside the real files (`.a.yaml.swp`, `a.yaml~`, `#a.yaml#`, `..data`) is
//! passed over. Symbolic links are followed, because Kubernetes mounts are made of them.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;

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

/// Why a directory could not be read. What is in force stays in force.
#[derive(Debug, thiserror::Error)]
#[error("reading `{}`", path.display())]
pub struct ScanError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Everything found at one moment, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Playbooks: `*.yaml` and `*.yml`, but not `*.test.yaml`.
    pub playbooks: Vec<SourceFile>,
    /// Lists: `*.txt`, `*.csv`, `*.yaml`, `*.yml`.
    pub lists: Vec<SourceFile>,
}

/// Reads both directories. A list directory that is not there has no lists.
///
/// # Errors
///
/// [`ScanError`] if something could not be read: half a directory would look like deleted playbooks.
pub fn scan(playbooks: &Path, lists: &Path) -> Result<Scan, ScanError> {
    look(playbooks, lists).map(|seen| seen.scan)
}

/// Reads the lists alone. A directory that is not there has none.
///
/// # Errors
///
/// [`ScanError`] if something could not be read.
pub fn scan_lists(lists: &Path) -> Result<Vec<SourceFile>, ScanError> {
    if lists.canonicalize().is_err() {
        return Ok(Vec::new());
    }
    Ok(walk(lists, &is_list, None)?.into_iter().map(|found| found.file).collect())
}

/// Whether a file of this name holds a list.
fn is_list(name: &str) -> bool {
    ends_in(name, &["txt", "csv", "yaml", "yml"])
}

/// What a look found, and how fresh it is.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) scan: Scan,
    /// When the file changed last that changed last.
    pub(super) changed: Option<Timestamp>,
    /// The same for files in which there is nothing: they are about to be written more often than not.
    pub(super) emptied: Option<Timestamp>,
}

impl Seen {
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
        ContentHash::of(&all)
    }
}

/// Reads both directories, like [`scan`].
pub(super) fn look(playbooks: &Path, lists: &Path) -> Result<Seen, ScanError> {
    let lists_at = lists.canonicalize().ok();
    let is_playbook = |name: &str| ends_in(name, &["yaml", "yml"]) && !is_test(name);
    let lists = if lists_at.is_some() { walk(lists, &is_list, None)? } else { Vec::new() };
    let playbooks = walk(playbooks, &is_playbook, lists_at.as_deref())?;
    let all = || playbooks.iter().chain(&lists);
    let changed = all().filter_map(|found| found.changed).max();
    let emptied = all().filter(|found| found.file.bytes.is_empty()).filter_map(|found| found.changed).max();
    let files = |found: Vec<Found>| found.into_iter().map(|found| found.file).collect();
    Ok(Seen { scan: Scan { playbooks: files(playbooks), lists: files(lists) }, changed, emptied })
}

/// Reads files by name: single files and whole directories.
///
/// # Errors
///
/// [`ScanError`] for the first that cannot be read.
pub fn read_paths(paths: &[PathBuf], lists: &Path) -> Result<Vec<SourceFile>, ScanError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(scan(path, lists)?.playbooks);
        } else if is_special(path) {
            let source = io::Error::other("this is no file: it may never end");
            return Err(ScanError { path: path.clone(), source });
        } else {
            files.push(read(path)?.file);
        }
    }
    Ok(files)
}

/// Reads the files of tests among these paths: `*.test.yaml` and `*.test.yml` in directories, files of tests
/// by name, and what stands beside a playbook named here.
///
/// # Errors
///
/// [`ScanError`] for the first that cannot be read.
pub fn read_tests(paths: &[PathBuf], lists: &Path) -> Result<Vec<SourceFile>, ScanError> {
    let lists_at = lists.canonicalize().ok();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found = walk(path, &is_test, lists_at.as_deref())?;
            files.extend(found.into_iter().map(|found| found.file));
        } else if path.file_name().and_then(|name| name.to_str()).is_some_and(is_test) {
            files.push(read(path)?.file);
        } else {
            for ending in ["test.yaml", "test.yml"] {
                let beside = path.with_extension(ending);
                if beside.is_file() {
                    files.push(read(&beside)?.file);
                }
            }
        }
    }
    Ok(files)
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

fn walk(root: &Path, wanted: &dyn Fn(&str) -> bool, except: Option<&Path>) -> Result<Vec<Found>, ScanError> {
    let mut files = Vec::new();
    let mut bytes = 0;
    let mut seen = BTreeSet::new();
    let mut folders = vec![(root.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let failed = |source| ScanError { path: folder.clone(), source };
        let real = folder.canonicalize().map_err(failed)?;
        // A link that leads back up would go on for ever; the lists have their own reader.
        if !seen.insert(real.clone()) || except == Some(real.as_path()) {
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if is_leftover(name) {
                continue;
            }
            if path.is_dir() {
                if depth < DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            } else if wanted(name) && !is_special(&path) {
                let found = match read(&path) {
                    // Between listing and reading it went: the next look will see what became of it.
                    Err(error) if error.source.kind() == io::ErrorKind::NotFound => continue,
                    read => read?,
                };
                bytes += found.file.bytes.len() as u64;
                if files.len() == FILES_MAX || BYTES_MAX < bytes {
                    let source = io::Error::other("there are too many files, or they are too large");
                    return Err(failed(source));
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

/// Whether something is there that is no file: reading a pipe would wait for ever.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| !about.is_file())
}

fn read(path: &Path) -> Result<Found, ScanError> {
    let failed = |source| ScanError { path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(path).map_err(failed)?;
    Read::take(&mut file, FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
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
        let scan = scan(dir.path(), &at("lists")).unwrap();
        let names = |files: &[SourceFile]| -> Vec<String> {
            let short =
                |file: &SourceFile| file.name.trim_start_matches(&*dir.path().to_string_lossy()).to_owned();
            files.iter().map(short).collect()
        };
        assert_eq!(names(&scan.playbooks), ["/a.yaml", "/b.yml", "/d.yaml", "/team/c.yaml"]);
        assert_eq!(names(&scan.lists), ["/lists/hosts.txt", "/lists/more.yaml"]);
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
