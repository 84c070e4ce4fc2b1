//! The page in a browser: a person with a phone signs in, sees it change, and approves.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::site::{LEAD, Site};

/// Starts a browser, driven by one of the scripts with what that takes: an address first.
pub(crate) fn browse(script: &str, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let modules = target.join("test-env/node");
    assert!(modules.join("node_modules/playwright-core").exists(), "run `bash tests/setup`");
    let chromium = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|dir| dir.join("chromium")).find(|file| file.exists())
    });
    let chromium = chromium.unwrap_or_else(|| panic!("there is no chromium: run `bash tests/setup`"));
    let mut browser = Command::new("node")
        .arg(root.join("tests/node").join(script))
        .args([modules, chromium])
        .args(arguments)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let lines = BufReader::new(browser.stdout.take().unwrap()).lines();
    (browser, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_a_phone_signs_in_watches_and_approves() {
    let site = Site::open(1).await;
    let address = format!("{}/sign-in#{}", site.origin, site.code(LEAD).await);
    let (_browser, mut lines) = browse("browser.mjs", &[&address]);
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("watching"), "{}", site.log());
    let stopped = site.say(LEAD, &["stop", "--reason", "drill"]).await;
    assert!(stopped.status.success());
    let seen =
        lines.next_line().await.unwrap().unwrap_or_else(|| panic!("the browser ended\n{}", site.log()));
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!((&seen["fragment"], &seen["live"]), (&"".into(), &true.into()), "{seen}");
    assert_eq!(seen["typed"], "half a thought", "what somebody types stays: {seen}");
    assert_eq!(
        (&seen["trouble"], &seen["unlabelled"]),
        (&Value::Array(vec![]), &Value::Array(vec![])),
        "{seen}"
    );
    assert!(seen["fits"].as_array().unwrap().iter().all(|fits| *fits == true), "{seen}");
    // A name that an attacker chose is text, and what it hides is shown.
    assert_eq!(seen["images"], 0, "{seen}");
    let text = seen["text"].as_str().unwrap();
    assert!(text.contains("<img src=x onerror=alert(1)>") && !text.contains('\u{202e}'), "{text}");
    assert!(seen["after"].as_str().unwrap().contains("approve by lead"), "{seen}");
    assert_eq!(seen["signedOut"], true, "{seen}");
    let asked = site.until("consumed").await;
    assert_eq!(
        (&asked["voices"][0]["note"], &asked["voices"][0]["way"]),
        (&"seen it on the phone".into(), &"page".into())
    );
    site.until_isolated().await;
}
