//! What a token says, and what is no token.

use serde_json::{Value, json};

use crate::bench::{Bench, jwt};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_apps_own_token_is_explained() {
    let mut bench = Bench::new();
    bench.revoke("Machine.Isolate");
    let sim = bench.sim().await;
    let dir = bench.folder(&sim);
    let (code, said) = bench.run((&sim, dir.path()), &["token"], "").await;
    assert_eq!(code, Some(1), "{said}");
    for line in [
        "for       Microsoft Graph (https://graph.microsoft.com)",
        "for       WindowsDefenderATP (https://api.securitycenter.microsoft.com)",
        "tenant    5b8e0d1c-93f4-4a26-8c57-2f6e1d7a9b03",
        "app       7a1f0c52-4be3-4d0f-9a55-0d5c2f6b8e10 (huntbook)",
        "proof     a client secret",
        "allows    ThreatHunting.Read.All",
        "lacks     nothing that the playbooks need",
        "lacks     Machine.Isolate (isolateDevice); `huntbook doctor` says how to grant it",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    let (code, said) =
        bench.run((&sim, dir.path()), &["token", "--audience", "graph", "--format", "json"], "").await;
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &told[0]["lacks"], told.as_array().unwrap().len()), (Some(0), &json!([]), 1));
    assert_eq!(told[0]["token"]["roles"], json!(["ThreatHunting.Read.All"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_from_elsewhere_is_explained_without_asking_anybody() {
    let bench = Bench::new();
    let sim = bench.sim().await;
    let dir = tempfile::tempdir().unwrap();
    let graph = "00000003-0000-0000-c000-000000000000";
    let claims = json!({"aud": graph, "tid": "t", "azp": "a", "exp": 4_102_444_800_u32, "scp": "Mail.Read", "azpacr": "2"});
    let good = jwt(&claims);
    let ended = jwt(&json!({"aud": "https://foo.example", "exp": 1_000}));
    let rows = [
        (format!("Authorization: Bearer {good}\n"), 0, "for       Microsoft Graph"),
        (json!({"access_token": good}).to_string(), 0, "Mail.Read, as far as the person may (delegated)"),
        (format!("\"{good}\""), 0, "proof     a certificate, or a federated token"),
        (ended.clone(), 1, "problem   it ended at 1970-01-01T00:16:40Z"),
        (ended, 1, "none of the APIs huntbook calls"),
        (String::new(), 2, "nothing came from standard input"),
        ("{\"error\": \"invalid_client\"}".to_owned(), 2, "this JSON holds no `access_token`"),
        (jwt(&json!({"sub": "x"})), 2, "does not say whom it is for"),
        ("eyJ0.eyJ1.canary.eyJ2.eyJ3".to_owned(), 2, "the token is encrypted"),
        ("0.AXkAcanary-refresh".to_owned(), 2, "looks like a refresh token"),
        ("canary~89012345678901234567890123456789.".to_owned(), 2, "looks like a client secret"),
        ("-----BEGIN PRIVATE KEY-----\ncanary\n".to_owned(), 2, "a certificate or a key"),
        ("canary\u{1b}[2J".to_owned(), 2, "this is no access token"),
    ];
    for (input, code, part) in rows {
        let (ended, said) = bench.run((&sim, dir.path()), &["token", "--stdin"], &input).await;
        assert!(ended == Some(code) && said.contains(part), "{part}: {ended:?} {said}");
    }
    let (code, said) =
        bench.run((&sim, dir.path()), &["token", "--stdin", "--audience", "defender"], &good).await;
    assert!(code == Some(1) && said.contains("it is not for Defender for Endpoint"), "{said}");
    assert!(sim.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_the_authority_is_explained() {
    let bench = Bench::new();
    let sim = bench.sim().await;
    let dir = tempfile::tempdir().unwrap();
    let (code, said) = bench.run((&sim, dir.path()), &["explain", "AADSTS7000222"], "").await;
    assert!(code == Some(0) && said.contains("make a new one"), "{said}");
    let (code, said) = bench.run((&sim, dir.path()), &["explain", "AADSTS1"], "").await;
    assert!(code == Some(2) && said.contains("is not known here"), "{said}");
}
