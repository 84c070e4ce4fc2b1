//! What is replaced where it is found serves from the next use on: client secrets of files and vaults, addresses and
//! keys of receivers.

use std::process::Stdio;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use huntbook::clock::SystemClock;
use huntbook::model::Secret;
use huntbook::sim::{CannedHunter, HuntColumn, HuntTable, Sim, SimApp, SimOptions, VAULT_READER, Verdict};
use jiff::SignedDuration;
use serde_json::json;

use crate::bench::{DEVICE, until};

const IN_FILE: &str = "7a1f0c52-4be3-4d0f-9a55-0d5c2f6b8e02";
const IN_VAULT: &str = "7a1f0c52-4be3-4d0f-9a55-0d5c2f6b8e03";

fn apps(secret: &str) -> Vec<SimApp> {
    let with = |id: &str| SimApp {
        client_id: id.to_owned(),
        secret: Secret::new(secret.to_owned()),
        ..SimApp::sample()
    };
    let mut reader = with("7a1f0c52-4be3-4d0f-9a55-0d5c2f6b8e01");
    reader.roles.push(VAULT_READER.to_owned());
    vec![reader, with(IN_FILE), with(IN_VAULT)]
}

fn playbook(place: u8) -> String {
    format!(
        "schema: 1\nid: 2f6c9d54-7d0e-4b53-9d5e-6f0a3c1b8e{place}\nname: Tell {place}\nseverity: Low\n\
         hunt:\n  query: DeviceEvents | project DeviceId\n  identity: [DeviceId]\nschedule: {{every: 1s}}\n\
         notify:\n  - {{channel: hook, title: Seen, if: outcome.matched > 0}}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_replaced_serves_without_a_restart() {
    let key = |name: &str| Secret::new(format!("whsec_{}", STANDARD.encode(format!("a key of {name}"))));
    let mut options = SimOptions::sample().unwrap();
    options.apps = apps("the first secret");
    // Asked for anew every few seconds.
    options.token_life = SignedDuration::from_secs(10);
    options.vault.insert("app".to_owned(), Secret::new("the first secret".to_owned()));
    options.hook_secrets.extend(["one", "two"].map(|name| (name.to_owned(), key(name))));
    let rows = vec![json!({"DeviceId": DEVICE}).as_object().unwrap().clone()];
    let table = HuntTable::new(vec![HuntColumn::new("DeviceId", "String")], rows);
    options.hunter = Arc::new(CannedHunter::new().when("DeviceEvents", Ok(table)));
    let sim = Sim::start(options, Arc::new(SystemClock)).await.unwrap();
    let at = sim.endpoints();
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        // As whoever rotates secrets does it: never half of one.
        let new = dir.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, dir.path().join(name)).unwrap();
    };
    let secret = |id: &str, found: serde_json::Value| {
        json!({"tenantId": SimOptions::TENANT_ID, "auth": {"clientSecret": {"clientId": id, "secret": found}},
            "endpoints": {"login": at.login, "graph": at.graph, "mde": at.mde, "xdr": at.xdr}})
    };
    let settings = json!({
        "vaults": {"soc": {
            "url": format!("{}/vault", sim.url()), "tenantId": SimOptions::TENANT_ID,
            "auth": {"managedIdentity": {"host": "vm", "endpoint": format!("{}/metadata/identity/oauth2/token", sim.url())}},
        }},
        "tenants": {
            "file": secret(IN_FILE, json!({"file": "client"})),
            "vault": secret(IN_VAULT, json!({"keyVault": {"vault": "soc", "name": "app"}})),
        },
        "channels": {"hook": {"webhook": {"url": {"file": "hook"}, "secret": {"file": "hook-key"}, "privateAddresses": true}}},
    });
    put("huntbook.yaml", &settings.to_string());
    put("client", "the first secret");
    put("hook", &format!("{}/webhook/one", at.hooks));
    put("hook-key", key("one").expose());
    std::fs::create_dir(dir.path().join("playbooks")).unwrap();
    put("playbooks/one.yaml", &playbook(11));
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_huntbook"));
    command.arg("serve").current_dir(dir.path()).env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut serve = command.spawn().unwrap();
    let told = |name: &str| {
        sim.messages().iter().filter(|one| one.name == name && one.verdict == Verdict::Signed).count()
    };
    until("both tenants to be hunted and told of", || told("one") == 2).await;

    put("hook", &format!("{}/webhook/two", at.hooks));
    put("hook-key", key("two").expose());
    put("client", "the second secret");
    sim.set_secret("app", Secret::new("the second secret".to_owned()));
    sim.set_apps(apps("the second secret"));
    let before = sim.requests().len();
    let is_in = |app: &str| {
        sim.requests().iter().skip(before).any(|one| {
            one.app.as_deref() == Some(app)
                && one.path.ends_with("/oauth2/v2.0/token")
                && one.status == Some(200)
        })
    };
    until("the new secret of the file to serve", || is_in(IN_FILE)).await;
    until("the new secret of the vault to serve", || is_in(IN_VAULT)).await;
    put("playbooks/two.yaml", &playbook(12));
    until("the new receiver to hear", || told("two") == 2).await;
    assert!(serve.try_wait().unwrap().is_none(), "it was not restarted");
    assert_eq!(told("one"), 2);
    serve.kill().await.unwrap();
}
