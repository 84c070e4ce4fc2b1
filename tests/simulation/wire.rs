//! The wire to the simulated tenants: what goes wrong on the way there and back, by the dice of the seed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use huntbook::http::{Pieces, Wire};
use huntbook::sim::SimWire;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::time::Time;

/// Requests in a hundred that something happens to.
const TROUBLE_PERCENT: u64 = 5;
/// How long a list may not show what was done: less than the three minutes that the engine gives the service.
const LIST_LAG: SignedDuration = SignedDuration::from_secs(150);
/// How late a lost request may be carried out: less than the two minutes that it is given.
const LATE: u64 = 110;

/// What was reached, and how often: a run in which nothing happened proves nothing.
pub(crate) type Reached = BTreeMap<String, u64>;

/// A request that is carried out later than anybody waits for it.
#[derive(Debug)]
struct Late {
    at: Timestamp,
    request: Request<Bytes>,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    late: Vec<Late>,
    outage: Option<(Timestamp, Timestamp)>,
    reached: Reached,
    is_calm: bool,
    /// Whether the answer to the next action on a device is lost.
    loses_next: bool,
    /// What happens to which request from now, where nothing else does.
    scripted: Option<(u64, Fate)>,
}

/// The wire. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    sim: SimWire,
    time: Time,
    state: Arc<Mutex<State>>,
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Well,
    Busy,
    Broken,
    Lost,
    AnswerLost,
    BrokenAfter,
    Late,
    Sleep,
    CrashBefore,
    CrashAfter,
}

impl Fate {
    /// Everything that is no good.
    pub(crate) const TROUBLE: [Self; 9] = [
        Self::Busy,
        Self::Broken,
        Self::Lost,
        Self::AnswerLost,
        Self::BrokenAfter,
        Self::Late,
        Self::Sleep,
        Self::CrashBefore,
        Self::CrashAfter,
    ];
}

impl Line {
    pub(crate) fn new(sim: SimWire, time: Time, seed: u64, outage: (Timestamp, Timestamp)) -> Self {
        let state = State {
            dice: Dice::new(seed),
            late: Vec::new(),
            outage: Some(outage),
            reached: Reached::new(),
            is_calm: false,
            loses_next: false,
            scripted: None,
        };
        Self { sim, time, state: Arc::new(Mutex::new(state)) }
    }

    /// Lets nothing happen but this to the n-th request from now, or nothing at all.
    pub(crate) fn script(&self, scripted: Option<(u64, Fate)>) {
        self.calm();
        self.state.lock().unwrap().scripted = scripted;
    }

    /// Lets the answer to the next action on a device get lost.
    pub(crate) fn lose_next(&self) {
        self.state.lock().unwrap().loses_next = true;
    }

    /// Whether what was scripted is still to come.
    pub(crate) fn is_to_come(&self) -> bool {
        self.state.lock().unwrap().scripted.is_some()
    }

    /// Ends all trouble.
    pub(crate) fn calm(&self) {
        let mut state = self.state.lock().unwrap();
        (state.is_calm, state.outage) = (true, None);
    }

    pub(crate) fn reach(&self, what: &str) {
        *self.state.lock().unwrap().reached.entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn reached(&self) -> Reached {
        self.state.lock().unwrap().reached.clone()
    }

    /// Carries out what is late and was due by now, at its time.
    async fn carry_late(&self) {
        let now = self.time.truth();
        let due = {
            let mut state = self.state.lock().unwrap();
            let (due, later): (Vec<Late>, Vec<Late>) =
                std::mem::take(&mut state.late).into_iter().partition(|late| late.at <= now);
            state.late = later;
            due
        };
        for late in due {
            self.reach("a lost request is carried out late");
            self.time.catch_up(Some(late.at));
            drop(self.sim.carry(late.request).await);
            self.time.catch_up(None);
        }
    }

    /// What happens to a request.
    fn fate(&self, request: &Request<Bytes>) -> Fate {
        let changes = request.method() != Method::GET && !request.uri().path().ends_with("/token");
        let acts = changes && request.uri().path().contains("/machines/");
        // What comes late is looked for where it leaves its own behind.
        let is_found = acts || request.uri().path().ends_with("/comments");
        let reads = request.uri().path().ends_with("runHuntingQuery");
        let mut state = self.state.lock().unwrap();
        if acts && std::mem::take(&mut state.loses_next) {
            return Fate::AnswerLost;
        }
        if let Some((n, fate)) = state.scripted {
            state.scripted = (1 < n).then_some((n - 1, fate));
            return match (n, fate) {
                (1, Fate::Late) if !is_found => Fate::Lost,
                (1, fate) => fate,
                _ => Fate::Well,
            };
        }
        if state.is_calm || TROUBLE_PERCENT <= state.dice.below(100) {
            return Fate::Well;
        }
        let place = usize::try_from(state.dice.below(Fate::TROUBLE.len() as u64)).unwrap();
        match Fate::TROUBLE.get(place).copied().unwrap_or(Fate::Busy) {
            Fate::Late if !is_found => Fate::Lost,
            // What only reads dies seldom: there is more of it than of everything else.
            Fate::Sleep | Fate::CrashBefore | Fate::CrashAfter
                if !changes || (reads && state.dice.below(10) < 9) =>
            {
                Fate::Busy
            }
            fate => fate,
        }
    }

    /// Something happens to a request.
    async fn suffer(&self, fate: Fate, request: Request<Bytes>) -> io::Result<Response<Pieces>> {
        let lost = || io::Error::new(io::ErrorKind::ConnectionReset, "the connection was cut");
        self.reach(&format!("{fate:?}"));
        match fate {
            Fate::Well => self.sim.carry(request).await,
            Fate::Busy => {
                let after = self.state.lock().unwrap().dice.below(20) + 1;
                Ok(refusal(StatusCode::TOO_MANY_REQUESTS, Some(after)))
            }
            Fate::Broken => Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, None)),
            Fate::Lost => Err(lost()),
            Fate::AnswerLost => {
                drop(self.sim.carry(request).await);
                Err(lost())
            }
            Fate::BrokenAfter => {
                drop(self.sim.carry(request).await);
                Ok(refusal(StatusCode::BAD_GATEWAY, None))
            }
            Fate::Late => {
                let mut state = self.state.lock().unwrap();
                let at = self.time.truth() + state.dice.seconds(LATE);
                state.late.push(Late { at, request });
                Err(lost())
            }
            Fate::Sleep => {
                let length = self.state.lock().unwrap().dice.seconds(4 * 3600);
                let answer = self.sim.carry(request).await;
                self.time.pass(length);
                answer
            }
            Fate::CrashBefore => panic!("crash point: before a request"),
            Fate::CrashAfter => {
                drop(self.sim.carry(request).await);
                panic!("crash point: after a request");
            }
        }
    }
}

#[async_trait]
impl Wire for Line {
    async fn carry(&self, request: Request<Bytes>) -> io::Result<Response<Pieces>> {
        let while_it_takes = SignedDuration::from_millis(120);
        self.time.pass(while_it_takes);
        self.carry_late().await;
        let now = self.time.truth();
        let outage = self.state.lock().unwrap().outage;
        let is_hook = request.uri().path().contains("/hooks/");
        if outage.is_some_and(|(from, until)| from <= now && now < until) {
            self.reach("an outage");
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "nobody is there"));
        }
        let is_list = request.method() == Method::GET && request.uri().path().ends_with("/machineactions");
        let fate = if is_hook { Fate::Well } else { self.fate(&request) };
        let answer = match fate {
            Fate::Well => self.sim.carry(request).await?,
            fate => self.suffer(fate, request).await?,
        };
        Ok(if is_list { self.shown_late(answer, now) } else { answer })
    }
}

impl Line {
    /// Takes what was done a moment ago out of a list.
    fn shown_late(&self, answer: Response<Pieces>, now: Timestamp) -> Response<Pieces> {
        let (head, pieces) = answer.into_parts();
        let bytes: Vec<u8> = pieces.iter().flatten().flat_map(|piece| piece.to_vec()).collect();
        let Ok(Value::Object(mut list)) = serde_json::from_slice::<Value>(&bytes) else {
            return Response::from_parts(head, pieces);
        };
        let Some(Value::Array(items)) = list.get_mut("value") else {
            return Response::from_parts(head, pieces);
        };
        let all = items.len();
        items.retain(|item| {
            let made = item.get("creationDateTimeUtc").and_then(Value::as_str).unwrap_or_default();
            made.parse::<Timestamp>().is_ok_and(|made| LIST_LAG <= made.duration_until(now))
        });
        if items.len() < all {
            self.reach("a list shows an action late");
        }
        let body = Bytes::from(Value::Object(list).to_string());
        let mut answer = Response::from_parts(head, vec![Ok(body)]);
        answer.headers_mut().remove(http::header::CONTENT_LENGTH);
        answer
    }
}

/// A refusal in the services' words.
fn refusal(status: StatusCode, after: Option<u64>) -> Response<Pieces> {
    let body =
        json!({"error": {"code": status.canonical_reason(), "message": "try again later"}}).to_string();
    let mut answer = Response::builder().status(status).header("content-type", "application/json");
    if let Some(after) = after {
        answer = answer.header("retry-after", after.to_string());
    }
    answer.body(vec![Ok(Bytes::from(body))]).unwrap()
}
