//! What a place is on: of which kind its file system is, and whether anybody on this machine can write to it.

use std::path::Path;

/// What `/proc/self/mountinfo` says of a mount.
pub(super) struct Mount<'a> {
    /// The type of its file system.
    pub(super) kind: &'a str,
    /// What of its file system is mounted.
    root: &'a str,
    /// Where.
    point: String,
    /// Whether this mount is read-only.
    read_only: bool,
    /// Whether the whole file system is.
    sealed: bool,
}

/// Whether nobody on this machine can write to a place, whatever its owner and mode say: its file system is
/// read-only, or it is mounted read-only from elsewhere, as containers mount what they are given. A mount of a folder
/// over itself does not count: that is how a service manager takes rights from one process and from nobody else.
#[must_use]
pub fn is_sealed(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    path.canonicalize().is_ok_and(|path| sealed(&mounts, &path))
}

/// Whether the file system of a place takes no writes, from nobody. A place that is only mounted so may be written
/// elsewhere.
pub(super) fn is_read_only(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    path.canonicalize().is_ok_and(|path| above(&mounts, &path).is_some_and(|mount| mount.sealed))
}

fn sealed(mounts: &str, path: &Path) -> bool {
    let Some(mount) = above(mounts, path) else { return false };
    let elsewhere = mount.root != "/" && !mount.root.ends_with(&mount.point);
    mount.sealed || (mount.read_only && elsewhere)
}

/// The longest mount point above a place, the last one if several are mounted over each other. Source:
/// `proc_pid_mountinfo(5)`.
pub(super) fn above<'a>(mounts: &'a str, path: &Path) -> Option<Mount<'a>> {
    let mut best: Option<(usize, Mount<'a>)> = None;
    for mount in mounts.lines().filter_map(read) {
        let depth = Path::new(&mount.point).components().count();
        if path.starts_with(&mount.point) && best.as_ref().is_none_or(|(deepest, _)| *deepest <= depth) {
            best = Some((depth, mount));
        }
    }
    best.map(|(_depth, mount)| mount)
}

fn read(line: &str) -> Option<Mount<'_>> {
    let is_read_only = |options: &str| options.split(',').any(|option| option == "ro");
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, point, options) = (left.next()?, left.next()?, left.next()?);
    let point =
        point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
    let mut right = right.split(' ');
    let (kind, sealed) = (right.next()?, right.nth(1).is_some_and(is_read_only));
    Some(Mount { kind, root, point, read_only: is_read_only(options), sealed })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:1 / / ro,relatime shared:1 - ext4 /dev/vda1 rw
23 22 254:2 / /srv ro,relatime shared:2 - xfs /dev/vdb rw
24 22 254:1 /etc/huntbook /etc/huntbook ro - ext4 /dev/vda1 rw
25 22 0:30 /@/opt/huntbook /opt/huntbook ro - btrfs /dev/vdc rw
26 22 254:1 /var/lib/kubelet/pods/7/volumes/playbooks /config/playbooks ro - ext4 /dev/vda1 rw
27 22 254:1 /home/alice/lists /config/lists rw - ext4 /dev/vda1 rw
28 22 0:31 / /cdrom ro - iso9660 /dev/sr0 ro
";

    #[test]
    fn what_a_container_is_given_read_only_is_sealed_and_what_a_service_may_not_write_is_not() {
        let sealed = |path: &str| sealed(MOUNTS, Path::new(path));
        assert!(sealed("/config/playbooks/a.yaml") && sealed("/cdrom/playbooks"));
        for open in ["/config/lists", "/etc/huntbook/playbooks", "/opt/huntbook", "/srv/x", "/home/x"] {
            assert!(!sealed(open), "{open}");
        }
    }
}
