//! Is a folder on a disk of this machine?
//!
//! SQLite's locks and syncs do not hold on network file systems, so the journal refuses them.

use std::path::Path;

use super::mount::above;

/// File systems that share files with other machines, or with the machine that this one is a guest of, whose own
/// programs know nothing of our locks. Source: `/proc/filesystems` names, `fstab(5)`.
const SHARED: [&str; 24] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "drvfs",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "prl_fs",
    "pvfs2",
    "smb3",
    "smbfs",
    "vboxsf",
    "virtiofs",
    "vmhgfs",
    "wekafs",
];

/// File systems of programs that lie on a disk of this machine all the same.
const LOCAL_FUSE: [&str; 6] =
    ["fuse.bindfs", "fuse.ext4", "fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.ntfs-3g", "fuse.zfs"];

/// Names the network file system that `folder` (absolute, resolved) is on, if it is on one by what the system says of its
/// mounts. Knows nothing outside Linux.
pub(super) fn network_file_system(mounts: Option<&str>, folder: &Path) -> Option<String> {
    above(mounts?, folder).map(|mount| mount.kind).filter(|kind| is_shared(kind)).map(str::to_owned)
}

/// Whether a type of file system is one that others have a part in. What a program serves (`fuse.`) is, unless it is
/// known not to be: there are hundreds, and most lead to another machine.
fn is_shared(kind: &str) -> bool {
    let fuse = kind == "fuse" || kind.starts_with("fuse.");
    SHARED.contains(&kind) || fuse && !LOCAL_FUSE.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 22 0:40 / /srv/share rw shared:20 - nfs4 files:/export rw,vers=4.2
41 40 254:3 / /srv/share/local\\040disk rw shared:21 - xfs /dev/vdb rw
42 22 0:42 / /mnt rw - tmpfs tmpfs rw
43 22 0:43 / /mnt rw - cifs //files/x rw
";

    #[track_caller]
    fn check(folder: &str, expect: &str) {
        assert_eq!(above(MOUNTS, Path::new(folder)).map(|mount| mount.kind), Some(expect), "{folder}");
    }

    #[test]
    fn row_43_the_deepest_mount_above_a_folder_decides() {
        check("/var/lib/huntbook", "ext4");
        check("/srv/share/huntbook", "nfs4");
        check("/srv/shared", "ext4");
        check("/srv/share/local disk/huntbook", "xfs");
    }

    #[test]
    fn what_others_have_a_part_in_is_refused() {
        for kind in [
            "9p",
            "virtiofs",
            "vboxsf",
            "drvfs",
            "prl_fs",
            "vmhgfs",
            "fuse.sshfs",
            "fuse.rclone",
            "fuse.s3fs",
            "fuse.vmhgfs-fuse",
            "fuse",
            "nfs4",
        ] {
            assert!(is_shared(kind), "{kind}");
        }
        for kind in ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "fuseblk", "fuse.fuse-overlayfs"] {
            assert!(!is_shared(kind), "{kind}");
        }
    }

    #[test]
    fn of_mounts_over_each_other_the_last_counts() {
        check("/mnt/x", "cifs");
    }
}
