//! Where documents come from: the network and a folder, or a shelf in memory.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{FeedError, Feeds, Limits, Source};
use crate::http::{self, Http, Repeat, Request};

/// Documents of the network and of a folder.
#[derive(Debug, Clone)]
pub struct Door {
    /// The way to the network.
    pub http: Http,
    /// The folder.
    pub folder: PathBuf,
}

#[async_trait]
impl Feeds for Door {
    async fn fetch(&self, source: &Source, limits: &Limits) -> Result<Vec<u8>, FeedError> {
        match source {
            Source::Address { at, .. } => {
                let request = Request::get(at.clone());
                let limits = http::Limits { bytes_max: limits.bytes_max, time_max: limits.time_max };
                let answer = self.http.send(&request, Repeat::Safe, &limits).await?;
                Ok(answer.body.to_vec())
            }
            Source::File(name) => read(&self.folder, name, limits.bytes_max)
                .map_err(|source| FeedError::File { name: name.display().to_string(), source }),
        }
    }
}

/// Reads a file that is in a folder, links followed, and one byte more than allowed if it is too long.
fn read(folder: &Path, name: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let path = folder.join(name).canonicalize()?;
    if !path.starts_with(folder.canonicalize()?) {
        return Err(io::Error::other("it is not in the folder of feeds"));
    }
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Documents at hand, by their address or the name of their file: for tests of playbooks.
#[derive(Debug, Clone, Default)]
pub struct Shelf(pub BTreeMap<String, Vec<u8>>);

#[async_trait]
impl Feeds for Shelf {
    async fn fetch(&self, source: &Source, _limits: &Limits) -> Result<Vec<u8>, FeedError> {
        let name = match source {
            Source::Address { written, .. } => written.to_string(),
            Source::File(name) => name.display().to_string(),
        };
        let missing = || FeedError::File {
            name: name.clone(),
            source: io::Error::new(io::ErrorKind::NotFound, "no such document is given"),
        };
        self.0.get(&name).cloned().ok_or_else(missing)
    }
}
