//! What a file must be like to count: readable, written by nobody else, signed.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::diag::{Chain, Code, Diagnostic, SourceText, Span};
use crate::settings::{Exposure, Owners, SIGNATURE_BYTES_MAX, Signers, Unsigned};

/// What a file must be like to count. By default, everything counts that can be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    /// Who alone can have written it, if that matters.
    pub owners: Option<Owners>,
    /// Who must have signed it.
    pub signers: Signers,
}

/// Why something could not be read, or does not count. What is in force of it stays in force.
#[derive(Debug, thiserror::Error)]
#[error("reading `{}`", path.display())]
pub struct ScanError {
    path: PathBuf,
    #[source]
    source: Why,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Why {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Open(#[from] Exposure),
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
}

impl ScanError {
    /// What could not be read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Somebody is still writing a file: what is there may be half of it.
    pub(super) fn unfinished(file: &str) -> Self {
        Self::new(Path::new(file), io::Error::other("somebody is still writing it"))
    }

    /// Reading a directory has crashed.
    pub(super) fn crashed(directory: &Path, crash: tokio::task::JoinError) -> Self {
        Self::new(directory, io::Error::other(crash))
    }

    pub(super) fn new(path: &Path, source: impl Into<Why>) -> Self {
        Self { path: path.to_path_buf(), source: source.into() }
    }

    /// Whether nothing is there any more.
    pub(super) fn is_missing(&self) -> bool {
        matches!(&self.source, Why::Io(error) if error.kind() == io::ErrorKind::NotFound)
            && !self.path.is_symlink()
    }

    /// The same as people see problems of files.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let source = SourceText { name: self.path.display().to_string(), text: String::new() };
        let span = Span { source: source.into(), range: 0..0 };
        match &self.source {
            // The path stands beside the message anyway.
            Why::Io(source) => {
                Diagnostic::error(Code::Unreadable, span, format!("it cannot be read: {}", Chain(source)))
            }
            Why::Open(exposure) => {
                Diagnostic::error(Code::Exposed, span, exposure.to_string()).help(exposure.help())
            }
            Why::Unsigned(unsigned) => Diagnostic::error(Code::Unsigned, span, unsigned.to_string())
                .help("sign it anew: minisign -Sm FILE"),
        }
    }
}

impl Terms {
    /// Whether a whole directory counts. The error is the directory's, whatever on the way to it is wrong.
    pub(super) fn check_way(&self, root: &Path) -> Result<(), ScanError> {
        let Some(owners) = &self.owners else { return Ok(()) };
        match owners.look(root) {
            Ok(None) => Ok(()),
            Ok(Some(exposure)) => Err(ScanError::new(root, exposure)),
            Err(error) => Err(ScanError::new(root, error)),
        }
    }

    /// Whether something in a directory that counts does so, too; `at` is where it really is.
    pub(super) fn check_inside(
        &self,
        (root, path): (&Path, &Path),
        (at, about): (&Path, &Metadata),
    ) -> Result<(), ScanError> {
        let Some(owners) = &self.owners else { return Ok(()) };
        let real = root.canonicalize().map_err(|error| ScanError::new(path, error))?;
        if !at.starts_with(&real) {
            let (path, root, real) = (path.to_path_buf(), root.to_path_buf(), at.to_path_buf());
            return Err(ScanError::new(&path.clone(), Exposure::Outside { path, root, real }));
        }
        match owners.look_inside(at, about) {
            None => Ok(()),
            Some(exposure) => Err(ScanError::new(path, exposure)),
        }
    }

    /// Whether a file that was read is signed as it must be.
    pub(super) fn check_signature(&self, path: &Path, bytes: &[u8]) -> Result<(), ScanError> {
        if self.signers.is_empty() {
            return Ok(());
        }
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        let beside = path.with_file_name([name, ".minisig"].concat());
        let signature = match open(&beside, Links::Follow) {
            Ok(file) => {
                let mut text = Vec::new();
                let read = Read::take(file, SIGNATURE_BYTES_MAX).read_to_end(&mut text);
                read.map_err(|error| ScanError::new(path, error))?;
                Some(text)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(ScanError::new(path, error)),
        };
        let signature_name = beside.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.signers
            .verify((name, bytes), (signature_name, signature.as_deref()))
            .map_err(|unsigned| ScanError::new(path, unsigned))
    }
}

/// Whether the last part of a path may be a link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Follow,
    Refuse,
}

/// Opens a regular file: reading a pipe would wait for ever, and a device may never end.
pub(super) fn open(path: &Path, links: Links) -> io::Result<File> {
    let mut flags = OFlags::NONBLOCK;
    flags.set(OFlags::NOFOLLOW, links == Links::Refuse);
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let is_file = |about: &Metadata| {
        if about.is_file() { Ok(()) } else { Err(io::Error::other("this is no file: it may never end")) }
    };
    is_file(&path.metadata()?)?;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    is_file(&file.metadata()?)?;
    Ok(file)
}
