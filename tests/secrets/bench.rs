//! A settings folder in which every kind of secret is a canary, and each has a tenant or channel that needs it.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use huntbook::clock::{Clock as _, SystemClock};
use huntbook::model::Secret;
use huntbook::sim::{
    CannedHunter, HuntColumn, HuntTable, IDENTITY_HEADER, JOB_TOKEN, Sim, SimApp, SimOptions, VAULT_READER,
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::canary::Canary;
use crate::certificate::rsa;
use crate::tap::{OPEN_ID, Tap};

const IN_ENV: &str = "c4nary~env+/=& of a client";
const IN_FILE: &str = "c4nary~file+/=& of a client";
const IN_CREDENTIAL: &str = "c4nary~systemd+/=& of a client";
const IN_VAULT: &str = "c4nary~vault+/=& of a client";
const PFX_PASSWORD: &str = "canary of the pfx";
const LOGIN_KEY: &str = "c4nary~key+/=& 0123456789abcdef0123456789abcdef";
const MAIL_PASSWORD: &str = "c4nary~mail+/=& of a mailbox";
const HOOK: &str = "c4nary-address-of-a-receiver";
const TEAMS_HOOK: &str = "c4nary-address-of-a-team";
const SLACK_HOOK: &str = "c4nary-address-of-a-workspace";
const OPEN_ID_SECRET: &str = "c4nary~openid+/=& of the page";
const PROXY_PASSWORD: &str = "c4nary-password-of-the-proxy";
const HOOK_KEY: &[u8] = b"c4nary~signature of a receiver";
pub(crate) const DEVICE: &str = "1a5c0e7b94d2f3861a5c0e7b94d2f3861a5c0e7b";
const TAG: &str = "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Tag
severity: Low
mode: enforce
hunt:
  query: DeviceEvents | project DeviceId
  identity: [DeviceId]
schedule: {every: 1h}
actions:
  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}
notify:
  - {channel: hook, title: Seen}
  - {channel: mail, title: Seen}
  - {channel: teams, title: Seen}
  - {channel: slack, title: Seen}
";

/// The application's id of a place.
fn app(place: u8) -> String {
    format!("7a1f0c52-4be3-4d0f-9a55-0d5c2f6b8e{place:02}")
}

pub(crate) struct Bench {
    pub(crate) sim: Sim,
    pub(crate) tap: Tap,
    /// Where huntbook works.
    pub(crate) dir: tempfile::TempDir,
    /// Where secrets are found.
    pub(crate) secrets: tempfile::TempDir,
    key_line: String,
}

/// What a process said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
}

impl Bench {
    pub(crate) async fn set() -> Self {
        let made = rsa(SystemClock.now(), (-1, 300));
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/certificate");
        let of_pfx = std::fs::read(fixtures.join("certificate.pem")).unwrap();
        let with = |place: u8, secret: &str| SimApp {
            client_id: app(place),
            secret: Secret::new(secret.to_owned()),
            ..SimApp::sample()
        };
        let mut managed = with(0, "not used");
        managed.roles.push(VAULT_READER.to_owned());
        let mut options = SimOptions::sample().unwrap();
        options.data = serde_json::from_str(include_str!("../fixtures/sim.json")).unwrap();
        options.apps = vec![
            managed,
            with(1, IN_ENV),
            with(2, IN_FILE),
            with(3, IN_CREDENTIAL),
            with(4, IN_VAULT),
            with(5, "not used").with_certificates(made.certificate.as_bytes()),
            with(6, "not used").with_certificates(&of_pfx),
            with(7, "not used").public("maja.berg@contoso.example", SimApp::sample().roles),
            with(8, "not used"),
        ];
        options.vault.insert("app".to_owned(), Secret::new(IN_VAULT.to_owned()));
        options.hook_secrets.insert(HOOK.to_owned(), Secret::new(hook_secret()));
        let rows = vec![json!({"DeviceId": DEVICE}).as_object().unwrap().clone()];
        let table = HuntTable::new(vec![HuntColumn::new("DeviceId", "String")], rows);
        options.hunter = Arc::new(CannedHunter::new().when("DeviceEvents", Ok(table)));
        let sim = Sim::start(options, Arc::new(SystemClock)).await.unwrap();
        let tap = Tap::open(sim.url()).await;
        let (dir, secrets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let put = |name: &str, bytes: &[u8]| std::fs::write(secrets.path().join(name), bytes).unwrap();
        put("client", IN_FILE.as_bytes());
        put("credential", IN_CREDENTIAL.as_bytes());
        put("app.pem", made.both().as_bytes());
        put("app.pfx", &std::fs::read(fixtures.join("modern.pfx")).unwrap());
        put("pfx-password", PFX_PASSWORD.as_bytes());
        let hooks = sim.endpoints().hooks.replace(sim.url(), &tap.url);
        put("hook", format!("{hooks}/webhook/{HOOK}").as_bytes());
        put("teams", format!("{hooks}/teams/{TEAMS_HOOK}").as_bytes());
        put("slack", format!("{hooks}/slack/{SLACK_HOOK}").as_bytes());
        put("open-id", OPEN_ID_SECRET.as_bytes());
        put("hook-key", hook_secret().as_bytes());
        let key_line = made.key.lines().nth(8).unwrap().to_owned();
        let bench = Self { sim, tap, dir, secrets, key_line };
        std::fs::write(bench.dir.path().join("huntbook.yaml"), bench.settings().to_string()).unwrap();
        std::fs::create_dir(bench.dir.path().join("playbooks")).unwrap();
        std::fs::write(bench.dir.path().join("playbooks/tag.yaml"), TAG).unwrap();
        bench
    }

    fn file(&self, name: &str) -> Value {
        json!({"file": self.secrets.path().join(name)})
    }

    fn settings(&self) -> Value {
        let at = |url: String| url.replace(self.sim.url(), &self.tap.url);
        let ends = self.sim.endpoints();
        let endpoints = json!({
            "login": at(ends.login), "graph": at(ends.graph), "mde": at(ends.mde), "xdr": at(ends.xdr),
        });
        let secret =
            |place: u8, found: Value| json!({"clientSecret": {"clientId": app(place), "secret": found}});
        let identity = json!({"managedIdentity": {"host": "appService"}});
        let auths = json!({
            "env": secret(1, json!({"env": "CLIENT_SECRET"})),
            "file": secret(2, self.file("client")),
            "credential": secret(3, json!({"credential": "credential"})),
            "vault": secret(4, json!({"keyVault": {"vault": "soc", "name": "app"}})),
            "pem": {"clientCertificate": {"clientId": app(5), "certificate": self.file("app.pem")}},
            "pfx": {"clientCertificate": {
                "clientId": app(6), "certificate": self.file("app.pfx"), "password": self.file("pfx-password"),
            }},
            "person": {"user": {"clientId": app(7), "key": {"env": "LOGIN_KEY"}}},
            "job": {"workloadIdentity": {"clientId": app(8), "github": {}}},
            "platform": identity,
        });
        let tenant =
            |auth: &Value| json!({"tenantId": SimOptions::TENANT_ID, "auth": auth, "endpoints": endpoints});
        let auths = auths.as_object().unwrap();
        let tenants: serde_json::Map<String, Value> =
            auths.iter().map(|(name, auth)| (name.clone(), tenant(auth))).collect();
        json!({
            "vaults": {"soc": {
                "url": format!("{}/vault", self.tap.url), "tenantId": SimOptions::TENANT_ID, "auth": identity,
            }},
            "tenants": tenants,
            "channels": {
                "hook": {"webhook": {"url": self.file("hook"), "secret": self.file("hook-key"), "privateAddresses": true}},
                "teams": {"teams": {"url": self.file("teams"), "privateAddresses": true}},
                "slack": {"slack": {"url": self.file("slack"), "privateAddresses": true}},
                "mail": {"email": {
                    "host": "127.0.0.1", "port": self.tap.mail_port, "security": "none", "username": "huntbook",
                    "password": {"env": "MAIL_PASSWORD"}, "from": "a@contoso.example", "to": ["b@contoso.example"],
                }},
            },
            "web": {"listen": "127.0.0.1:0", "openId": {
                "issuer": format!("{}{OPEN_ID}", self.tap.url), "clientId": "page", "clientSecret": self.file("open-id"),
            }},
        })
    }

    /// Moves one tenant elsewhere, where a proxy is the way to it and wants a password.
    pub(crate) fn go_through(&self, proxy: &str) {
        let address = proxy.replace("http://", &format!("http://huntbook:{PROXY_PASSWORD}@"));
        std::fs::write(self.secrets.path().join("proxy"), address).unwrap();
        let mut settings = self.settings();
        let mut tenant = settings["tenants"]["env"].clone();
        for (name, address) in tenant["endpoints"].as_object_mut().unwrap() {
            *address = format!("https://{name}.contoso.example").into();
        }
        settings["tenants"] = json!({"env": tenant});
        settings["http"] = json!({"proxy": self.file("proxy")});
        std::fs::write(self.dir.path().join("huntbook.yaml"), settings.to_string()).unwrap();
    }

    /// The binary in the folder, with all secrets, and talking as much as it can.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
        command.args(arguments).current_dir(self.dir.path()).env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.envs([("RUST_LOG", "trace"), ("HUNTBOOK_LOG", "trace"), ("RUST_BACKTRACE", "full")]);
        command.envs([("CLIENT_SECRET", IN_ENV), ("LOGIN_KEY", LOGIN_KEY), ("MAIL_PASSWORD", MAIL_PASSWORD)]);
        command.env("CREDENTIALS_DIRECTORY", self.secrets.path());
        command.env("IDENTITY_ENDPOINT", format!("{}/msi/token", self.tap.url));
        command.env("IDENTITY_HEADER", IDENTITY_HEADER);
        command.env("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/oidc/token?job=1", self.tap.url));
        command.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", JOB_TOKEN);
        command
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, arguments: &[&str], input: &str) -> Said {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Who does not read may be gone.
        drop(stdin.write_all(input.as_bytes()).await);
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        Said { code: output.status.code(), out: output.stdout, err: output.stderr }
    }

    /// Signs a person in, with a code.
    pub(crate) async fn sign_in(&self) -> Said {
        let mut child = self.command(&["login", "person", "--device-code"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut err = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            err.extend_from_slice(line.as_bytes());
            err.push(b'\n');
            let Some((page, code)) = line
                .strip_prefix("open ")
                .and_then(|rest| rest.split_once(" on any device and enter the code "))
            else {
                continue;
            };
            assert!(reqwest::get(format!("{page}?code={code}")).await.unwrap().status().is_success());
        }
        let output = child.wait_with_output().await.unwrap();
        Said { code: output.status.code(), out: output.stdout, err }
    }

    /// What must be seen nowhere: what huntbook was given, and what was issued to it so far.
    pub(crate) fn canaries(&self) -> Vec<Canary> {
        let mut all = vec![
            Canary::new("the client secret of the environment", IN_ENV),
            Canary::new("the client secret of a file", IN_FILE),
            Canary::new("the client secret of systemd", IN_CREDENTIAL),
            Canary::new("the client secret of the vault", IN_VAULT),
            Canary::new("the key of the certificate", &self.key_line),
            Canary::new("the password of the PFX", PFX_PASSWORD),
            Canary::new("the key of the sign-in", LOGIN_KEY),
            Canary::new("the address of the receiver", HOOK),
            Canary::new("the address of the team", TEAMS_HOOK),
            Canary::new("the address of the workspace", SLACK_HOOK),
            Canary::new("the client secret of the page", OPEN_ID_SECRET),
            Canary::new("the password of the proxy", PROXY_PASSWORD),
            Canary::new("the secret of the receiver", &hook_secret()),
            Canary::new("the bare secret of the receiver", std::str::from_utf8(HOOK_KEY).unwrap()),
            Canary::new("the password of the mailbox", MAIL_PASSWORD),
            Canary::new("the header of the identity", IDENTITY_HEADER),
            Canary::new("the token of the job", JOB_TOKEN),
        ];
        for (name, key) in [("an access token", "access_token"), ("the token of the workload", "value")] {
            let mut tokens = self.tap.issued(key).into_iter().filter(|token| token.starts_with("eyJ"));
            let Some(token) = tokens.next_back() else { continue };
            // The head is the same in each token, the signature is this one's.
            let parts: Vec<&str> = token.split('.').collect();
            all.extend([Canary::new(name, parts[0]), Canary::new(name, parts[2])]);
        }
        let refresh = self.tap.issued("refresh_token");
        all.extend(refresh.iter().rev().take(3).map(|token| Canary::new("a refresh token", token)));
        all.extend(self.tap.issued("device_code").last().map(|code| Canary::new("a device code", code)));
        all
    }

    /// Which of the canaries were never sent to anybody.
    pub(crate) fn unused(&self) -> Vec<&'static str> {
        let sent = self.tap.bytes();
        let canaries = self.canaries();
        // Of those that are issued the last one may never have been sent.
        let is_sent = |name: &str| canaries.iter().any(|canary| canary.name == name && canary.is_in(&sent));
        canaries.iter().map(|canary| canary.name).filter(|name| !is_sent(name)).collect()
    }
}

fn hook_secret() -> String {
    format!("whsec_{}", STANDARD.encode(HOOK_KEY))
}

/// Tries until it comes to something, and fails in the end if it does not.
pub(crate) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::select! {
        found = wait => found,
        () = SystemClock.sleep(SignedDuration::from_mins(3)) => panic!("waited for {what}"),
    }
}

/// Looks until something is so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            SystemClock.sleep(SignedDuration::from_millis(50)).await;
        }
    };
    within(what, wait).await;
}
