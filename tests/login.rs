//! A person signs in to a simulated tenant, with a code and in a browser; what is kept of it is encrypted, replaced at
//! each use, revoked and forgotten; and it is told whose permission is missing.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers; what is missing fails the test"
)]

#[path = "history/held.rs"]
mod held;
#[path = "history/mod.rs"]
mod history;
#[path = "login/keyring.rs"]
mod keyring;
#[path = "oidc/mod.rs"]
mod oidc;
#[path = "login/provider.rs"]
mod provider;
#[path = "login/serving.rs"]
mod serving;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::Arc;

use held::Held;
use huntbook::clock::SystemClock;
use huntbook::sim::{CannedHunter, Fault, HuntColumn, HuntTable, Sim, SimApp, SimOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const KEY: &str = "canary-key-0123456789abcdef0123456789";
const DEVICE: &str = "1a5c0e7b94d2f3861a5c0e7b94d2f3861a5c0e7b";
const PLAYBOOK: &str = "\
schema: 1
id: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e77
name: Tag
severity: Low
mode: enforce
hunt:
  query: DeviceEvents | project DeviceId
  identity: [DeviceId]
actions:
  - tagDevice: {device: \"{{row.DeviceId}}\", tag: seen}
";

/// What the playbook finds.
fn hunter() -> Arc<CannedHunter> {
    let rows = vec![json!({"DeviceId": DEVICE}).as_object().unwrap().clone()];
    let table = HuntTable::new(vec![HuntColumn::new("DeviceId", "String")], rows);
    Arc::new(CannedHunter::new().when("DeviceEvents", Ok(table)))
}

struct Desk {
    history: Held,
    sim: Arc<Sim>,
    dir: tempfile::TempDir,
    /// Where the keyring of the desktop session answers.
    bus: Option<String>,
}

impl Desk {
    /// A tenant with an application for people, one of whom may what `rights` say.
    async fn set(rights: impl Fn(&str) -> bool) -> Self {
        let mut options = SimOptions::sample().unwrap();
        options.data = serde_json::from_str(include_str!("fixtures/sim.json")).unwrap();
        let rights = SimApp::sample().roles.into_iter().filter(|role| rights(role)).collect();
        options.apps = vec![SimApp::sample().public("maja.berg@contoso.example", rights)];
        options.hunter = hunter();
        let sim = Arc::new(Sim::start(options, Arc::new(SystemClock)).await.unwrap());
        let at = sim.endpoints();
        let settings = json!({"tenants": {"contoso": {
            "tenantId": SimOptions::TENANT_ID,
            "auth": {"user": {"clientId": SimApp::CLIENT_ID, "key": {"env": "SESSION_KEY"}}},
            "endpoints": {"login": at.login, "graph": at.graph, "mde": at.mde, "xdr": at.xdr},
        }}});
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("huntbook.yaml"), settings.to_string()).unwrap();
        std::fs::create_dir(dir.path().join("playbooks")).unwrap();
        std::fs::write(dir.path().join("playbooks/tag.yaml"), PLAYBOOK).unwrap();
        let history = Held::new(dir.path().join("huntbook.db"));
        history.tenant("contoso", &sim);
        Self { history, sim, dir, bus: None }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
        command.args(arguments).current_dir(self.dir.path()).env_clear().env("SESSION_KEY", KEY);
        command.envs(self.bus.as_ref().map(|bus| ("DBUS_SESSION_BUS_ADDRESS", bus)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn say(&self, arguments: &[&str]) -> (Option<i32>, String) {
        self.ended(self.command(arguments).spawn().unwrap()).await
    }

    /// What a process said until its end. No secret is in it.
    async fn ended(&self, child: Child) -> (Option<i32>, String) {
        let output = child.wait_with_output().await.unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        let kept = std::fs::read_to_string(self.kept()).unwrap_or_default();
        assert!(!said.contains("eyJ"), "a token: {said}");
        // What is kept is sealed, and three letters are in it by chance now and then.
        for secret in ["canary", "1.A", "eyJhbGci", "eyJ0eXAi", SimApp::SECRET] {
            assert!(!said.contains(secret) && !kept.contains(secret), "{secret}: {said}");
        }
        (output.status.code(), said)
    }

    fn kept(&self) -> std::path::PathBuf {
        self.dir.path().join("sessions/contoso.json")
    }

    /// Signs in with a code, as a person with another device would.
    async fn sign_in(&self) -> (Option<i32>, String) {
        let mut child = self.command(&["login", "contoso", "--device-code"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let (page, code) = (words[1], words[words.len() - 1]);
        let answer = reqwest::get(format!("{page}?code={code}")).await.unwrap();
        assert!(answer.status().is_success(), "{line}");
        self.ended(child).await
    }

    fn grants(&self) -> usize {
        self.sim.requests().iter().filter(|request| request.path.ends_with("/token")).count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_in_with_a_code_works_and_is_revoked() {
    let desk = Desk::set(|_| true).await;
    let (code, said) = desk.say(&["run", "Tag"]).await;
    assert!(
        code == Some(1) && said.contains("nobody is signed in") && said.contains("`huntbook login`"),
        "{said}"
    );
    let (code, said) = desk.sign_in().await;
    assert!(
        code == Some(0) && said.contains("signed in to `contoso`") && said.contains("ThreatHunting.Read.All"),
        "{said}"
    );
    assert_eq!(std::fs::metadata(desk.kept()).unwrap().permissions().mode() & 0o777, 0o600);

    let signed_in = desk.sim.requests().len();

    // Each use replaces what is kept, and two at once take turns.
    let before = std::fs::read(desk.kept()).unwrap();
    let (one, other) = tokio::join!(desk.say(&["tenants"]), desk.say(&["doctor"]));
    assert_eq!((one.0, other.0), (Some(0), Some(0)), "{}{}", one.1, other.1);
    assert_ne!(std::fs::read(desk.kept()).unwrap(), before);
    let (code, said) = desk.say(&["run", "Tag"]).await;
    assert_eq!(code, Some(0), "{said}");
    let done: Vec<String> = desk.sim.effects().into_iter().map(|effect| effect.target).collect();
    assert_eq!(done, [DEVICE]);
    let refused = desk.sim.requests().split_off(signed_in).into_iter();
    let refused: Vec<_> =
        refused.filter(|request| request.path.ends_with("/token") && request.status != Some(200)).collect();
    assert!(refused.is_empty(), "nobody came with a token that was replaced: {refused:?}");

    desk.sim.revoke_sign_ins();
    let (code, said) = desk.say(&["run", "Tag"]).await;
    assert!(
        code == Some(1) && said.contains("AADSTS50173") && said.contains("sign in again: `huntbook login`"),
        "{said}"
    );
    let (code, said) = desk.sign_in().await;
    assert_eq!(code, Some(0), "{said}");

    let (code, said) = desk.say(&["logout", "contoso"]).await;
    assert!(code == Some(0) && said.contains("signed out"), "{said}");
    assert!(!desk.kept().exists());
    let grants = desk.grants();
    let (_, said) = desk.say(&["tenants"]).await;
    assert!(said.contains("nobody is signed in"), "{said}");
    assert_eq!(desk.grants(), grants, "nobody is asked without a sign-in");
    let (code, said) = desk.say(&["logout", "contoso"]).await;
    assert!(code == Some(0) && said.contains("nobody was signed in"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_taken_from_the_person_who_signed_in() {
    let desk = Desk::set(|_| true).await;
    let file = desk.dir.path().join("huntbook.yaml");
    let mut settings: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    settings["guards"] = json!({"maxTargetsOfTenant": 10});
    std::fs::write(file, settings.to_string()).unwrap();
    assert_eq!(desk.sign_in().await.0, Some(0));
    let playbook = |user: &str| {
        let steps = format!(
            "actions:\n  - revokeSessions: {{user: {user}}}\n    onError: continue\n  - disableUser: {{user: {user}}}\n"
        );
        let (head, _) = PLAYBOOK.split_once("actions:").unwrap();
        std::fs::write(desk.dir.path().join("playbooks/tag.yaml"), format!("{head}{steps}")).unwrap();
    };
    playbook("MAJA.BERG@contoso.example");
    let (_, said) = desk.say(&["run", "Tag"]).await;
    assert!(said.contains("is the person whose sign-in huntbook acts with, and is left alone"), "{said}");
    assert!(desk.sim.effects().is_empty(), "{:?}", desk.sim.effects());
    // Others are not.
    playbook("jon.holm@contoso.example");
    let text = std::fs::read_to_string(desk.dir.path().join("playbooks/tag.yaml")).unwrap();
    std::fs::write(desk.dir.path().join("playbooks/tag.yaml"), text.replace("8e77", "8e78")).unwrap();
    let (_, said) = desk.say(&["run", "Tag"]).await;
    assert!(!desk.sim.effects().is_empty(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_in_in_a_browser() {
    let desk = Desk::set(|_| true).await;
    let mut child = desk.command(&["login", "contoso", "--browser"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    lines.next_line().await.unwrap().unwrap();
    let page = lines.next_line().await.unwrap().unwrap();
    assert!(page.contains("code_challenge_method=S256") && page.contains("offline_access"), "{page}");
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = browser.get(&page).send().await.unwrap();
    let back = answer.headers()["location"].to_str().unwrap().replace("localhost", "127.0.0.1");
    // What a browser opens ahead and says nothing on keeps nobody waiting.
    let address = back.trim_start_matches("http://").split_once('/').unwrap().0;
    let _silent = tokio::net::TcpStream::connect(address).await.unwrap();
    // An answer to somebody else's question, and a request for an icon, are not taken.
    let (here, _) = back.split_once("/?").unwrap();
    assert_eq!(browser.get(format!("{here}/favicon.ico")).send().await.unwrap().status(), 404);
    assert_eq!(browser.get(format!("{here}/?code=x&state=other")).send().await.unwrap().status(), 404);
    let shown = browser.get(&back).send().await.unwrap();
    assert_eq!(shown.headers()["cache-control"], "no-store");
    assert!(shown.text().await.unwrap().contains("You are signed in to huntbook"));
    let (code, said) = desk.ended(child).await;
    assert!(code == Some(0) && said.contains("signed in to `contoso`"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_told_whether_the_app_or_the_person_lacks_something() {
    // The person's own roles do not let them change devices.
    let desk = Desk::set(|role| !role.starts_with("Machine.ReadWrite")).await;
    desk.sign_in().await;
    let (code, said) = desk.say(&["run", "Tag"]).await;
    assert!(code == Some(1) && said.contains("the app may, and the person who signed in may not"), "{said}");
    assert!(desk.sim.effects().is_empty());

    // The app was not granted it.
    let app = SimApp::sample()
        .without("Machine.ReadWrite.All")
        .public("maja.berg@contoso.example", SimApp::sample().roles);
    desk.sim.set_apps(vec![app]);
    let (code, said) = desk.say(&["doctor", "--format", "json", "--log", "off"]).await;
    let told: Value = serde_json::from_str(&said).unwrap();
    let messages: Vec<&str> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|finding| finding["message"].as_str())
        .collect();
    assert!(
        code == Some(1)
            && messages.iter().any(|message| message.contains("it lacks `Machine.ReadWrite.All`")),
        "{messages:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_somebody_types_in_outlives_a_lost_answer_and_a_busy_authority() {
    let desk = Desk::set(|_| true).await;
    let faults = json!([
        {"match": "POST /*/oauth2/v2.0/token", "times": 1, "reset": true},
        {"match": "POST /*/oauth2/v2.0/token", "times": 1, "status": 503},
    ]);
    desk.sim.set_faults(Fault::script(faults).unwrap()).unwrap();
    let (code, said) = desk.sign_in().await;
    assert!(code == Some(0) && said.contains("signed in to `contoso`"), "{said}");
    assert!(3 < desk.grants(), "two in vain, one that brought it, one that used it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_signed_in_to_is_said_before_anybody_tries() {
    let desk = Desk::set(|_| true).await;
    let mut command = desk.command(&["login", "contoso", "--device-code"]);
    let (code, said) = desk.ended(command.env("SESSION_KEY", "short").spawn().unwrap()).await;
    assert!(code == Some(78) && said.contains("at least 32 characters"), "{said}");
    assert!(desk.sim.requests().is_empty());
    let (code, said) = desk.say(&["login", "contosso"]).await;
    assert!(code == Some(2) && said.contains("did you mean `contoso`?"), "{said}");
    // An application with a secret is none that people sign in to.
    desk.sim.set_apps(vec![SimApp::sample()]);
    let (code, said) = desk.say(&["login", "contoso", "--device-code"]).await;
    assert!(code == Some(1) && said.contains("AADSTS7000218") && !said.contains("(secret)"), "{said}");
}
