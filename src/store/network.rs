//! Is a folder on a disk of this machine?
//!
//! SQLite's locks and syncs do not hold on network file systems, so the journal refuses them.

use std::path::Path;

use super::mount::above;

/// File systems that share files with other machines. Source: `/proc/filesystems` names, `fstab(5)`.
const NETWORK: [&str; 13] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ncpfs",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.s3fs",
];

/// Names the network file system that `folder` (absolute, resolved) is on, if it is on one. Knows nothing
/// outside Linux.
pub(super) fn network_file_system(folder: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    above(&mounts, folder).map(|mount| mount.kind).filter(|kind| NETWORK.contains(kind)).map(str::to_owned)
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
    fn of_mounts_over_each_other_the_last_counts() {
        check("/mnt/x", "cifs");
    }
}
