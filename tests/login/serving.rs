//! A tenant that a person signs in to while huntbook serves: what ends the sign-in keeps this tenant alone from being
//! served, until somebody has signed in again.

use std::process::Stdio;
use std::sync::Arc;

use huntbook::clock::{Clock as _, SystemClock};
use huntbook::sim::{Fault, Sim, SimApp, SimOptions};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::Desk;

/// The tenant beside, which an application signs in to.
const OWN: &str = "5b8e0d1c-93f4-4a26-8c57-2f6e1d7a9b01";

/// A desk that serves two tenants.
struct Office {
    desk: Desk,
    own: Arc<Sim>,
}

impl Office {
    async fn open() -> Self {
        let desk = Desk::set(|_| true).await;
        let mut options = SimOptions::sample().unwrap();
        options.identity.tenant_id = OWN.parse().unwrap();
        options.data = serde_json::from_str(include_str!("../fixtures/sim.json")).unwrap();
        options.hunter = crate::hunter();
        let own = Arc::new(desk.sim.beside(options).unwrap());
        desk.history.tenant("own", &own);
        let path = desk.dir.path().join("huntbook.yaml");
        let mut settings: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        settings["tenants"]["own"] = json!({
            "tenantId": OWN, "endpoints": settings["tenants"]["contoso"]["endpoints"],
            "auth": {"clientSecret": {"clientId": SimApp::CLIENT_ID, "secret": {"env": "OWN_SECRET"}}},
        });
        std::fs::write(&path, settings.to_string()).unwrap();
        let playbook = desk.dir.path().join("playbooks/tag.yaml");
        let scheduled = format!("{}schedule: {{every: 1s}}\n", std::fs::read_to_string(&playbook).unwrap());
        std::fs::write(&playbook, scheduled).unwrap();
        Self { desk, own }
    }

    /// What a command says, as JSON, once it is as wanted.
    async fn until(&self, what: &str, arguments: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
        let with: Vec<&str> = arguments.iter().copied().chain(["--format", "json", "--log", "off"]).collect();
        let mut said = String::new();
        let wait = async {
            loop {
                (_, said) = self.desk.say(&with).await;
                if let Some(found) = serde_json::from_str(&said).ok().filter(&is_so) {
                    return found;
                }
                SystemClock.sleep(SignedDuration::from_millis(200)).await;
            }
        };
        tokio::select! {
            found = wait => found,
            () = SystemClock.sleep(SignedDuration::from_mins(3)) => unreachable!("waited for {what}"),
        }
    }

    /// Waits until a run in a tenant has succeeded.
    async fn until_run_in(&self, tenant: &str) {
        let has_run = |runs: &Value| {
            runs.as_array().is_some_and(|runs| {
                runs.iter().any(|run| run["tenant"] == tenant && run["state"] == "succeeded")
            })
        };
        self.until(&format!("a run in {tenant}"), &["runs", "--limit", "1000"], has_run).await;
    }

    /// Serves without a sign-in that serves, then with one.
    async fn goes_on_after_a_login(&self, because: &str) {
        let mut command = self.desk.command(&["serve"]);
        command.env("OWN_SECRET", SimApp::SECRET).stdout(Stdio::null()).stderr(Stdio::null());
        let mut serve = command.spawn().unwrap();
        let is_out = |status: &Value| status["tenants"]["contoso"]["refused"].is_string();
        let status = self.until("the tenant to be shut out", &["status"], is_out).await;
        let why = status["tenants"]["contoso"]["refused"].as_str().unwrap();
        assert!(why.starts_with("log in again: `huntbook login contoso`") && why.contains(because), "{why}");
        let (code, said) = self.desk.say(&["status"]).await;
        assert!(code == Some(1) && said.contains("tenant   contoso is not armed since"), "{said}");
        let tenants = self.until("the list", &["tenants", "--tenant", "contoso"], |_| true).await;
        assert_eq!(tenants[0]["state"], "signed out", "{tenants}");
        let (_, said) = self.desk.say(&["doctor"]).await;
        assert!(said.contains("huntbook login contoso"), "{said}");
        self.until_run_in("own").await;

        self.desk.sim.set_faults(Vec::new()).unwrap();
        let (code, said) = self.desk.sign_in().await;
        assert_eq!(code, Some(0), "{said}");
        self.until_run_in("contoso").await;
        let status = self.until("the tenant to be let in", &["status"], |status| !is_out(status)).await;
        assert_eq!(status["process"], serve.id().unwrap(), "it was not restarted");
        serve.kill().await.unwrap();
        assert!(!self.own.requests().is_empty());
    }
}

/// What the authority says from now on.
fn refusal(code: u32, text: &str) -> Fault {
    let body = json!({
        "error": "invalid_grant", "error_codes": [code],
        "error_description": format!("AADSTS{code}: {text} Trace ID: 0 Correlation ID: 0"),
    });
    let path = format!("POST /{}/oauth2/v2.0/token", SimOptions::TENANT_ID);
    Fault { status: Some(400), body: Some(body), ..Fault::on(path) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_has_signed_in_yet() {
    Office::open().await.goes_on_after_a_login("nobody is signed in").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sign_in_was_revoked() {
    let office = Office::open().await;
    office.desk.sign_in().await;
    office.desk.sim.revoke_sign_ins();
    office.goes_on_after_a_login("AADSTS50173").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_has_used_the_refresh_token() {
    let office = Office::open().await;
    office.desk.sign_in().await;
    let before = std::fs::read(office.desk.kept()).unwrap();
    office.desk.say(&["tenants", "--tenant", "contoso"]).await;
    std::fs::write(office.desk.kept(), before).unwrap();
    office.goes_on_after_a_login("AADSTS70008").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_refresh_token_has_expired() {
    let office = Office::open().await;
    office.desk.sign_in().await;
    let text = "The refresh token has expired due to inactivity. The token was inactive for 90.00:00:00.";
    office.desk.sim.set_faults(vec![refusal(700_082, text)]).unwrap();
    office.goes_on_after_a_login("AADSTS700082").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conditional_access_policy_wants_more() {
    let office = Office::open().await;
    office.desk.sign_in().await;
    let text = "Access has been blocked by Conditional Access policies.";
    office.desk.sim.set_faults(vec![refusal(53_003, text)]).unwrap();
    office.goes_on_after_a_login("AADSTS53003").await;
}
