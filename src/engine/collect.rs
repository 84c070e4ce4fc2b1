//! From the input to the journal: hunt or fetch, tell new items from known ones, `when`, `where`.
//!
//! Rows are judged by `where` while they stream past, so only matches cost memory. Which of them are new
//! is asked of the journal afterwards; the order of the two makes no difference to the outcome.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::context::{Context, Work};
use super::report::Counts;
use super::{Engine, RunError};
use crate::expr::{Condition, Env};
use crate::fault::crash_point;
use crate::feed;
use crate::hunt::{self, Around, Catch, Identity, Keep, Kept, Matches};
use crate::model::{Projection, Row};
use crate::plan::{FeedInput, HuntInput, Input, Items, Plan};
use crate::store::{NewItem, Polled};
use crate::text::counted;

/// What the input brought in.
#[derive(Debug)]
pub(super) enum Gathered {
    /// Items, in the journal, to be dealt with.
    Items(Vec<Work>),
    /// Nothing to do, and why.
    Nothing {
        /// Why.
        reason: String,
    },
}

/// An item that matches and is new.
pub(super) struct Fresh {
    pub(super) identity: Option<Identity>,
    pub(super) key: String,
    pub(super) data: Value,
}

/// What an input brought in: what goes on, or why nothing does.
pub(super) type Brought = Result<Vec<Fresh>, String>;

impl Engine {
    /// Brings the run's items in and writes them down.
    pub(super) async fn gather(
        &self,
        context: &Context<'_>,
        counts: &mut Counts,
    ) -> Result<Gathered, RunError> {
        let mut polled = Polled::default();
        let input = async {
            match &context.plan().input {
                Input::Hunt(input) => self.hunt(context, input, counts).await,
                Input::Incidents(filter) => self.incidents(context, filter, (counts, &mut polled)).await,
                Input::Alerts(filter) => self.alerts(context, filter, (counts, &mut polled)).await,
                Input::Given => Ok(Err("it was cut off before it began".to_owned())),
                Input::Feed(input) => self.feed(context, input, counts).await,
            }
        };
        let fresh = match self.in_time(context, input).await.ok_or(RunError::TooLong)?? {
            Ok(fresh) => fresh,
            Err(reason) => return Ok(Gathered::Nothing { reason }),
        };
        crash_point("c05_batch_fetched");
        let numbered = (0_u32..).zip(fresh);
        let items: Vec<NewItem> = numbered
            .map(|(seq, fresh)| NewItem {
                seq,
                identity: fresh.identity.filter(|_identity| context.remembers()),
                key: fresh.key,
                data: fresh.data,
            })
            .collect();
        counts.matched = items.len() as u64;
        let tallied = serde_json::to_value(*counts).unwrap_or_default();
        self.store.commit_poll(context.run, &items, &tallied, &polled).await?;
        let work = |item: NewItem| Work { seq: item.seq, key: item.key, data: item.data };
        Ok(Gathered::Items(items.into_iter().map(work).collect()))
    }

    async fn hunt(
        &self,
        context: &Context<'_>,
        input: &HuntInput,
        counts: &mut Counts,
    ) -> Result<Brought, RunError> {
        let plan = context.plan();
        let env = Env { now: context.started, run: &context.run_json, outcome: None };
        let around = Around { lists: &context.order.lists, env: &env };
        let catch =
            hunt::collect(&*context.tenant, &input.hunt, plan.condition.as_ref(), input.keep, around).await?;
        counts.hunted = catch.answer.rows;
        counts.quarantined = catch.answer.quarantined;
        counts.truncated = catch.answer.truncated;
        for sample in &catch.answer.samples {
            tracing::warn!(run = %context.run, reason = %sample.reason, sample = sample.sample, "a row could not be read");
        }
        if counts.truncated {
            tracing::warn!(run = %context.run, rows = counts.hunted, "the answer was cut off by the service: narrow the query");
        }
        if !input.hunt.threshold.reached(counts.hunted) {
            return Ok(Err(format!(
                "the hunt returned {}: the threshold was not reached",
                counted(counts.hunted, "row")
            )));
        }
        self.rows(context, catch, input.keep, counts).await
    }

    /// The rows of a feed, or the whole of it.
    async fn feed(
        &self,
        context: &Context<'_>,
        input: &FeedInput,
        counts: &mut Counts,
    ) -> Result<Brought, RunError> {
        let rows = feed::collect(&*self.feeds, &input.feed).await?;
        let env = Env { now: context.started, run: &context.run_json, outcome: None };
        let around = Around { lists: &context.order.lists, env: &env };
        let condition = context.plan().condition.as_ref();
        let catch = hunt::sift(&rows, &input.identity, condition, (input.keep, around))?;
        counts.hunted = catch.answer.rows;
        let brought = self.rows(context, catch, input.keep, counts).await?;
        Ok(match input.items {
            Items::Rows => brought,
            Items::Whole => brought.and_then(|rows| whole(&rows)),
        })
    }

    /// Keeps of rows those that are new and match.
    async fn rows(
        &self,
        context: &Context<'_>,
        mut catch: Catch,
        keep: Keep,
        counts: &mut Counts,
    ) -> Result<Brought, RunError> {
        let plan = context.plan();
        let env = Env { now: context.started, run: &context.run_json, outcome: None };
        let identities = catch.kept.iter_mut().map(|kept| &mut kept.identity).chain(&mut catch.identities);
        for identity in identities.flatten() {
            *identity = context.remembered(*identity);
        }
        let seen = self.known(context, &catch.kept, &catch.identities).await?;
        let new = |identity: Option<Identity>| identity.is_none_or(|identity| !seen.contains(&identity));
        counts.duplicates =
            count(catch.kept.iter().filter(|kept| kept.matches == Matches::Yes && !new(kept.identity)));
        if let Some(when) = &plan.when {
            let rows: Vec<Row> = match keep {
                Keep::Everything => {
                    catch.kept.iter().filter(|kept| new(kept.identity)).map(|kept| kept.row.clone()).collect()
                }
                Keep::Matches | Keep::Identities => Vec::new(),
            };
            let new_rows = match keep {
                Keep::Matches => counts.hunted,
                Keep::Identities => count(catch.identities.iter().filter(|identity| new(**identity))),
                Keep::Everything => count(rows.iter()),
            };
            if !holds(when, context, |bound| bound.test_rows(new_rows, &rows, &env))? {
                return Ok(Err(format!("`when` does not hold: {new_rows} new rows")));
            }
        }
        let mut once = BTreeSet::new();
        let matches = catch.kept.into_iter().filter(|kept| kept.matches == Matches::Yes);
        let fresh = matches
            .filter(|kept| new(kept.identity) && kept.identity.is_none_or(|identity| once.insert(identity)))
            .map(|kept| Fresh {
                identity: kept.identity,
                key: row_key(plan, &kept.row),
                data: json!(kept.row),
            });
        Ok(Ok(fresh.collect()))
    }

    /// The identities among these that an earlier run has dealt with.
    async fn known(
        &self,
        context: &Context<'_>,
        kept: &[Kept],
        all: &[Option<Identity>],
    ) -> Result<BTreeSet<Identity>, RunError> {
        let asked: BTreeSet<Identity> =
            kept.iter().map(|kept| kept.identity).chain(all.iter().copied()).flatten().collect();
        self.seen(context, asked).await
    }

    /// Asks the journal which identities are known, and notes that they still turn up.
    pub(super) async fn seen(
        &self,
        context: &Context<'_>,
        asked: BTreeSet<Identity>,
    ) -> Result<BTreeSet<Identity>, RunError> {
        let (tenant, playbook) = (&context.order.tenant, context.plan().about.id);
        let list: Vec<Identity> = asked.iter().copied().collect();
        let unseen: BTreeSet<Identity> =
            self.store.unseen(tenant, playbook, &list).await?.into_iter().collect();
        let known: BTreeSet<Identity> = asked.difference(&unseen).copied().collect();
        if context.remembers() && !known.is_empty() {
            let still: Vec<Identity> = known.iter().copied().collect();
            self.store.renew_seen(tenant, playbook, &still).await?;
        }
        Ok(known)
    }
}

/// Binds a condition that reads no single row, and tests it.
pub(super) fn holds(
    when: &Condition,
    context: &Context<'_>,
    test: impl FnOnce(&mut crate::expr::Bound) -> Result<bool, crate::expr::EvalError>,
) -> Result<bool, RunError> {
    let mut bound = when.bind(&Projection::default(), &context.order.lists);
    test(&mut bound).map_err(|source| RunError::Condition { what: "when", source })
}

pub(super) fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

/// The matching rows of a feed as one item. None of them is no set: what looks like an empty feed is more likely a
/// broken one.
fn whole(rows: &[Fresh]) -> Brought {
    if rows.is_empty() {
        return Err("no row of the feed matches, so nothing is changed".to_owned());
    }
    let mut values: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (name, value) in rows.iter().filter_map(|row| row.data.as_object()).flatten() {
        values.entry(name).or_default().push(value);
    }
    let data = json!({"rows": rows.len(), "values": values});
    Ok(vec![Fresh { identity: None, key: "feed".to_owned(), data }])
}

/// What people call a row: its name if it has one, else the first of its identity.
fn row_key(plan: &Plan, row: &Row) -> String {
    let names = plan.input.called_by().into_iter();
    let texts = names.filter_map(|name| row.get(name)).map(crate::model::Cell::to_json);
    let mut texts = texts.filter_map(|value| match value {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    texts.next().map_or_else(|| "row".to_owned(), |text| text.chars().take(200).collect())
}
