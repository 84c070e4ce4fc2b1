//! A folder with settings and a playbook, a simulated tenant, and the binary between them. Everything is in order
//! until a test changes it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use huntbook::clock::{Clock as _, ManualClock, SystemClock};
use huntbook::model::Secret;
use huntbook::sim::{ArcChallenge, Fault, JOB_TOKEN, Sim, SimApp, SimOptions};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::nobody::nobody;

pub(crate) const TENANT: &str = SimOptions::TENANT_ID;
/// The address of a webhook is a secret.
const HOOK_PATH: &str = "/hooks/teams/canary-of-the-hook";
/// What is in the challenge of the Arc agent.
pub(crate) const ARC_KEY: &str = "canary-of-arc";
const MAIL_PASSWORD: &str = "canary-of-the-mail";

/// A playbook that hunts, isolates and tells.
pub(crate) const PLAYBOOK: &str = "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Test
severity: Low
mode: enforce
hunt:
  query: DeviceEvents | project DeviceId, Timestamp | take 1
  queryFrequency: 1h
  queryPeriod: 2h
  identity: [DeviceId, Timestamp]
actions:
  - id: isolate
    isolateDevice: {device: \"{{row.DeviceId}}\", comment: why}
notify:
  - {channel: soc-teams, title: it ran}
";

/// What the doctor looks at.
pub(crate) struct Bench {
    pub(crate) settings: Value,
    pub(crate) playbook: String,
    /// More files, by their paths.
    pub(crate) files: Vec<(&'static str, &'static str)>,
    pub(crate) roles: Vec<&'static str>,
    pub(crate) secret: Option<String>,
    /// The app's registered certificates (PEM).
    pub(crate) certificates: String,
    /// Secrets of the tenant's key vault.
    pub(crate) vault: Vec<(&'static str, String)>,
    /// More of the environment; `{SIM}` is the tenant's address, here as in the settings.
    pub(crate) environment: Vec<(&'static str, &'static str)>,
    /// The audience of the workload's token in the file `workload.jwt`, if there is one.
    pub(crate) workload: Option<&'static str>,
    /// Where the Arc agent puts its challenges, if it is not the folder `arc` of the settings.
    pub(crate) arc: Option<String>,
    /// The folder in which it does, as long as it is looked at.
    pub(crate) arc_keys: Option<tempfile::TempDir>,
    /// The webhook's address; the tenant's own if none.
    pub(crate) hook: Option<String>,
    pub(crate) faults: Vec<Fault>,
    behind: SignedDuration,
}

/// What the binary said.
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) json: Value,
    pub(crate) text: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let settings = json!({
            "tenants": {"contoso": {
                "tenantId": TENANT,
                "auth": {"clientSecret": {"clientId": SimApp::CLIENT_ID, "secret": {"env": "DOCTOR_SECRET"}}},
                "endpoints": {},
            }},
            "channels": {"soc-teams": {"teams": {"url": {"env": "DOCTOR_HOOK"}, "privateAddresses": true}}},
            "alerts": {"channel": "soc-teams"},
        });
        Self {
            settings,
            playbook: PLAYBOOK.to_owned(),
            files: Vec::new(),
            roles: vec!["ThreatHunting.Read.All", "Machine.Isolate", "Machine.Read.All"],
            secret: Some(SimApp::SECRET.to_owned()),
            certificates: String::new(),
            vault: Vec::new(),
            environment: Vec::new(),
            workload: None,
            arc: None,
            arc_keys: None,
            hook: None,
            faults: Vec::new(),
            behind: SignedDuration::ZERO,
        }
    }

    /// Sets a setting of the tenant.
    pub(crate) fn tenant(&mut self, pointer: &str, value: Value) {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        self.settings.pointer_mut(&format!("/tenants/contoso{parent}")).unwrap()[key] = value;
    }

    /// Takes a role away.
    pub(crate) fn revoke(&mut self, role: &str) {
        self.roles.retain(|granted| *granted != role);
    }

    /// Sets this machine's clock ahead of the tenant's.
    pub(crate) fn ahead(&mut self, ahead: SignedDuration) {
        self.behind = ahead;
    }

    /// Adds a mail channel.
    pub(crate) fn mail(&mut self, port: u16, security: &str) {
        self.settings["channels"]["soc-mail"] = json!({"email": {
            "host": "127.0.0.1", "port": port, "security": security, "from": "a@contoso.example",
            "to": ["b@contoso.example"], "username": "huntbook", "password": {"env": "DOCTOR_MAIL"},
        }});
    }

    pub(crate) async fn sim(&self) -> Sim {
        let mut options = SimOptions::sample().unwrap();
        let roles = self.roles.iter().map(|role| (*role).to_owned()).collect();
        let app = SimApp { roles, ..SimApp::sample() };
        options.apps = vec![app.with_certificates(self.certificates.as_bytes())];
        options.faults.clone_from(&self.faults);
        let secret = |(name, value): &(&str, String)| ((*name).to_owned(), Secret::new(value.clone()));
        options.vault = self.vault.iter().map(secret).collect();
        options.arc = self.arc.as_ref().map(|folder| ArcChallenge {
            path: format!("{folder}/a.key"),
            key: Secret::new(ARC_KEY.to_owned()),
        });
        if self.behind == SignedDuration::ZERO {
            return Sim::start(options, Arc::new(SystemClock)).await.unwrap();
        }
        let clock = ManualClock::new(SystemClock.now().checked_sub(self.behind).unwrap());
        Sim::start(options, Arc::new(clock)).await.unwrap()
    }

    /// Writes the folder.
    pub(crate) fn folder(&self, sim: &Sim) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let mut settings = self.settings.clone();
        if settings["alerts"].is_null() {
            settings.as_object_mut().unwrap().remove("alerts");
        }
        let ends = sim.endpoints();
        let own = settings["tenants"]["contoso"]["endpoints"].as_object_mut().unwrap();
        for (name, url) in
            [("login", ends.login), ("graph", ends.graph), ("mde", ends.mde), ("xdr", ends.xdr)]
        {
            own.entry(name).or_insert(json!(url));
        }
        write("huntbook.yaml", &settings.to_string().replace("{SIM}", sim.url()));
        write("playbooks/test.yaml", &self.playbook);
        for (name, text) in &self.files {
            write(name, text);
        }
        dir
    }

    /// The binary in the folder, with the secrets in its environment.
    pub(crate) fn command(&self, (sim, dir): (&Sim, &Path), arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_huntbook"));
        command.args(arguments).current_dir(dir).env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("DOCTOR_HOOK", self.hook.clone().unwrap_or_else(|| format!("{}{HOOK_PATH}", sim.url())));
        command.env("DOCTOR_MAIL", MAIL_PASSWORD);
        command.envs(self.environment.iter().map(|(name, value)| (name, value.replace("{SIM}", sim.url()))));
        command.envs(self.secret.as_ref().map(|secret| ("DOCTOR_SECRET", secret)));
        command
    }

    /// Runs the binary in the folder, and sees to it that no secret comes out.
    pub(crate) async fn run(
        &self,
        (sim, dir): (&Sim, &Path),
        arguments: &[&str],
        input: &str,
    ) -> (Option<i32>, String) {
        let mut child = self.command((sim, dir), arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        let own = self.secret.as_deref().unwrap_or(SimApp::SECRET).trim();
        for secret in [own, "canary", "eyJ", "PRIVATE KEY", "MII"] {
            assert!(!said.replace("eyJ….….…", "").contains(secret), "{secret} in {said}");
        }
        (output.status.code(), said)
    }

    /// What the doctor says, to people and to machines.
    pub(crate) async fn doctor(&self, arguments: &[&str]) -> Told {
        let sim = self.sim().await;
        let dir = self.folder(&sim);
        if let Some(audience) = self.workload {
            let answer = reqwest::Client::new()
                .get(format!("{}/oidc/token?audience={audience}", sim.url()))
                .bearer_auth(JOB_TOKEN);
            let token: Value = answer.send().await.unwrap().json().await.unwrap();
            std::fs::write(dir.path().join("workload.jwt"), token["value"].as_str().unwrap()).unwrap();
        }
        let with = |more: &[&'static str]| -> Vec<&str> {
            ["doctor"].iter().chain(arguments).chain(more).copied().collect()
        };
        let (code, json) =
            self.run((&sim, dir.path()), &with(&["--format", "json", "--log", "off"]), "").await;
        let (again, text) = self.run((&sim, dir.path()), &with(&["--log", "off"]), "").await;
        assert_eq!(code, again, "{json}\n{text}");
        assert!(sim.messages().is_empty() && sim.effects().is_empty(), "it only looks");
        let json = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
        Told { code, json, text }
    }
}

impl Told {
    /// What was found, a line each: level, check, message and what to do.
    pub(crate) fn findings(&self) -> Vec<String> {
        let part = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let findings = self.json["findings"].as_array().unwrap();
        let line = |finding| {
            ["level", "check", "about", "message", "help"].map(|name| part(finding, name)).join(" ")
        };
        findings.iter().map(line).collect()
    }
}

/// The address of a port on which nobody listens, and nobody else will: it stays taken.
pub(crate) fn closed_port() -> String {
    let (socket, url) = nobody();
    std::mem::forget(socket);
    url
}

/// A token that nobody signed.
pub(crate) fn jwt(claims: &Value) -> String {
    let [head, body] =
        [json!({"alg": "none"}), claims.clone()].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{head}.{body}.x")
}

/// The port of a mail server that answers a login so, and has no TLS. It serves until the test's process ends.
pub(crate) fn mail_server(login: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut stream = stream;
            let mut answer = "220 mail.contoso.example\r\n";
            let mut line = String::new();
            while stream.write_all(answer.as_bytes()).is_ok() {
                line.clear();
                if !matches!(reader.read_line(&mut line), Ok(length) if 0 < length) {
                    break;
                }
                answer = match line.split_whitespace().next() {
                    Some("EHLO") => "250-mail.contoso.example\r\n250 AUTH PLAIN LOGIN\r\n",
                    Some("AUTH") => login,
                    _ => "221 bye\r\n",
                };
            }
        }
    });
    port
}
