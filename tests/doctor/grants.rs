//! What is to be granted: without asking anybody, and as commands that run.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bench::{Bench, closed_port};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_playbooks_need_is_told_without_asking_anybody() {
    let mut bench = Bench::new();
    bench.secret = None;
    for end in ["login", "graph", "mde", "xdr"] {
        bench.tenant(&format!("/endpoints/{end}"), json!(closed_port()));
    }
    bench.hook = Some("no address".to_owned());
    let sim = bench.sim().await;
    let dir = bench.folder(&sim);
    let arguments = ["doctor", "--permissions", "--format", "json"];
    let (code, said) = bench.run((&sim, dir.path()), &arguments, "").await;
    assert_eq!(code, Some(0), "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    let tenant = &told["tenants"]["contoso"];
    let roles = &tenant["grant"]["roles"];
    let role = |api: usize| (roles[api]["api"].as_str().unwrap(), &roles[api]["roles"]);
    assert_eq!(role(0), ("Microsoft Graph", &json!(["ThreatHunting.Read.All"])));
    assert_eq!(role(1), ("WindowsDefenderATP", &json!(["Machine.Isolate", "Machine.Read.All"])));
    // Hunting through Defender for Endpoint's own endpoint needs that API's permission, and none of Graph.
    let settings = dir.path().join("huntbook.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replacen("\"tenantId\"", "\"hunting\": \"mde\", \"tenantId\"", 1))
        .unwrap();
    let (_code, older) = bench.run((&sim, dir.path()), &arguments, "").await;
    let older: Value = serde_json::from_str(&older).unwrap();
    let api = "fc780465-2017-40d4-a0c5-307022471b92";
    let expect = json!([{"api": "WindowsDefenderATP", "appId": api, "roles": ["AdvancedQuery.Read.All", "Machine.Isolate", "Machine.Read.All"]}]);
    assert_eq!(older["tenants"]["contoso"]["grant"]["roles"], expect);
    assert_eq!(tenant["playbooks"][0]["armed"], Value::Null, "nobody was asked");
    assert_eq!(tenant["playbooks"][0]["needs"][0]["for"], json!(["hunt"]));
    assert!(sim.requests().is_empty());
    assert!(!dir.path().join("huntbook.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shell_commands_grant_what_is_missing_and_nothing_else() {
    let mut bench = Bench::new();
    bench.revoke("Machine.Isolate");
    bench.revoke("ThreatHunting.Read.All");
    let told = bench.doctor(&[]).await;
    let grant = &told.json["tenants"]["contoso"]["grant"];
    assert!(told.text.contains(grant["azureCli"].as_str().unwrap()), "{}", told.text);
    assert_eq!(told.json["tenants"]["contoso"]["playbooks"][0]["armed"], json!(false));

    // A command that only writes down how it was called, and answers with the role asked for.
    let dir = tempfile::tempdir().unwrap();
    let az = "az() { printf '%s|' \"$@\" >>calls; echo >>calls; case \"$*\" in *show*) sed -n \"s/.*value=='\\([^']*\\)'.*/ID-of-\\1/p\" <<<\"$*\";; esac; }\n";
    let script = format!("set -eu\n{az}{}", grant["azureCli"].as_str().unwrap());
    let status = std::process::Command::new("bash").args(["-c", &script]).current_dir(dir.path()).status();
    assert!(status.unwrap().success(), "{script}");
    let calls = std::fs::read_to_string(dir.path().join("calls")).unwrap();
    let added: BTreeSet<&str> =
        calls.lines().filter(|call| call.starts_with("ad|app|permission|add|")).collect();
    let app = huntbook::sim::SimApp::CLIENT_ID;
    let add = |api: &str, role: &str| {
        format!("ad|app|permission|add|--id|{app}|--api|{api}|--api-permissions|ID-of-{role}=Role|")
    };
    let expected = [
        add("00000003-0000-0000-c000-000000000000", "ThreatHunting.Read.All"),
        add("fc780465-2017-40d4-a0c5-307022471b92", "Machine.Isolate"),
    ];
    assert_eq!(added, expected.iter().map(String::as_str).collect::<BTreeSet<_>>());
    assert!(calls.ends_with(&format!("ad|app|permission|admin-consent|--id|{app}|\n")), "{calls}");
    let powershell = grant["powershell"].as_str().unwrap();
    assert!(powershell.contains("foreach ($name in 'Machine.Isolate') {"), "{powershell}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenant_or_playbook_can_be_asked_for() {
    let bench = Bench::new();
    assert_eq!(bench.doctor(&["--tenant", "contoso", "--playbook", "Test"]).await.code, Some(0));
    let sim = bench.sim().await;
    let dir = bench.folder(&sim);
    for (arguments, said) in [
        (["doctor", "--tenant", "fabrikam"], "there are: contoso"),
        (["doctor", "--playbook", "Tesst"], "did you mean `Test`?"),
    ] {
        let (code, text) = bench.run((&sim, dir.path()), &arguments, "").await;
        assert!(code == Some(2) && text.contains(said), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_s_app_is_granted_delegated_permissions() {
    let mut bench = Bench::new();
    let user = json!({"clientId": huntbook::sim::SimApp::CLIENT_ID, "key": {"env": "DOCTOR_SECRET"}});
    bench.tenant("/auth", json!({"user": user}));
    let sim = bench.sim().await;
    let dir = bench.folder(&sim);
    let arguments = ["doctor", "--permissions", "--format", "json"];
    let (_, said) = bench.run((&sim, dir.path()), &arguments, "").await;
    let told: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let grant = &told["tenants"]["contoso"]["grant"];
    assert_eq!(grant["permissions"], "Delegated permissions");
    // Those of the Defender APIs are called otherwise.
    assert_eq!(grant["roles"][1]["roles"], json!(["Machine.Isolate", "Machine.Read"]));
    let cli = grant["azureCli"].as_str().unwrap();
    assert!(cli.contains("oauth2PermissionScopes[?value=='$role'].id") && cli.contains("$id=Scope"), "{cli}");
    assert!(cli.contains("'Machine.Isolate' 'Machine.Read'") && !cli.contains("appRoles"), "{cli}");
    let powershell = grant["powershell"].as_str().unwrap();
    let command = "New-MgOauth2PermissionGrant -ClientId $app.Id -ConsentType AllPrincipals -ResourceId $api.Id \
                   -Scope 'Machine.Isolate Machine.Read'";
    assert!(powershell.contains(command) && !powershell.contains("AppRoleAssignment"), "{powershell}");
    let (_, said) = bench.run((&sim, dir.path()), &["doctor", "--permissions"], "").await;
    assert!(said.contains("Delegated permissions; then Grant admin consent"), "{said}");
}
