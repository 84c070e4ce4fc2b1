//! An OpenID-certified provider at Entra's paths, as a process of its own.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The provider. It ends when this is dropped.
pub(crate) struct Provider {
    pub(crate) url: String,
    /// The scope of each token it issues.
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Provider {
    /// Starts it for a client, as `oidc-provider.mjs` takes its arguments.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let modules = target.join("test-env/node");
        assert!(
            modules.join("node_modules/oidc-provider").exists(),
            "{} lacks oidc-provider: run `bash tests/setup`",
            modules.display()
        );
        let mut child = Command::new("node")
            .arg(root.join("tests/node/oidc-provider.mjs"))
            .arg(modules)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("node does not start ({error}): run `bash tests/setup`"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("the provider ended at once"));
        Self { url, lines, _child: child }
    }

    /// The scope of the next token it issues.
    pub(crate) async fn line(&mut self) -> String {
        loop {
            let line = self.lines.next_line().await.unwrap().unwrap();
            // What it says of itself is for people.
            if !line.starts_with("oidc-provider ") {
                return line;
            }
        }
    }
}
