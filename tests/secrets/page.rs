//! The page with canaries in every place of a secret: what it shows, and what signing in leaves in the log and on disk.

use std::sync::{Arc, Mutex};

use huntbook::web::ROUTES;
use reqwest::header::{COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::task::JoinSet;

use crate::bench::{Bench, until, within};
use crate::canary::{Canary, check, check_files};

/// A page that is served, and what its process says.
struct Page {
    child: Child,
    url: String,
    log: Arc<Mutex<String>>,
    http: Client,
    _reading: JoinSet<()>,
}

impl Page {
    async fn open(bench: &Bench) -> Self {
        let mut child = bench.command(&["serve", "--drain", "5", "--log-format", "json"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        until("the page to be served", || log.lock().unwrap().contains("the page is at ")).await;
        let said = log.lock().unwrap().clone();
        let (_, rest) = said.split_once("the page is at ").unwrap();
        let url = rest.split_whitespace().next().unwrap().to_owned();
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { child, url, log, http, _reading: reading }
    }

    async fn get(&self, path: &str, cookie: &str) -> Response {
        self.http.get(format!("{}{path}", self.url)).header(COOKIE, cookie).send().await.unwrap()
    }

    /// Ends it, and returns what it said.
    async fn end(mut self) -> String {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        within("serve to end", self.child.wait()).await.unwrap();
        self.log.lock().unwrap().clone()
    }
}

/// The value of the first cookie that is set.
fn cookie(headers: &HeaderMap) -> String {
    headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
}

fn value(cookie: &str) -> &str {
    cookie.split_once('=').unwrap().1
}

/// All that an answer says.
async fn all(answer: Response) -> Vec<u8> {
    let mut said = format!("{:?}", answer.headers()).into_bytes();
    said.extend_from_slice(&answer.bytes().await.unwrap());
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_lets_a_secret_out_and_no_log_lets_anybody_in() {
    let bench = Bench::set().await;
    bench.sign_in().await;
    bench.run(&["run", "Tag"], "").await;
    let runs: Value =
        serde_json::from_slice(&bench.run(&["runs", "--format", "json"], "").await.out).unwrap();
    let run = runs[0]["run"].as_str().unwrap();
    let page = Page::open(&bench).await;

    let ticket: Value =
        serde_json::from_slice(&bench.run(&["web", "--format", "json"], "").await.out).unwrap();
    let code = ticket["code"].as_str().unwrap();
    let signed_in = page.http.post(format!("{}/sign-in", page.url)).header(ORIGIN, &page.url);
    let signed_in = signed_in.form(&[("code", code)]).send().await.unwrap();
    assert_eq!(signed_in.status(), 303);
    let session = cookie(signed_in.headers());
    let shown = page.get("/runs", &session).await.text().await.unwrap();
    let token = shown.split_once("name=\"token\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();

    // Somebody comes back from the provider, which repeats what it was sent instead of a token.
    let begun = page.get("/sign-in/provider", "none=none").await;
    let at = begun.headers()[LOCATION].to_str().unwrap().to_owned();
    let state =
        url::Url::parse(&at).unwrap().query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let began = cookie(begun.headers());
    let back = page.get(&format!("/sign-in/back?code=c4nary-code-of-a-provider&state={state}"), &began).await;
    assert!(back.status().is_client_error() || back.status().is_server_error(), "{}", back.status());
    let canaries = bench.canaries();
    check(&canaries, "the answer to who comes back", &all(back).await);
    assert!(!bench.unused().contains(&"the client secret of the page"), "it was sent to the provider");

    let ways = ROUTES.iter().filter(|(method, path)| *method == "GET" && *path != "/live");
    for (_, path) in ways {
        let answer = page.get(&path.replace("{id}", run), &session).await;
        check(&canaries, path, &all(answer).await);
    }
    let form = [("token", token.as_str()), ("reason", "a look"), ("tenant", "")];
    let stop = page.http.request(Method::POST, format!("{}/stop", page.url)).header(ORIGIN, &page.url);
    assert_eq!(stop.header(COOKIE, &session).form(&form).send().await.unwrap().status(), 303);
    let said = page.end().await;

    // What lets somebody in is nowhere but with them.
    let mut canaries = bench.canaries();
    canaries.extend([
        Canary::new("the code", code),
        Canary::new("the session", value(&session)),
        Canary::new("the token of the forms", &token),
        Canary::new("what binds a sign-in to its browser", value(&began)),
        Canary::new("the state of a sign-in", &state),
        Canary::new("the provider's code", "c4nary-code-of-a-provider"),
    ]);
    assert!(said.contains("somebody signed in to the page"), "{said}");
    check(&canaries, "the log", said.as_bytes());
    assert!(0 < check_files(&canaries, bench.dir.path()));
}
