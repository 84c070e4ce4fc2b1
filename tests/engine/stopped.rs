//! The kill switch: from the moment somebody's stop is in the journal nothing is begun, and nothing is lost.

use std::fmt;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use huntbook::clock::{Clock as _, LeapClock, SharedClock};
use huntbook::engine::ItemOutcome::{Acted, Halted};
use huntbook::engine::{RunState, StepState};
use huntbook::http::{HttpOptions, Pieces, Wire};
use huntbook::store::{Effects, StopWord, Stopped, Store, Way};
use jiff::SignedDuration;

use crate::{House, ISOLATE, TAG, client, outcomes, playbook, states};

/// A wire to the tenant on which something happens before requests of one route are carried.
struct Ambush {
    under: Arc<dyn Wire>,
    route: &'static str,
    before: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

impl fmt::Debug for Ambush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.route)
    }
}

#[async_trait]
impl Wire for Ambush {
    async fn carry(&self, request: http::Request<Bytes>) -> io::Result<http::Response<Pieces>> {
        if request.uri().path().contains(self.route) {
            (self.before)().await;
        }
        self.under.carry(request).await
    }
}

impl House {
    /// Lets something happen before each request of a route: each whose path has this in it.
    pub(crate) fn ambush(
        &mut self,
        route: &'static str,
        before: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) {
        let wire = Ambush { under: Arc::new(self.sim.wire()), route, before: Box::new(before) };
        let options = HttpOptions { wire: Some(Arc::new(wire)), ..HttpOptions::default() };
        // The client waits by a clock of its own, on which every wait is over at once.
        let client = client(&self.sim, Arc::new(LeapClock::new(self.clock.now())), options);
        self.engine.tenants.insert("contoso".to_owned(), client);
    }

    pub(crate) fn shared_clock(&self) -> SharedClock {
        Arc::new(self.clock.clone())
    }

    async fn stop(&self, tenant: Option<&str>) -> Stopped {
        Store::stop(&self.journal(), self.shared_clock(), &word(tenant)).await.expect("it is written")
    }

    async fn lift(&self, tenant: Option<&str>) -> usize {
        let lifted = Store::resume(&self.journal(), self.shared_clock(), &word(tenant)).await;
        lifted.expect("it is written").len()
    }
}

pub(crate) fn word(tenant: Option<&str>) -> StopWord {
    StopWord {
        tenant: tenant.map(str::to_owned),
        playbook: None,
        reason: Some("wrong list".to_owned()),
        account: "duty".to_owned(),
        uid: Some(4001),
        way: Some(Way::Command),
    }
}

#[tokio::test]
async fn nothing_is_begun_while_a_stop_stands_and_everything_is_done_after_it() {
    let house = House::build().await;
    assert!(matches!(house.stop(None).await, Stopped::Now(_)));
    assert!(matches!(house.stop(None).await, Stopped::Before(_)));
    let report = house.run(&playbook(&format!("{TAG}notify:\n  - channel: soc\n"))).await;
    assert_eq!((report.state, outcomes(&report)), (RunState::Halted, vec![Halted; 3]));
    let why = report.items[0].steps[0].reason.as_deref();
    assert_eq!(why, Some("all actions are stopped since 2026-03-01T12:00:00Z by duty: wrong list"));
    assert_eq!(house.engine.store.pending().await.unwrap(), 1, "people are told");
    let dry = house.run_with(&playbook(TAG), Effects::DryRun).await;
    assert_eq!(states(&dry), [StepState::Planned; 3]);

    let house = house.restart().await;
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE).replace("8e77", "8e78")).await), [Halted; 3]);
    assert_eq!(house.applied(), Vec::<String>::new());
    assert_eq!((house.lift(None).await, house.lift(None).await), (1, 0));
    assert_eq!(outcomes(&house.run(&playbook(TAG)).await), [Acted; 3]);
}

#[tokio::test]
async fn a_stop_is_about_one_tenant_or_about_all() {
    let house = House::build().await;
    house.stop(Some("fabrikam")).await;
    assert_eq!(outcomes(&house.run(&playbook(TAG)).await), [Acted; 3]);
    house.stop(Some("contoso")).await;
    house.stop(None).await;
    assert_eq!(house.lift(Some("contoso")).await, 1);
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE).replace("8e77", "8e78")).await), [Halted; 3]);
    assert_eq!(house.lift(None).await, 2);
    assert_eq!(outcomes(&house.run(&playbook(ISOLATE).replace("8e77", "8e78")).await), [Acted; 3]);
}

#[tokio::test]
async fn a_stop_reaches_a_run_in_the_middle() {
    let mut house = House::build().await;
    let (journal, clock) = (house.journal(), house.shared_clock());
    house.ambush("/isolate", move || {
        let (journal, clock) = (journal.clone(), Arc::clone(&clock));
        Box::pin(async move { drop(Store::stop(&journal, clock, &word(None)).await.expect("it is written")) })
    });
    let report = house.run(&playbook(ISOLATE)).await;
    assert_eq!(outcomes(&report), [Acted, Halted, Halted], "the first was on its way");
    assert_eq!(house.applied(), ["isolate 0"]);
    house.lift(None).await;
    house.clock.advance(SignedDuration::from_mins(1));
    house.ambush("/nowhere", || Box::pin(async {}));
    assert_eq!(house.run(&playbook(ISOLATE)).await.counts.acted, 2);
    assert_eq!(house.applied(), ["isolate 0", "isolate 1", "isolate 2"]);
}
