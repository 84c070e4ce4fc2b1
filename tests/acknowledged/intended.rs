//! No call without its intent on the disk: when a request to isolate a device reaches the tenant, what a power cut would
//! leave of the journal in that instant has its intent, and no result.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::{FILES, Machine};

/// How many devices are isolated.
const DEVICES: usize = 4;

/// The way to the tenant's actions on devices.
#[derive(Clone)]
struct Way {
    to: String,
    http: reqwest::Client,
    folder: PathBuf,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// A request to isolate a device, and where the disk is kept that was there when it came.
#[derive(Clone)]
struct Call {
    disk: String,
    path: String,
    comment: String,
}

impl Way {
    /// Keeps the disk as it is now; its place.
    fn keep(&self) -> String {
        let number = self.calls.lock().unwrap().len();
        let disk = format!("disk-{number}");
        std::fs::create_dir(self.folder.join(&disk)).unwrap();
        for file in FILES {
            let from = self.folder.join("disk").join(file);
            if from.exists() {
                std::fs::copy(from, self.folder.join(&disk).join(file)).unwrap();
            }
        }
        disk
    }
}

async fn pass(State(way): State<Way>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    // Before a byte of its body is read.
    let disk = path.ends_with("/isolate").then(|| way.keep());
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    if let Some(disk) = disk {
        let asked: Value = serde_json::from_slice(&body).unwrap();
        let comment = asked["Comment"].as_str().unwrap().to_owned();
        way.calls.lock().unwrap().push(Call { disk, path, comment });
    }
    let sent = way.http.request(parts.method, format!("{}{}", way.to, parts.uri));
    let mut headers = parts.headers;
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let answer = sent.headers(headers).body(body).send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| **name != TRANSFER_ENCODING) {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}

/// The events of effects in a journal that a disk has, of one attempt at one.
async fn states(machine: &Machine, disk: &str, (key, attempt): (&str, u64)) -> Vec<(String, String)> {
    let events = machine.events_on(disk).await;
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_it = events.filter(|event| event["effect"] == key && event["attempt"] == attempt);
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    of_it.map(|event| (text(&event, "state"), text(&event, "target"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_call_reaches_the_tenant_a_power_cut_would_leave_its_intent() {
    let machine = Machine::new().await;
    let mut tasks = JoinSet::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let way = Way {
        to: machine.sim.url().to_owned(),
        http: reqwest::Client::builder().no_gzip().build().unwrap(),
        folder: machine.dir.path().to_owned(),
        calls: Arc::default(),
    };
    let app = Router::new().fallback(pass).with_state(way.clone());
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    let mde = machine.sim.endpoints().mde;
    let settings = machine.settings().replace(&mde, &mde.replace(machine.sim.url(), &address));
    let guards = "guards: {maxTargetsOfTenant: 100, maxPercentOfDevicesInRun: {freely: 100}}\n";
    machine.put("huntbook.yaml", &format!("{settings}{guards}"));
    machine.copy(".", "disk");

    let said = machine.ask(machine.dir.path(), &["run", "Several"]).await;
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
    let calls = way.calls.lock().unwrap().clone();
    assert_eq!(calls.len(), DEVICES, "{}", String::from_utf8_lossy(&said.stdout));
    for Call { disk, path, comment } in calls {
        let mark = comment.strip_prefix("[hb:1:").and_then(|rest| rest.split_once(']')).unwrap().0;
        let mut parts = mark.split(':');
        let (key, attempt) = (parts.next().unwrap(), parts.next().unwrap().parse().unwrap());
        let device = path.rsplit('/').nth(1).unwrap();
        let intended = vec![("intended".to_owned(), format!("device:{device}"))];
        assert_eq!(
            states(&machine, &disk, (key, attempt)).await,
            intended,
            "{path} came, and {disk} is left"
        );
    }
}
