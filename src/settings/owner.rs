//! Who could have written a file: what somebody else could is not put in force.
//!
//! That is so if somebody else owns the file, a folder or a link on the way to it, or may write to one of them.
//! Folders above the one that is read may let others add files (`/tmp`), as long as these cannot replace what leads to it.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::account::Accounts;
use crate::store::is_sealed;

const GROUP_WRITES: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
const LINK: u32 = 0o120_000;
const KIND: u32 = 0o170_000;
/// Most links followed on the way to a place, as in the system itself.
const LINKS_MAX: usize = 40;

/// The accounts that may write what is put in force: root, and these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owners(BTreeSet<u32>);

/// What lets somebody else decide what is put in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exposure {
    /// Somebody else's.
    #[error(
        "`{}` belongs to {owner} (mode {mode:04o}), who is neither root nor the account of huntbook nor one of the \
         owners named to it", path.display()
    )]
    Owner {
        /// What.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// What may be done to it.
        mode: u32,
    },
    /// Everybody can write.
    #[error("everybody can write to `{}` (mode {mode:04o}, owner {owner})", path.display())]
    Everybody {
        /// Where.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// What may be done to it.
        mode: u32,
    },
    /// A group can write.
    #[error("the group {group} can write to `{}` (mode {mode:04o}, owner {owner})", path.display())]
    Group {
        /// Where.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// Which group.
        group: String,
        /// What may be done to it.
        mode: u32,
    },
    /// A link leads elsewhere.
    #[error("the link `{}` leads out of `{}`, to `{}`", path.display(), root.display(), real.display())]
    Outside {
        /// The link.
        path: PathBuf,
        /// The folder.
        root: PathBuf,
        /// Where it leads.
        real: PathBuf,
    },
}

impl Exposure {
    /// What it is, and what comes of it for a playbook, a list or their folder.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{self}: `huntbook serve` puts nothing of it in force")
    }

    /// The same for the settings.
    #[must_use]
    pub fn told_of_settings(&self) -> String {
        format!("{self}: `huntbook serve` does not start with settings there")
    }

    /// What mends it for the settings, which have no say in whether they count.
    #[must_use]
    pub fn help_of_settings(&self) -> String {
        let owners = matches!(self, Self::Owner { .. });
        let owners = if owners {
            ", or name the account in the environment: `HUNTBOOK_SETTINGS_OWNERS=…`"
        } else {
            ""
        };
        let mend = self.mend("root");
        format!(
            "{mend}{owners}; `HUNTBOOK_SETTINGS_OWNERS='*'` in the environment lets it count all the same"
        )
    }

    /// What mends it for a playbook, a list or their folder.
    #[must_use]
    pub fn help(&self) -> String {
        let owners = matches!(self, Self::Owner { .. });
        let owners = if owners { ", or name the account in `reload: {owners: […]}`" } else { "" };
        let mend = self.mend("root");
        format!("{mend}{owners}; `reload: {{strictModes: false}}` in the settings lets it count all the same")
    }

    /// The command that mends it; `owner` is whose a thing is to be.
    #[must_use]
    pub fn mend(&self, owner: &str) -> String {
        match self {
            Self::Owner { path, .. } => format!("chown -h {owner} '{}'", path.display()),
            Self::Everybody { path, .. } => format!("chmod go-w '{}'", path.display()),
            Self::Group { path, .. } => format!("chmod g-w '{}'", path.display()),
            Self::Outside { path, .. } => format!("put the file itself in place of '{}'", path.display()),
        }
    }
}

/// Where something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Above what is read: that others may add something is no harm if they cannot take away.
    Above,
    /// What is read.
    Inside,
}

/// Whose something is, and what others may do to it.
#[derive(Debug, Clone, Copy)]
struct Rights {
    uid: u32,
    gid: u32,
    mode: u32,
}

/// What is wrong with rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Owner,
    Everybody,
    Group,
}

impl From<&Metadata> for Rights {
    fn from(about: &Metadata) -> Self {
        Self { uid: about.uid(), gid: about.gid(), mode: about.mode() }
    }
}

impl Rights {
    fn flaw(self, owners: &Owners, place: Place) -> Option<Flaw> {
        if self.uid != 0 && !owners.0.contains(&self.uid) {
            return Some(Flaw::Owner);
        }
        let is_link = self.mode & KIND == LINK;
        if is_link || (place == Place::Above && self.mode & STICKY != 0) {
            return None;
        }
        if self.mode & ALL_WRITE != 0 {
            return Some(Flaw::Everybody);
        }
        (self.mode & GROUP_WRITES != 0).then_some(Flaw::Group)
    }
}

impl Owners {
    /// Root and these accounts.
    #[must_use]
    pub fn new(accounts: impl IntoIterator<Item = u32>) -> Self {
        Self(accounts.into_iter().collect())
    }

    /// The same and one more.
    #[must_use]
    pub(super) fn and(mut self, account: Option<u32>) -> Self {
        self.0.extend(account);
        self
    }

    /// Looks at a folder or a file, and at all that leads to it.
    ///
    /// # Errors
    ///
    /// If something cannot be looked at. What is found is inside.
    pub fn look(&self, path: &Path) -> io::Result<Option<Exposure>> {
        let (real, way) = way(path)?;
        for place in way {
            let about = std::fs::symlink_metadata(&place)?;
            let at = if place == real { Place::Inside } else { Place::Above };
            if let Some(found) = self.judge(&place, &about, at) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Looks at all that leads to a place, and at the place as at one of them: that others may add to it is no harm if
    /// they cannot take away.
    pub(super) fn look_above(&self, path: &Path) -> io::Result<Option<Exposure>> {
        let (_real, way) = way(path)?;
        for place in way {
            let about = std::fs::symlink_metadata(&place)?;
            if let Some(found) = self.judge(&place, &about, Place::Above) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Looks at what is in a folder that was looked at.
    #[must_use]
    pub fn look_inside(&self, path: &Path, about: &Metadata) -> Option<Exposure> {
        self.judge(path, about, Place::Inside)
    }

    fn judge(&self, path: &Path, about: &Metadata, place: Place) -> Option<Exposure> {
        let rights = Rights::from(about);
        let flaw = rights.flaw(self, place)?;
        let accounts = Accounts::read();
        if is_sealed(path) || (flaw == Flaw::Group && self.are_all(&accounts, rights.gid) && !has_more(path))
        {
            return None;
        }
        let named = |name: Option<&str>, number: u32| match name {
            Some(name) => format!("{name} ({number})"),
            None => number.to_string(),
        };
        let (path, mode) = (path.to_path_buf(), rights.mode & 0o7777);
        let owner = named(accounts.name(rights.uid), rights.uid);
        Some(match flaw {
            Flaw::Owner => Exposure::Owner { path, owner, mode },
            Flaw::Everybody => Exposure::Everybody { path, owner, mode },
            Flaw::Group => {
                let group = named(accounts.group(rights.gid), rights.gid);
                Exposure::Group { path, owner, group, mode }
            }
        })
    }

    /// Whether nobody else is in a group: the private group of an account, as most systems make them.
    fn are_all(&self, accounts: &Accounts, gid: u32) -> bool {
        let members = accounts.members(gid);
        members.is_some_and(|members| members.iter().all(|uid| *uid == 0 || self.0.contains(uid)))
    }
}

/// Whether an access list says more than the mode does: then the mode's group is not all who may write.
fn has_more(path: &Path) -> bool {
    let mut none: [u8; 0] = [];
    rustix::fs::lgetxattr(path, "system.posix_acl_access", &mut none[..]).is_ok()
}

/// Where a path really leads, and every folder and link on the way there, that place last.
fn way(path: &Path) -> io::Result<(PathBuf, Vec<PathBuf>)> {
    let mut left: Vec<PathBuf> = parts(&std::path::absolute(path)?);
    let (mut at, mut way, mut links) = (PathBuf::from("/"), vec![PathBuf::from("/")], 0);
    while let Some(part) = left.pop() {
        if part == Path::new("..") {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        way.push(next.clone());
        if !std::fs::symlink_metadata(&next)?.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        if LINKS_MAX < links {
            return Err(io::Error::other("too many links lead to one another"));
        }
        let to = std::fs::read_link(&next)?;
        if to.is_absolute() {
            at = PathBuf::from("/");
        }
        left.extend(parts(&to));
    }
    way.retain(|place| *place != at);
    way.push(at.clone());
    Ok((at, way))
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<PathBuf> {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::super::account::tests::machine;
    use super::*;

    #[track_caller]
    fn check(uid: u32, mode: u32, place: Place, expect: Option<Flaw>) {
        let rights = Rights { uid, gid: 0, mode };
        assert_eq!(rights.flaw(&Owners::new([990]), place), expect, "{uid} {mode:o} {place:?}");
    }

    #[test]
    fn only_what_nobody_else_can_write_counts() {
        use Place::{Above, Inside};
        for place in [Above, Inside] {
            for uid in [0, 990] {
                check(uid, 0o40755, place, None);
                check(uid, 0o40775, place, Some(Flaw::Group));
                check(uid, 0o40757, place, Some(Flaw::Everybody));
                check(uid, 0o100_644, place, None);
            }
            check(1001, 0o40700, place, Some(Flaw::Owner));
            check(1001, 0o120_777, place, Some(Flaw::Owner));
            check(990, 0o120_777, place, None);
        }
        check(0, 0o41777, Above, None);
        check(0, 0o41777, Inside, Some(Flaw::Everybody));
        check(1001, 0o41777, Above, Some(Flaw::Owner));
    }

    #[test]
    fn a_group_of_nobody_else_is_as_good_as_its_owner() {
        let all = |owners: &[u32], gid| Owners::new(owners.iter().copied()).are_all(&machine(), gid);
        assert!(all(&[1001], 1001), "the private group of an account");
        assert!(all(&[990], 2002) && all(&[], 0), "root counts always");
        assert!(!all(&[990], 1001) && !all(&[1001], 2000) && all(&[1001, 1002], 2000));
        assert!(!all(&[1001], 2001), "a member whose number nobody knows");
        assert!(!all(&[1001], 4000), "a group nobody knows");
    }

    #[test]
    fn links_on_the_way_and_where_they_lead_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let at = |name: &str| top.join(name);
        std::fs::create_dir_all(at("open/deep/playbooks")).unwrap();
        std::fs::create_dir(at("safe")).unwrap();
        symlink("../open/deep", at("safe/hop")).unwrap();
        symlink(at("safe/hop"), at("current")).unwrap();
        let (real, seen) = way(&at("current/playbooks")).unwrap();
        assert_eq!(real, at("open/deep/playbooks"));
        for name in ["current", "safe", "safe/hop", "open", "open/deep", "open/deep/playbooks"] {
            assert!(seen.contains(&at(name)), "{name}: {seen:?}");
        }
        let owners = Owners::new([std::fs::metadata(&top).unwrap().uid()]);
        assert_eq!(owners.look(&at("current/playbooks")).unwrap(), None);
        let allow = |mode| {
            std::fs::set_permissions(at("open"), std::fs::Permissions::from_mode(mode)).unwrap();
            owners.look(&at("current/playbooks")).unwrap().map(|found| found.to_string())
        };
        let found = allow(0o757).unwrap();
        assert!(found.contains("everybody can write to `") && found.contains("/open` (mode 0757"), "{found}");
        assert_eq!(allow(0o1777), None);
        symlink("round", at("round")).unwrap();
        assert!(owners.look(&at("round")).is_err() && owners.look(&at("gone")).is_err());
    }
}
