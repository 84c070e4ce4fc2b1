//! Incidents and alerts: what changed since the last poll, what of it is known, and how far the poll has come.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::collect::{Brought, Fresh, count, holds};
use super::context::Context;
use super::report::Counts;
use super::{Engine, RunError};
use crate::expr::{Condition, Env};
use crate::hunt::Identity;
use crate::incident::{self, AlertFilter, Filter, Name, Reading, Start, Window};
use crate::model::{IncidentId, Projection};
use crate::store::{ContentHash, Polled, Watermark};
use crate::tenant::{Quarantined, Reach};

/// An incident or alert.
struct Case {
    /// Its id.
    key: String,
    data: Value,
    /// What it is known by: under its own id, and under those that became part of it.
    names: Vec<Name>,
}

/// What a list of incidents or alerts was like.
struct Listed {
    cases: Vec<Case>,
    quarantined: Vec<Quarantined>,
    truncated: bool,
    what: &'static str,
}

/// Where a poll stands between the one before and the next.
struct Poll {
    basis: ContentHash,
    known: Option<Watermark>,
    start: Start,
}

impl Poll {
    /// How far the poll has come, if that is to be kept.
    fn reached(&self, context: &Context<'_>, reach: Reach) -> Option<Watermark> {
        let reached =
            || Window::reached((self.known.as_ref(), self.basis), (self.start, reach), context.started);
        context.remembers().then(reached)
    }
}

impl Engine {
    pub(super) async fn incidents(
        &self,
        context: &Context<'_>,
        filter: &Filter,
        (counts, polled): (&mut Counts, &mut Polled),
    ) -> Result<Brought, RunError> {
        let poll = self.poll(context, &filter.window).await?;
        let found = incident::collect(&*context.tenant, filter, (poll.start.from, context.started))
            .await
            .map_err(RunError::Incidents)?;
        polled.watermark = poll.reached(context, found.reach);
        let cases = found.wanted.iter().map(|wanted| {
            let own = wanted.incident.id.as_str();
            let ids = std::iter::once(own).chain(wanted.merged.iter().map(IncidentId::as_str));
            Case {
                key: own.to_owned(),
                data: json!(wanted.incident),
                names: ids.map(|id| remembered(context, filter.name(id, &wanted.incident))).collect(),
            }
        });
        let cases = cases.collect();
        let (quarantined, truncated) = (found.quarantined, found.truncated);
        let listed = Listed { cases, quarantined, truncated, what: "incident" };
        self.cases(context, listed, (counts, polled)).await
    }

    pub(super) async fn alerts(
        &self,
        context: &Context<'_>,
        filter: &AlertFilter,
        (counts, polled): (&mut Counts, &mut Polled),
    ) -> Result<Brought, RunError> {
        let poll = self.poll(context, &filter.window).await?;
        let page = incident::collect_alerts(&*context.tenant, filter, (poll.start.from, context.started))
            .await
            .map_err(RunError::Alerts)?;
        polled.watermark = poll.reached(context, page.reach);
        let cases = page.alerts.iter().map(|alert| Case {
            key: alert.id.to_string(),
            data: json!(alert),
            names: vec![remembered(context, filter.name(alert))],
        });
        let cases = cases.collect();
        let (quarantined, truncated) = (page.quarantined, page.truncated);
        let listed = Listed { cases, quarantined, truncated, what: "alert" };
        self.cases(context, listed, (counts, polled)).await
    }

    /// Where a poll begins. What was read under another text, or with other lists, may match now; what is only tried
    /// out shows everything.
    async fn poll(&self, context: &Context<'_>, window: &Window) -> Result<Poll, RunError> {
        let basis = basis(context);
        let known = self.store.watermark(&context.order.tenant, context.plan().about.id).await?;
        let same = known.as_ref().is_some_and(|mark| mark.basis == basis) && context.remembers();
        let reading = if same { Reading::News } else { Reading::Whole };
        let start = window.start((known.as_ref(), reading), context.started);
        Ok(Poll { basis, known, start })
    }

    /// Keeps of incidents or alerts those that are new and match.
    async fn cases(
        &self,
        context: &Context<'_>,
        listed: Listed,
        (counts, polled): (&mut Counts, &mut Polled),
    ) -> Result<Brought, RunError> {
        let plan = context.plan();
        counts.hunted = count(listed.cases.iter());
        counts.quarantined = count(listed.quarantined.iter());
        for sample in &listed.quarantined {
            tracing::warn!(run = %context.run, ?sample, what = listed.what, "one could not be read");
        }
        counts.truncated = listed.truncated;
        if counts.truncated {
            tracing::warn!(run = %context.run, count = counts.hunted, what = listed.what, "there are more than one run takes: the next begins there; narrow `filter`");
        }
        let new = self.news(context, listed.cases, polled).await?;
        counts.duplicates = counts.hunted.saturating_sub(count(new.iter()));
        let env = Env { now: context.started, run: &context.run_json, outcome: None };
        if let Some(when) = &plan.when {
            let values: Vec<Value> = new.iter().map(|(_identity, case)| case.data.clone()).collect();
            if !holds(when, context, |bound| bound.test_values(&values, &env))? {
                return Ok(Err(format!("`when` does not hold: {} new {}s", values.len(), listed.what)));
            }
        }
        let mut bound = plan
            .condition
            .as_ref()
            .map(|condition| condition.bind(&Projection::default(), &context.order.lists));
        let mut fresh = Vec::new();
        for (identity, Case { key, data, names }) in new {
            let matches = bound.as_mut().map_or(Ok(true), |bound| bound.test_value(&data, &env));
            let item = || format!("{} {key}", listed.what);
            if matches.map_err(|source| RunError::Item { item: item(), source })? {
                let so = names.into_iter().take(1).flat_map(|name| name.so);
                polled.known.extend(so.filter(|mark| *mark != identity));
                fresh.push(Fresh { identity: Some(identity), key, data });
            }
        }
        if !context.remembers() {
            polled.known.clear();
        }
        Ok(Ok(fresh))
    }

    /// Those of which not all is known, each with what is new about it. One that is known by the id of another that
    /// became part of it is known by its own from now on.
    async fn news(
        &self,
        context: &Context<'_>,
        cases: Vec<Case>,
        polled: &mut Polled,
    ) -> Result<Vec<(Identity, Case)>, RunError> {
        let names = cases.iter().flat_map(|case| &case.names);
        let asked: BTreeSet<Identity> =
            names.flat_map(|name| std::iter::once(name.identity).chain(name.asked.iter().copied())).collect();
        let seen = self.seen(context, asked).await?;
        let unknown = |name: &Name| {
            let mut all = std::iter::once(name.identity).chain(name.asked.iter().copied());
            all.find(|identity| !seen.contains(identity))
        };
        let mut news = Vec::new();
        for case in cases {
            let Some(own) = case.names.first() else { continue };
            let Some(identity) = unknown(own) else { continue };
            if case.names.iter().skip(1).any(|name| unknown(name).is_none()) {
                polled.known.push(own.identity);
                polled.known.extend(&own.so);
                continue;
            }
            news.push((identity, case));
        }
        Ok(news)
    }
}

/// A name as this run remembers it.
fn remembered(context: &Context<'_>, name: Name) -> Name {
    let all = |list: Vec<Identity>| list.into_iter().map(|identity| context.remembered(identity)).collect();
    Name { identity: context.remembered(name.identity), asked: all(name.asked), so: all(name.so) }
}

/// What decides about the same incidents and alerts: the playbook's text and the lists that it reads.
fn basis(context: &Context<'_>) -> ContentHash {
    let plan = context.plan();
    let named = [&plan.when, &plan.condition].into_iter().flatten().flat_map(Condition::lists);
    let mut text = plan.version.to_string();
    for name in named.collect::<BTreeSet<_>>() {
        let entries = context.order.lists.get(name).map(|list| list.folded().collect::<Vec<_>>().join("\n"));
        text.extend(["\0", name, "\0", entries.unwrap_or_default().as_str()]);
    }
    ContentHash::of(text.as_bytes())
}
