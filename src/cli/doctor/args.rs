//! Arguments of `huntbook doctor` and `token`.

use clap::{Args, ValueEnum};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Doctor {
    /// Only say what playbooks need, without asking anybody
    #[arg(long)]
    pub(in crate::cli) permissions: bool,
    /// Only this tenant
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) tenant: Option<String>,
    /// Only this playbook: its file, its name or its id
    #[arg(long, value_name = "PLAYBOOK")]
    pub(in crate::cli) playbook: Option<String>,
}

/// Arguments of `token`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Token {
    /// The tenant, if the settings have several
    #[arg(long, value_name = "NAME")]
    pub(super) tenant: Option<String>,
    /// For which API [default: each that the playbooks need]
    #[arg(long, value_enum)]
    pub(super) audience: Option<For>,
    /// Read a token from standard input, and explain that one
    #[arg(long, conflicts_with = "tenant")]
    pub(super) stdin: bool,
}

/// An API that tokens are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum For {
    /// Microsoft Graph: hunting, incidents, alerts, users
    Graph,
    /// Defender for Endpoint (`WindowsDefenderATP`): devices, indicators
    Defender,
    /// Defender XDR (Microsoft Threat Protection): `hunting: xdr`
    Xdr,
}
