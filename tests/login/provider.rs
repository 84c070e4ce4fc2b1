//! People sign in to somebody else's authority: an OpenID-certified provider at Entra's paths.

use std::collections::BTreeMap;
use std::process::Stdio;

use huntbook::sim::{SimApp, SimOptions};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use url::Url;

use crate::KEY;
use crate::oidc::Provider;

/// A browser: it keeps cookies, follows redirects, and sends the forms it is shown.
struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn open() -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, cookies: BTreeMap::new() }
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header(COOKIE, cookies.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        answer
    }

    /// Follows redirects to the last page.
    async fn follow(&mut self, mut answer: Response) -> String {
        while let Some(to) = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned()) {
            // Some machines know `localhost` by another address first.
            let to = answer.url().join(&to).unwrap().to_string().replace("//localhost:", "//127.0.0.1:");
            let next = self.http.get(to);
            answer = self.send(next).await;
        }
        let (status, page) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status}: {page}");
        page
    }

    async fn get(&mut self, page: &str) -> String {
        let answer = self.send(self.http.get(page)).await;
        self.follow(answer).await
    }

    async fn post(&mut self, page: &str, form: &[(&str, &str)]) -> String {
        let answer = self.send(self.http.post(page).form(form)).await;
        self.follow(answer).await
    }
}

/// A folder whose one tenant people sign in to at the provider.
struct Place {
    provider: Provider,
    dir: tempfile::TempDir,
}

impl Place {
    async fn open() -> Self {
        let provider = Provider::start(&[SimOptions::TENANT_ID, SimApp::CLIENT_ID, ""]).await;
        let settings = json!({"tenants": {"contoso": {
            "tenantId": SimOptions::TENANT_ID, "endpoints": {"login": provider.url},
            "auth": {"user": {"clientId": SimApp::CLIENT_ID, "key": {"env": "SESSION_KEY"}}},
        }}});
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("huntbook.yaml"), settings.to_string()).unwrap();
        Self { provider, dir }
    }

    fn spawn(&self, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStderr>>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntbook"));
        command.args(arguments).current_dir(self.dir.path()).env_clear().env("SESSION_KEY", KEY);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        (child, lines)
    }

    /// Signs in with a code on another device.
    async fn with_a_code(&self) {
        let (child, mut lines) = self.spawn(&["login", "contoso", "--device-code"]);
        let line = lines.next_line().await.unwrap().unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let (page, code) = (words[1], words[words.len() - 1]);
        let mut browser = Browser::open();
        let shown = browser.get(page).await;
        let (_, rest) = shown.split_once("name=\"xsrf\" value=\"").unwrap();
        let (xsrf, _) = rest.split_once('"').unwrap();
        let own = [("xsrf", xsrf), ("user_code", code)];
        browser.post(page, &own).await;
        let shown = browser.post(page, &[own[0], own[1], ("confirm", "yes")]).await;
        assert!(shown.contains("Sign-in Success"), "{shown}");
        let (code, said) = ended(child, lines).await;
        assert!(code == Some(0) && said.contains("ThreatHunting.Read.All"), "{said}");
    }

    /// What the token that the sign-in is renewed for says.
    async fn token(&self) -> (Option<i32>, String) {
        let (child, lines) =
            self.spawn(&["token", "--tenant", "contoso", "--audience", "graph", "--format", "json"]);
        ended(child, lines).await
    }

    fn kept(&self) -> std::path::PathBuf {
        self.dir.path().join("sessions/contoso.json")
    }
}

async fn ended(child: Child, mut lines: Lines<BufReader<ChildStderr>>) -> (Option<i32>, String) {
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        said.push_str(&line);
        said.push('\n');
    }
    let output = child.wait_with_output().await.unwrap();
    said.insert_str(0, &String::from_utf8(output.stdout).unwrap());
    assert!(!said.contains("eyJ"), "{said}");
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certified_provider_lets_people_in_with_a_code_and_each_use_replaces_it() {
    let place = Place::open().await;
    place.with_a_code().await;
    let before = std::fs::read(place.kept()).unwrap();
    let (code, said) = place.token().await;
    let told: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert!(code == Some(0) && told.to_string().contains("ThreatHunting.Read.All"), "{said}");
    assert_ne!(std::fs::read(place.kept()).unwrap(), before, "the provider gave a new one");
    assert_eq!(place.token().await.0, Some(0), "and it serves");
    // One that has served before ends all that came of the sign-in, as the provider sees a thief in it.
    let newest = std::fs::read(place.kept()).unwrap();
    for kept in [before, newest] {
        std::fs::write(place.kept(), kept).unwrap();
        let (code, said) = place.token().await;
        assert!(code == Some(1) && said.contains("`huntbook login`"), "{said}");
    }
    place.with_a_code().await;
    assert_eq!(place.token().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certified_provider_lets_people_in_by_browser_and_wants_the_proof_of_who_began() {
    let mut place = Place::open().await;
    let (child, mut lines) = place.spawn(&["login", "contoso", "--browser"]);
    lines.next_line().await.unwrap().unwrap();
    let page = lines.next_line().await.unwrap().unwrap();
    let shown = Browser::open().get(&page).await;
    assert!(shown.contains("You are signed in to huntbook"), "{shown}");
    let (code, said) = ended(child, lines).await;
    assert!(code == Some(0) && said.contains("ThreatHunting.Read.All"), "{said}");
    assert_eq!(place.token().await.0, Some(0));
    let scope = "https://graph.microsoft.com/.default offline_access";
    for asked in ["authorization_code", scope, scope] {
        assert_eq!(place.provider.line().await, asked);
    }

    // Another challenge than that of whoever began: the provider does not take the code.
    let (child, mut lines) = place.spawn(&["login", "contoso", "--browser"]);
    lines.next_line().await.unwrap().unwrap();
    let mut page = Url::parse(&lines.next_line().await.unwrap().unwrap()).unwrap();
    let pairs: Vec<(String, String)> = page.query_pairs().into_owned().collect();
    let other = |(name, value): (String, String)| {
        let value = if name == "code_challenge" { "A".repeat(value.len()) } else { value };
        (name, value)
    };
    page.query_pairs_mut().clear().extend_pairs(pairs.into_iter().map(other));
    Browser::open().get(page.as_str()).await;
    let (code, said) = ended(child, lines).await;
    assert!(code == Some(1) && said.contains("invalid_grant"), "{said}");
}
