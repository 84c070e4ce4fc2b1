//! The unit of systemd among the examples: what it takes from the process, and that what it starts is there.

#![expect(clippy::unwrap_used, reason = "what is missing fails the test")]

use std::path::Path;
use std::process::Command;

/// What the unit must say, whatever else it says.
const NEEDED: &[(&str, &str)] = &[
    ("AmbientCapabilities", ""),
    ("CapabilityBoundingSet", ""),
    ("KeyringMode", "private"),
    ("LimitCORE", "0"),
    ("LoadCredentialEncrypted", "contoso-secret"),
    ("LockPersonality", "yes"),
    ("MemoryDenyWriteExecute", "yes"),
    ("NoNewPrivileges", "yes"),
    ("PrivateDevices", "yes"),
    ("PrivateTmp", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHome", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectProc", "invisible"),
    ("ProtectSystem", "strict"),
    ("Restart", "on-failure"),
    ("RestartPreventExitStatus", "2 78"),
    ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("StateDirectory", "huntbook"),
    ("StateDirectoryMode", "0700"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("Type", "exec"),
    ("UMask", "0077"),
    ("User", "huntbook"),
];
/// What it must not say: no account shows as itself then, and nothing tells the service manager that the process lives.
const UNWANTED: &[&str] = &["DynamicUser", "PrivateUsers", "WatchdogSec", "Environment"];

/// The settings of the unit, in their order.
fn unit() -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/systemd/huntbook.service");
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with(['#', '[']) && !line.is_empty());
    lines.map(|line| line.split_once('=').unwrap()).map(|(key, value)| (key.into(), value.into())).collect()
}

#[test]
fn the_unit_leaves_the_process_nothing_that_it_does_not_need() {
    let unit = unit();
    for (key, value) in NEEDED {
        assert!(unit.iter().any(|(has, is)| has == key && is == value), "{key}={value}");
    }
    for key in UNWANTED {
        assert!(unit.iter().all(|(has, _)| has != key), "{key}");
    }
}

#[test]
fn what_the_unit_starts_is_a_command_line_of_huntbook() {
    for start in ["ExecStart", "ExecStartPre"] {
        let (_key, line) = unit().into_iter().find(|(key, _)| key == start).unwrap();
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("/usr/local/bin/huntbook"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
        let help = command.args(words).arg("--help").env_clear().output().unwrap();
        assert!(help.status.success(), "{line}: {}", String::from_utf8_lossy(&help.stderr));
    }
}

#[test]
fn the_service_manager_takes_the_unit_where_there_is_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/systemd/huntbook.service");
    let Ok(checked) = Command::new("systemd-analyze").arg("verify").arg(file).output() else { return };
    let said = String::from_utf8_lossy(&checked.stderr);
    for wrong in ["Unknown key", "Failed to parse", "Invalid"] {
        assert!(!said.contains(wrong), "{said}");
    }
}
