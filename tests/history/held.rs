//! A journal and the tenants' own logs, compared when a test is over.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use huntbook::sim::Sim;
use huntbook::store::Store;

use crate::history::{Rules, hold};

/// The journal of a test and its tenants. When it goes, the journal is held against what the tenants say was done.
pub(crate) struct Held {
    journal: PathBuf,
    tenants: Mutex<Vec<(String, Arc<Sim>)>>,
    /// What must hold beside what always holds.
    pub(crate) rules: Mutex<Rules>,
    /// Whether the test does what huntbook never would, behind its back: then they differ.
    pub(crate) is_forged: AtomicBool,
}

impl Held {
    /// Holds the journal at this place, once there is one.
    pub(crate) fn new(journal: PathBuf) -> Self {
        Self {
            journal,
            tenants: Mutex::default(),
            rules: Mutex::default(),
            is_forged: AtomicBool::new(false),
        }
    }

    /// Takes a tenant, by its name in the settings.
    pub(crate) fn tenant(&self, name: &str, sim: &Arc<Sim>) {
        let mut tenants = self.tenants.lock().expect("nothing panics with it");
        if tenants.iter().all(|(known, _)| known != name) {
            tenants.push((name.to_owned(), Arc::clone(sim)));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if std::thread::panicking() || self.is_forged.load(Ordering::Relaxed) || !self.journal.exists() {
            return;
        }
        let tenants = std::mem::take(&mut *self.tenants.lock().expect("nothing panics with it"));
        let truths: Vec<_> = tenants.into_iter().map(|(name, sim)| (name, sim.log())).collect();
        let rules = std::mem::take(&mut *self.rules.lock().expect("nothing panics with it"));
        let look = async {
            let store = Store::open_reader(&self.journal).await.expect("the journal opens");
            hold(&store, &truths, &rules).await;
            store.close().await;
        };
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let looked = std::thread::scope(|scope| scope.spawn(|| runtime().block_on(look)).join());
        if let Err(wrong) = looked {
            std::panic::resume_unwind(wrong);
        }
    }
}
