//! What a place is on: of which kind its file system is, and whether anybody on this machine can write to it.

use std::path::Path;

/// What `/proc/self/mountinfo` says of a mount.
pub(super) struct Mount<'a> {
    /// The type of its file system.
    pub(super) kind: &'a str,
    /// Which file system.
    device: &'a str,
    /// What of its file system is mounted.
    root: String,
    /// The subvolume that is in; `/` where there are none.
    subvolume: String,
    /// Where.
    point: String,
    /// Whether this mount is read-only.
    read_only: bool,
    /// Whether the whole file system is.
    sealed: bool,
}

impl Mount<'_> {
    /// Whether a folder or a file is mounted, and not a whole file system or subvolume.
    fn is_part(&self) -> bool {
        self.point != "/" && self.root != "/" && self.root != self.subvolume
    }

    /// Whether what it shows is also in another mount: a part of it, or the same and writable.
    fn is_shown_by(&self, other: &Self) -> bool {
        let is_part = self.root != other.root && Path::new(&self.root).starts_with(&other.root);
        let is_same = self.root == other.root && !other.read_only;
        self.device == other.device && (is_part || is_same)
    }
}

/// Whether nobody on this machine can write to a place, whatever its owner and mode say: its file system is
/// read-only, or it is mounted read-only from elsewhere, as containers mount what they are given. What is mounted over
/// itself, or stands in another mount too, does not count: that is how a service manager takes rights from one process
/// and from nobody else. In doubt it is open.
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
    let is_elsewhere = mount.is_part() && !mount.root.ends_with(&mount.point);
    let is_shown = || mounts.lines().filter_map(read).any(|other| mount.is_shown_by(&other));
    mount.sealed || (mount.read_only && is_elsewhere && !is_shown())
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
    let mut left = left.split(' ').skip(2);
    let (device, root, point, options) = (left.next()?, left.next()?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (kind, of_all) = (right.next()?, right.nth(1).unwrap_or_default());
    // Btrfs names it last: a comma is part of it.
    let (of_all, subvolume) = of_all.split_once(",subvol=").unwrap_or((of_all, "/"));
    Some(Mount {
        kind,
        device,
        root: plain(root),
        subvolume: plain(subvolume),
        point: plain(point),
        read_only: is_read_only(options),
        sealed: is_read_only(of_all),
    })
}

/// A path as it is; the kernel writes what would end a field as a number.
fn plain(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service with folders of its own, and some that it may not write.
    const SERVICE: &str = "\
22 1 254:1 / / ro,relatime shared:1 - ext4 /dev/vda1 rw
23 22 254:2 / /srv ro,relatime shared:2 - xfs /dev/vdb rw
24 22 254:1 /etc/huntbook /etc/huntbook ro - ext4 /dev/vda1 rw
25 22 0:30 /@/opt/huntbook /opt/huntbook ro - btrfs /dev/vdc rw,subvolid=5,subvol=/@
26 23 254:2 /a/playbooks /srv/a/playbooks ro - xfs /dev/vdb rw
27 22 254:1 /home/alice/lists /config/lists ro - ext4 /dev/vda1 rw
28 22 0:31 / /cdrom ro - iso9660 /dev/sr0 ro
";

    /// A container with what it is given.
    const CONTAINER: &str = "\
22 1 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u
23 22 254:1 /var/lib/kubelet/pods/7/volumes/playbooks /config/playbooks ro - ext4 /dev/vda1 rw
24 22 254:1 /home/alice/lists /config/lists rw - ext4 /dev/vda1 rw
25 22 0:30 /@/srv/settings /config/settings ro - btrfs /dev/vdc rw,subvolid=5,subvol=/@
26 22 254:1 /var/lib/kubelet/pods/7/etc-hosts /etc/hosts rw - ext4 /dev/vda1 rw
27 22 254:1 /home/alice/both /config/both ro - ext4 /dev/vda1 rw
28 22 254:1 /home/alice/both /data rw - ext4 /dev/vda1 rw
29 22 254:1 /var/lib/kubelet/pods/7/volumes/playbooks /again ro - ext4 /dev/vda1 rw
";

    /// A deployment of `OSTree`.
    const DEPLOYED: &str = "\
22 1 254:1 /ostree/deploy/x/deploy/7e.0 / ro,relatime - xfs /dev/vda rw
23 22 254:1 / /sysroot ro,relatime - xfs /dev/vda rw
24 22 254:1 /ostree/deploy/x/deploy/7e.0/etc /etc ro,relatime - xfs /dev/vda rw
25 22 254:1 /ostree/deploy/x/var /var ro,relatime - xfs /dev/vda rw
26 25 254:1 /ostree/deploy/x/var/home /home ro,relatime - xfs /dev/vda rw
";

    fn sealed_ones<'a>(mounts: &str, paths: &[&'a str]) -> Vec<&'a str> {
        paths.iter().copied().filter(|path| sealed(mounts, Path::new(path))).collect()
    }

    #[test]
    fn what_a_service_may_not_write_is_open_to_others() {
        let open =
            ["/etc/huntbook/a", "/opt/huntbook", "/srv/x", "/srv/a/playbooks", "/home/x", "/config/lists"];
        assert_eq!(sealed_ones(SERVICE, &open), [""; 0]);
        assert_eq!(sealed_ones(SERVICE, &["/cdrom/playbooks"]), ["/cdrom/playbooks"]);
    }

    #[test]
    fn what_a_container_is_given_read_only_is_sealed() {
        let given = ["/config/playbooks/a.yaml", "/config/settings/huntbook.yaml", "/again"];
        assert_eq!(sealed_ones(CONTAINER, &given), given);
        assert_eq!(sealed_ones(CONTAINER, &["/config/lists", "/config/both", "/x"]), [""; 0]);
    }

    #[test]
    fn a_root_in_a_subvolume_or_a_deployment_is_open() {
        for (root, point) in [
            ("/@", "/"),
            ("/root", "/"),
            ("/@/.snapshots/1/snapshot", "/"),
            ("/@home", "/home"),
            ("/a,ro", "/srv"),
        ] {
            let mounts = format!(
                "22 1 0:30 {root} {point} ro,relatime - btrfs /dev/vda rw,space_cache=v2,subvolid=256,subvol={root}"
            );
            assert_eq!(sealed_ones(&mounts, &[&format!("{point}/huntbook/playbooks")]), [""; 0], "{root}");
        }
        let open = ["/x", "/sysroot/x", "/etc/huntbook", "/var/lib/huntbook", "/home/alice"];
        assert_eq!(sealed_ones(DEPLOYED, &open), [""; 0]);
    }
}
