//! Opening the journal: folder, lock, SQLite, settings, form.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteOwnedBuf, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, Row as _, Sqlite, SqliteExecutor, Transaction,
};

use super::integrity::check_length;
use super::mark::Marks;
use super::network::network_file_system;
use super::rebuild;
use super::reserve;
use super::{ApprovalState, EffectState, Inner, Opening, Store, StoreError, Unwritten, Writer};
use crate::clock::SharedClock;
use crate::fault::crash_point;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// How long a connection waits for another process's write. Ours are milliseconds long, so five seconds
/// mean that something is wrong.
const BUSY: Duration = Duration::from_secs(5);

/// How long a write waits for its turn. Longer than [`BUSY`], so that the cause shows and not the queue.
const TURN: Duration = Duration::from_secs(30);

/// Longest word that the owner leaves of why the journal is not written, in characters: a line.
const WORD_MAX: usize = 500;

/// Most bytes of a lock's file that are read: its number, and a word in characters of four bytes.
const LOCK_BYTES_MAX: u64 = 4096;

/// Readers beside the writer: history pages and item look-ups; more would only queue on the disk.
const READERS_MAX: u32 = 4;

/// Oldest SQLite without the bug that can corrupt a journal when its log is reset.
/// Source: <https://sqlite.org/wal.html#walresetbug>; 3.52.0 was withdrawn.
const SQLITE_MIN: (u32, u32, u32) = (3, 51, 3);
const SQLITE_WITHDRAWN: (u32, u32, u32) = (3, 52, 0);

/// See [`Store::open`].
pub(super) async fn open(path: &Path, clock: SharedClock) -> Result<Store, StoreError> {
    open_on(mounts().as_deref(), path, clock).await
}

/// What the system says of its mounts.
fn mounts() -> Option<String> {
    std::fs::read_to_string("/proc/self/mountinfo").ok()
}

/// The absolute path of a journal in a folder that may hold one.
pub(super) fn place(path: &Path) -> Result<PathBuf, StoreError> {
    prepare(mounts().as_deref(), path)
}

/// The same on the mounts given.
async fn open_on(mounts: Option<&str>, path: &Path, clock: SharedClock) -> Result<Store, StoreError> {
    let path = prepare(mounts, path)?;
    let lock = take_lock(&path)?;
    if rebuild::is_unfinished(&path) {
        return Err(StoreError::HalfRebuilt);
    }
    crash_point("c03_lock_taken");
    check_sqlite().await?;
    create_file(&path)?;
    check_length(&path)?;

    let pool = pool_of_one(options(&path).journal_mode(SqliteJournalMode::Wal)).await?;
    quick_check(&pool).await?;
    MIGRATIONS.run(&pool).await?;
    crash_point("c02_after_migrations");
    let opening = Some(begin_opening(&pool).await?);

    let readers = pool_of_readers(&path).await?;
    let writer = Some(Writer::new(pool, clock, opening, Some(lock)));
    let store = Store(Arc::new(Inner { path, readers, writer }));
    // Without the room that a process before has given up nothing is begun.
    if reserve::is_spent(store.path()) {
        store.keep_reserve()?;
    }
    Ok(store)
}

/// Writes one thing into a journal beside the process that owns it, and closes it.
pub(super) async fn beside<T>(
    path: &Path,
    clock: SharedClock,
    write: impl AsyncFnOnce(&Store) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let store = open_beside(path, clock).await?;
    let written = write(&store).await;
    store.close().await;
    written
}

/// Opens a journal for one write beside the process that owns it: without the lock, and whoever owns it by then.
/// Only for what the owner never touches, or looks at again in the transaction that does.
pub(super) async fn open_beside(path: &Path, clock: SharedClock) -> Result<Store, StoreError> {
    let store = open_reader(path).await?;
    let pool = pool_of_one(options(path)).await?;
    let writer = Some(Writer::new(pool, clock, None, None));
    Ok(Store(Arc::new(Inner { path: path.to_owned(), readers: store.0.readers.clone(), writer })))
}

/// The process that owns a journal, as far as somebody can tell who does not take its lock.
pub(super) fn owner(path: &Path) -> Option<u32> {
    let lock = lock_path(path).canonicalize().ok()?;
    let pid = read_lock(&lock).ok()?.0?;
    // The number stays when its process goes, and may be another one's by now.
    match std::fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(mut open) => open
            .any(|file| file.is_ok_and(|file| std::fs::read_link(file.path()).is_ok_and(|to| to == lock)))
            .then_some(pid),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Some(pid),
        // Where there is no `/proc`, the word of the lock file is all there is.
        Err(_gone) => (!Path::new("/proc/self").exists()).then_some(pid),
    }
}

/// Opens a damaged journal for what can be read of it: also where it does not tell its form.
pub(super) async fn open_damaged(path: &Path) -> Result<Store, StoreError> {
    let readers = pool_of_readers(path).await?;
    Ok(Store(Arc::new(Inner { path: path.to_owned(), readers, writer: None })))
}

/// See [`Store::open_reader`].
pub(super) async fn open_reader(path: &Path) -> Result<Store, StoreError> {
    // What is there and no file is no journal that is still to come.
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    check_sqlite().await?;
    let readers = pool_of_readers(path).await?;
    check_form(&readers).await?;
    Ok(Store(Arc::new(Inner { path: path.to_owned(), readers, writer: None })))
}

/// Makes sure that a journal has this version's form.
pub(super) async fn check_form(journal: impl SqliteExecutor<'_>) -> Result<(), StoreError> {
    let ours = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let query = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
    let theirs: i64 = match sqlx::query_scalar(query).fetch_one(journal).await.map_err(StoreError::from) {
        Ok(theirs) => theirs,
        // A file without that table is new, or no journal at all.
        Err(StoreError::Database(_)) => 0,
        Err(error) => return Err(error),
    };
    match theirs.cmp(&ours) {
        std::cmp::Ordering::Less => Err(StoreError::Older),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::Newer { migration: theirs }),
    }
}

/// The bytes of an empty journal of the newest form. Tests of playbooks open hundreds of journals, and making
/// the tables anew takes longer than most of them.
static EMPTY: OnceLock<Vec<u8>> = OnceLock::new();

/// See [`Store::scratch`].
pub(super) async fn scratch(clock: SharedClock) -> Result<Store, StoreError> {
    let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true).disable_statement_logging();
    let empty = if let Some(empty) = EMPTY.get() {
        empty
    } else {
        let made = empty(options.clone()).await?;
        EMPTY.get_or_init(|| made)
    };
    // One connection for everything: another one would see another, empty memory.
    let pool = pool(1).connect_with(options.clone()).await?;
    let bytes = SqliteOwnedBuf::try_from(empty.as_slice())?;
    pool.acquire().await?.deserialize(None, bytes, false).await?;
    let opening = Some(begin_opening(&pool).await?);
    let writer = Writer::new(pool.clone(), clock, opening, None);
    Ok(Store(Arc::new(Inner { path: PathBuf::new(), readers: pool, writer: Some(writer) })))
}

async fn empty(options: SqliteConnectOptions) -> Result<Vec<u8>, StoreError> {
    let pool = pool(1).connect_with(options).await?;
    MIGRATIONS.run(&pool).await?;
    let bytes = pool.acquire().await?.serialize(None).await?;
    Ok(bytes.as_ref().to_vec())
}

/// Begins a writing transaction.
pub(super) async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, StoreError> {
    Ok(pool.begin_with("BEGIN IMMEDIATE").await?)
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the folder and gives the journal's absolute path.
fn prepare(mounts: Option<&str>, path: &Path) -> Result<PathBuf, StoreError> {
    let folder = folder_of(path);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|source| StoreError::file(folder, source))?;
    let folder = folder.canonicalize().map_err(|source| StoreError::file(folder, source))?;
    if let Some(kind) = network_file_system(mounts, &folder) {
        return Err(StoreError::Network { path: folder, kind });
    }
    let name = path.file_name().ok_or_else(|| {
        StoreError::file(path, std::io::Error::new(ErrorKind::InvalidInput, "it names no file"))
    })?;
    Ok(folder.join(name))
}

/// See [`Store::check_place`].
pub(super) fn check_place(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        OpenOptions::new().append(true).open(path).map_err(|source| StoreError::file(path, source))?;
    }
    // The empty one above a bare name is this folder.
    let above = path.ancestors().skip(1).find(|folder| folder.as_os_str().is_empty() || folder.exists());
    let folder = above.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |source| StoreError::file(folder, source);
    let real = folder.canonicalize().map_err(failed)?;
    if let Some(kind) = network_file_system(mounts().as_deref(), &real) {
        return Err(StoreError::Network { path: real, kind });
    }
    // Rights, quotas and read-only mounts show only when something is made.
    let trial = real.join(format!(".huntbook-{}.tmp", std::process::id()));
    File::create_new(&trial).and_then(|_file| std::fs::remove_file(&trial)).map_err(failed)
}

/// Names the file system of a folder if others share it: changes that they make there are not told of.
#[must_use]
pub fn shared_file_system(folder: &Path) -> Option<String> {
    network_file_system(mounts().as_deref(), &folder.canonicalize().ok()?)
}

/// Opens a file that only its owner may read, and makes it if there is none.
fn private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|source| StoreError::file(path, source))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(|source| StoreError::file(path, source))?.permissions().mode();
        if mode & 0o077 != 0 {
            let private = std::fs::Permissions::from_mode(0o600);
            file.set_permissions(private).map_err(|source| StoreError::file(path, source))?;
        }
    }
    Ok(file)
}

/// Makes the journal's file before SQLite does, so that it is private from its first byte; its log and
/// index take its mode over.
fn create_file(path: &Path) -> Result<(), StoreError> {
    private_file(path).map(drop)
}

/// A file beside a journal, of its name with an ending.
pub(super) fn file_beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Removes a file, if it is there.
pub(super) fn remove(file: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::file(file, error)),
        _gone => Ok(()),
    }
}

/// Lets what was made, renamed or removed in the folder of a file outlast a power cut.
pub(super) fn sync_folder(file: &Path) -> std::io::Result<()> {
    File::open(folder_of(file))?.sync_all()
}

/// Where the lock of a journal is.
fn lock_path(path: &Path) -> PathBuf {
    file_beside(path, ".lock")
}

/// Takes the lock that keeps a second process out, and leaves our process number in it.
///
/// The file stays when the lock goes: removing it would let two processes lock two files of one name.
pub(super) fn take_lock(path: &Path) -> Result<Lock, StoreError> {
    let lock_path = lock_path(path);
    let lock = private_file(&lock_path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = read_lock(&lock_path).ok().and_then(|(pid, _word)| pid);
            return Err(StoreError::Locked { path: path.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(StoreError::file(&lock_path, source)),
    }
    let lock = Lock(lock);
    lock.write(None).map_err(|source| StoreError::file(&lock_path, source))?;
    Ok(lock)
}

/// What a lock's file says: the number of the process that owns it, and in a second line why the journal is not written.
fn read_lock(lock: &Path) -> std::io::Result<(Option<u32>, String)> {
    let mut text = String::new();
    File::open(lock)?.take(LOCK_BYTES_MAX).read_to_string(&mut text)?;
    let mut lines = text.lines();
    let pid = lines.next().and_then(|pid| pid.trim().parse().ok());
    Ok((pid, lines.next().unwrap_or_default().to_owned()))
}

/// Why the journal is not written, as its owner has left word.
pub(super) fn word_of_owner(path: &Path) -> Option<Unwritten> {
    let (_pid, word) = read_lock(&lock_path(path)).ok()?;
    let (since, why) = word.split_once(' ')?;
    let since = since.parse().ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    Some(Unwritten { since, why: why.to_owned() })
}

/// The lock on a journal. Given back when dropped: closing the file would not do while this process starts
/// another one, which has a copy of every open file until it is on its own feet.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Leaves word why the journal is not written, or that it is.
    pub(super) fn leave_word(&self, unwritten: Option<&Unwritten>) {
        if let Err(error) = self.write(unwritten) {
            tracing::warn!(%error, "others cannot be told how it stands with the journal");
        }
    }

    /// Writes over what is there: on a full disk that takes no room.
    fn write(&self, unwritten: Option<&Unwritten>) -> std::io::Result<()> {
        let word = unwritten.map(|Unwritten { since, why }| {
            let why: String = why.chars().take(WORD_MAX).filter(|c| !c.is_control()).collect();
            format!("{} {why}\n", since.map_or(0, jiff::Timestamp::as_second))
        });
        let text = format!("{}\n{}", std::process::id(), word.unwrap_or_default());
        self.0.write_all_at(text.as_bytes(), 0)?;
        self.0.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the journal's lock could not be given back");
        }
    }
}

/// Refuses a linked SQLite that can corrupt the journal, before it touches the file.
async fn check_sqlite() -> Result<(), StoreError> {
    let mut memory = SqliteConnection::connect("sqlite::memory:").await?;
    let found: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut memory).await?;
    memory.close().await?;
    if is_sound(&found) { Ok(()) } else { Err(StoreError::TooOld { found }) }
}

/// Whether a version of SQLite is free of the known corruption bug.
fn is_sound(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let mut next = || parts.next().flatten();
    let (Some(major), Some(minor)) = (next(), next()) else { return false };
    let version = (major, minor, next().unwrap_or(0));
    SQLITE_MIN <= version && version != SQLITE_WITHDRAWN
}

/// The settings of every connection.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .disable_statement_logging()
}

/// A pool that keeps its connections as long as it lives.
fn pool(connections_max: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(TURN)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Opens the one connection that writes.
async fn pool_of_one(options: SqliteConnectOptions) -> Result<SqlitePool, StoreError> {
    let options = options.synchronous(SqliteSynchronous::Full).foreign_keys(true);
    let pool = pool(1).after_connect(|connection, _pool| {
        let checked = check_settings(connection);
        Box::pin(async { checked.await.map_err(|error| sqlx::Error::Configuration(error.into())) })
    });
    // SQLite ends a transaction by itself when the disk is full, and sqlx goes on counting it. Such a connection never
    // begins another one, and is closed; what it has to roll back is done when it answers.
    let pool = pool.before_acquire(|connection, _about| {
        Box::pin(async {
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    });
    Ok(pool.connect_with(options).await?)
}

/// Opens the reading connections.
async fn pool_of_readers(path: &Path) -> Result<SqlitePool, StoreError> {
    check_length(path)?;
    Ok(pool(READERS_MAX).connect_with(options(path).read_only(true)).await?)
}

/// Reads every setting back: SQLite ignores the ones it does not understand.
async fn check_settings(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let settings = [
        ("synchronous", "PRAGMA synchronous", "2"),
        ("foreign_keys", "PRAGMA foreign_keys", "1"),
        ("trusted_schema", "PRAGMA trusted_schema", "0"),
        ("cell_size_check", "PRAGMA cell_size_check", "1"),
        ("journal_mode", "PRAGMA journal_mode", "wal"),
    ];
    for (pragma, query, wanted) in settings {
        // Unchecked, because some of these answer with numbers and some with words.
        let found: String = sqlx::query(query).fetch_one(&mut *connection).await?.try_get_unchecked(0)?;
        if found != wanted {
            return Err(StoreError::Pragma { pragma, found, wanted });
        }
    }
    Ok(())
}

/// Looks through the whole file for damage.
async fn quick_check(pool: &SqlitePool) -> Result<(), StoreError> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(pool).await?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt { detail: found }) }
}

/// Makes every earlier owner a stranger.
async fn begin_opening(pool: &SqlitePool) -> Result<Opening, StoreError> {
    let epoch = begin_epoch(pool).await?;
    let marks = Marks::of(pool, epoch).await?;
    Ok(Opening { epoch, marks, runs: AtomicU64::new(0), compared: Mutex::default() })
}

/// Writes the legal transitions down for the trigger, and counts the opening.
async fn begin_epoch(pool: &SqlitePool) -> Result<i64, StoreError> {
    let mut tx = begin(pool).await?;
    tx.execute("DELETE FROM effect_transitions").await?;
    for from in EffectState::ALL {
        for to in EffectState::ALL.iter().filter(|to| EffectState::follows(Some(*from), **to)) {
            sqlx::query("INSERT INTO effect_transitions (from_state, to_state) VALUES ($1, $2)")
                .bind(from.as_str())
                .bind(to.as_str())
                .execute(&mut *tx)
                .await?;
        }
    }
    tx.execute("DELETE FROM approval_transitions").await?;
    for from in ApprovalState::ALL {
        for to in ApprovalState::ALL.iter().filter(|to| ApprovalState::follows(*from, **to)) {
            sqlx::query("INSERT INTO approval_transitions (from_state, to_state) VALUES ($1, $2)")
                .bind(from.as_str())
                .bind(to.as_str())
                .execute(&mut *tx)
                .await?;
        }
    }
    let epoch = sqlx::query_scalar("UPDATE facts SET value = value + 1 WHERE name = 'epoch' RETURNING value")
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn row_43_a_journal_on_a_share_is_refused_before_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        let path = at.join("huntbook.db");
        let mounted = |kind: &str| {
            format!("22 1 254:1 / / rw - ext4 /dev/vda1 rw\n40 22 0:40 / {} rw - {kind} x rw\n", at.display())
        };
        let clock: SharedClock = Arc::new(crate::clock::SystemClock);
        for kind in ["nfs4", "9p", "virtiofs", "vboxsf", "drvfs", "fuse.sshfs", "fuse.rclone"] {
            let refused = open_on(Some(&mounted(kind)), &path, Arc::clone(&clock)).await;
            let Err(StoreError::Network { kind: told, .. }) = refused else { panic!("{kind}: {refused:?}") };
            assert_eq!(told, kind);
            assert_eq!(std::fs::read_dir(&at).unwrap().count(), 0, "{kind}");
        }
        open_on(Some(&mounted("xfs")), &path, clock).await.unwrap().close().await;
        assert!(path.exists());
    }

    #[test]
    fn a_sqlite_with_the_log_reset_bug_is_refused() {
        for sound in ["3.51.3", "3.51.4", "3.52.1", "3.53.0", "3.54", "4.0.0"] {
            assert!(is_sound(sound), "{sound}");
        }
        for bad in ["3.51.2", "3.50.9", "3.52.0", "2.9.9", "", "x", "3"] {
            assert!(!is_sound(bad), "{bad}");
        }
    }
}
