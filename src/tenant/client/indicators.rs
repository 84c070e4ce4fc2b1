//! Indicators: one by one, in batches, and whole sets.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::devices::decode;
use super::pages::{End, More};
use super::users::DONE;
use super::{Asked, Call, Change, Client, Kind, asked, with_json};
use crate::diag::Chain;
use crate::http::{Applied, Request};
use crate::model::AlertSeverity;
use crate::tenant::envelope::shown;
use crate::tenant::stored_indicator::{in_force, left_of, others_have};
use crate::tenant::{
    ActionKind, Audience, Difference, Indicator, IndicatorAction, IndicatorLeft, IndicatorSet, IndicatorType,
    IndicatorValue, OthersHave, Receipt, Reconciled, RemoteState, StoredIndicator, TenantError,
};
use crate::text::encode::odata;

const INDICATORS: Asked =
    Asked { operation: "indicators", permission: ActionKind::AddIndicator.permission(), kind: Kind::Plain };

/// Most indicators in one call. Source: the pages of import and of batch delete.
const BATCH_MAX: usize = 500;

/// Indicators on a page: some hundred kilobytes.
const PAGE: &str = "1000";

/// Most pages: a tenant has at most 15,000.
const PAGES_MAX: usize = 20;

/// Most characters kept of why one was not taken.
const REASON_MAX: usize = 200;

/// What a batch is answered with: each indicator's own outcome, all under one 200.
#[derive(Debug, Deserialize)]
struct Imported {
    value: Vec<ImportedOne>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImportedOne {
    indicator: String,
    #[serde(default)]
    is_failed: bool,
    #[serde(default)]
    failure_reason: Option<String>,
}

impl ImportedOne {
    /// Why it was not taken, if it was not.
    fn refusal(self) -> Option<String> {
        self.is_failed.then(|| shown(&self.failure_reason.unwrap_or_default(), REASON_MAX))
    }
}

impl Client {
    pub(super) async fn add_indicator(
        &self,
        change: &Change<'_>,
        indicator: &Indicator,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(change, "api/indicators", &[])?;
        let request = with_json(asked(change), Request::post(address), &indicator_body(indicator))?;
        self.send(&Call::write(change, request)).await?;
        Ok(DONE)
    }

    /// Says of each of these what others have made of its value.
    pub(super) async fn others_of(
        &self,
        wanted: &[Indicator],
    ) -> Result<Vec<Option<OthersHave>>, TenantError> {
        let us = self.tokens.get(Audience::Mde).await?.facts.clone();
        let present = self.list_indicators(only_of(wanted).as_deref()).await?;
        Ok(others_have(wanted, &present, &us))
    }

    /// Says what is left of an indicator that we have added.
    pub(super) async fn left_of_indicator(
        &self,
        (kind, value): (IndicatorType, &IndicatorValue),
        added: Option<IndicatorAction>,
    ) -> Result<IndicatorLeft, TenantError> {
        let us = self.tokens.get(Audience::Mde).await?.facts.clone();
        let present = self.list_indicators(Some(&of_value(value))).await?;
        Ok(left_of((kind, value), added, (&present, &us)))
    }

    /// Removes the indicators of a value, as far as the app sees them: there can be one for each device group. Whoever made
    /// them, or only what does what we have `added` and nobody says to be others'.
    pub(super) async fn remove_indicator(
        &self,
        change: &Change<'_>,
        (kind, value): (IndicatorType, &IndicatorValue),
        added: Option<IndicatorAction>,
    ) -> Result<Receipt, TenantError> {
        let us = self.tokens.get(Audience::Mde).await?.facts.clone();
        let listed = self.list_indicators(Some(&of_value(value))).await;
        let mut found = listed.map_err(|error| before(change, error))?;
        found.retain(|one| one.is_about(kind, value));
        let operation = asked(change).operation;
        let is_any = !found.is_empty();
        found.retain(|one| added.is_none_or(|added| one.may_be_ours(added, &us)));
        if is_any && found.is_empty() {
            let reason = "what is there is not what this app added".to_owned();
            return Err(TenantError::NotTaken { operation, value: value.to_string(), reason });
        }
        match found.as_slice() {
            [] => return Ok(Receipt { remote_id: None, state: RemoteState::AlreadyInForce }),
            [only] => self.delete_indicator(change, &only.id).await?,
            several => match self.remove(change, several).await {
                (_all, None) => {}
                (0, Some(error)) => return Err(error),
                (_some, Some(error)) => {
                    return Err(TenantError::Unfinished { operation, source: Box::new(error) });
                }
            },
        }
        Ok(DONE)
    }

    async fn delete_indicator(&self, change: &Change<'_>, id: &str) -> Result<(), TenantError> {
        let address = self.address(change, "api/indicators/{id}", &[id])?;
        let call = Call::write(change, Request::delete(address));
        match self.send(&call.counted_as(ActionKind::RemoveIndicator.as_str())).await {
            Ok(_answer) => Ok(()),
            // Somebody else was faster.
            Err(error) if error.refused().is_some_and(|refused| refused.status == 404) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn list_indicators(&self, filter: Option<&str>) -> Result<Vec<StoredIndicator>, TenantError> {
        let address = self.at(Audience::Mde, INDICATORS, "api/indicators", &[])?.query("$top", PAGE);
        let mut all = Vec::new();
        // A page may end without a link to the next one: then the next is asked for by number.
        for page in 0..PAGES_MAX {
            let before = all.len();
            let address = match filter {
                Some(filter) => address.clone().query("$filter", filter),
                None => address.clone().query("$skip", &before.to_string()),
            };
            let call = Call::read(Audience::Mde, INDICATORS, Request::get(address));
            let end = self
                .each_item(call, PAGES_MAX, &mut |item| {
                    all.push(decode(INDICATORS, item)?);
                    Ok(More::Wanted)
                })
                .await?;
            if end == End::Cut {
                break;
            }
            let got = all.len() - before;
            if filter.is_some() || got == 0 || !got.is_multiple_of(1000) || page + 1 == PAGES_MAX {
                return Ok(all);
            }
        }
        Err(TenantError::Paging { operation: INDICATORS.operation, reason: "it has too many pages" })
    }

    /// What has to change about a set.
    pub(super) async fn difference_of(&self, set: &IndicatorSet) -> Result<Difference, TenantError> {
        let app = self.tokens.get(Audience::Mde).await?.facts.app_id.clone().unwrap_or_default();
        let present = self.list_indicators(None).await?;
        Ok(set.difference(&present, &app, self.clock.now()))
    }

    /// What has to change about a set, if that may be.
    pub(super) async fn allowed_difference(
        &self,
        change: &Change<'_>,
        set: &IndicatorSet,
    ) -> Result<Difference, TenantError> {
        let difference = self.difference_of(set).await.map_err(|error| before(change, error))?;
        difference.allowed(set)
    }

    /// Makes a set what it is to be: removes first, so that there is room. What the tenant does not take is told;
    /// the next time it is tried again.
    pub(super) async fn carry_out(
        &self,
        change: &Change<'_>,
        difference: &Difference,
    ) -> Result<Reconciled, TenantError> {
        let operation = asked(change).operation;
        let Difference { remove, add, kept, foreign, .. } = difference;
        let mut done = Reconciled { kept: *kept, foreign: foreign.len(), ..Reconciled::default() };
        let (removed, failed) = self.remove(change, remove).await;
        done.removed = removed;
        if let Some(error) = failed {
            let left = remove.iter().skip(removed).map(|one| one.indicator_value.as_str());
            note(operation, &mut done, (left, error))?;
        }
        for chunk in add.chunks(BATCH_MAX) {
            let values = chunk.iter().map(|one| one.indicator_value.as_str());
            match self.import(change, chunk).await {
                Ok(imported) => {
                    let refused = imported.into_iter().filter(|one| one.is_failed);
                    let refused =
                        refused.map(|one| (one.indicator.clone(), one.refusal().unwrap_or_default()));
                    let before = done.refused.len();
                    done.refused.extend(refused);
                    done.added += chunk.len().saturating_sub(done.refused.len() - before);
                }
                Err(error) => note(operation, &mut done, (values, error))?,
            }
        }
        Ok(done)
    }

    /// Writes a batch, and says of each what came of it.
    pub(super) async fn import_each(
        &self,
        change: &Change<'_>,
        indicators: &[Indicator],
    ) -> Result<Vec<Result<Receipt, TenantError>>, TenantError> {
        let operation = asked(change).operation;
        let outcome = |one: ImportedOne| (one.indicator.to_lowercase(), one.refusal());
        let mut outcomes: BTreeMap<String, Option<String>> =
            self.import(change, indicators).await?.into_iter().map(outcome).collect();
        let outcome = |indicator: &Indicator| {
            let value = indicator.indicator_value.to_string();
            match outcomes.remove(&value.to_lowercase()) {
                Some(None) => Ok(DONE),
                Some(Some(reason)) => Err(TenantError::NotTaken { operation, value, reason }),
                None => Err(TenantError::Unsaid { operation, value }),
            }
        };
        Ok(indicators.iter().map(outcome).collect())
    }

    /// Writes a batch.
    async fn import(
        &self,
        change: &Change<'_>,
        indicators: &[Indicator],
    ) -> Result<Vec<ImportedOne>, TenantError> {
        let address = self.address(change, "api/indicators/import", &[])?;
        let bodies: Vec<Value> = indicators.iter().map(indicator_body).collect();
        let request = with_json(asked(change), Request::post(address), &json!({"Indicators": bodies}))?;
        let answer = self.send(&Call::write(change, request).counted_as("importIndicators")).await?;
        let imported: Imported = decode(asked(change), &answer.body)?;
        Ok(imported.value)
    }

    /// Says which of these are in force as they are here.
    pub(super) async fn show_indicators(&self, indicators: &[Indicator]) -> Result<Vec<bool>, TenantError> {
        let app = self.tokens.get(Audience::Mde).await?.facts.app_id.clone().unwrap_or_default();
        let present = self.list_indicators(only_of(indicators).as_deref()).await?;
        Ok(in_force(indicators, &present, (&app, self.clock.now())))
    }

    /// Removes these in batches, in their order, up to the first failure. Says how many are gone, whatever failed then.
    async fn remove(&self, change: &Change<'_>, all: &[StoredIndicator]) -> (usize, Option<TenantError>) {
        let mut gone = 0;
        for batch in all.chunks(BATCH_MAX) {
            match self.remove_batch(change, batch).await {
                Ok(()) => gone += batch.len(),
                // The service refuses all of it if one is not there any more: then one by one.
                Err(error) if error.refused().is_some_and(|refused| refused.status == 404) => {
                    for one in batch {
                        match self.delete_indicator(change, &one.id).await {
                            Ok(()) => gone += 1,
                            Err(error) => return (gone, Some(error)),
                        }
                    }
                }
                Err(error) => return (gone, Some(error)),
            }
        }
        (gone, None)
    }

    async fn remove_batch(&self, change: &Change<'_>, batch: &[StoredIndicator]) -> Result<(), TenantError> {
        let address = self.address(change, "api/indicators/BatchDelete", &[])?;
        let ids: Vec<&str> = batch.iter().map(|one| one.id.as_str()).collect();
        let request = with_json(asked(change), Request::post(address), &json!({"IndicatorIds": ids}))?;
        self.send(&Call::write(change, request).counted_as("deleteIndicators")).await.map(drop)
    }
}

/// What asks for the indicators of a value.
fn of_value(value: &IndicatorValue) -> String {
    format!("indicatorValue eq {}", odata(value.as_str()))
}

/// What asks for those of a single one; of several all are read.
fn only_of(indicators: &[Indicator]) -> Option<String> {
    let [only] = indicators else { return None };
    Some(of_value(&only.indicator_value))
}

/// A failure to read what had to be read first: nothing was changed.
fn before(change: &Change<'_>, error: TenantError) -> TenantError {
    if error.applied() == Applied::No {
        return error;
    }
    TenantError::NotBegun { operation: asked(change).operation, source: Box::new(error) }
}

/// Notes a batch that was not taken. What fails first, or may have been applied, ends it all.
fn note<'v>(
    operation: &'static str,
    done: &mut Reconciled,
    (values, error): (impl Iterator<Item = &'v str>, TenantError),
) -> Result<(), TenantError> {
    if *done == (Reconciled { kept: done.kept, foreign: done.foreign, ..Reconciled::default() }) {
        return Err(error);
    }
    if error.applied() != Applied::No {
        return Err(TenantError::Unfinished { operation, source: Box::new(error) });
    }
    let why = error.withheld().map_or_else(|| Chain(&error).to_string(), str::to_owned);
    done.refused.extend(values.map(|value| (value.to_owned(), why.clone())));
    Ok(())
}

fn indicator_body(indicator: &Indicator) -> Value {
    let mut body = json!({
        "indicatorValue": indicator.indicator_value,
        "indicatorType": indicator.indicator_type,
        "action": indicator.action,
        "title": indicator.title,
        "description": indicator.description,
        "generateAlert": indicator.generate_alert,
    });
    if let Some(body) = body.as_object_mut() {
        let severity = indicator.severity.and_then(indicator_severity).map(Value::from);
        let optional = [
            ("severity", severity),
            ("recommendedActions", indicator.recommended_actions.clone().map(Value::from)),
            ("expirationTime", indicator.expiration_time.map(|time| time.to_string().into())),
            ("rbacGroupNames", Some(&indicator.rbac_group_names).filter(|g| !g.is_empty()).map(|g| json!(g))),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        }
    }
    body
}

/// The API's spelling; it has no word for "not graded".
const fn indicator_severity(severity: AlertSeverity) -> Option<&'static str> {
    match severity {
        AlertSeverity::Unknown => None,
        AlertSeverity::Informational => Some("Informational"),
        AlertSeverity::Low => Some("Low"),
        AlertSeverity::Medium => Some("Medium"),
        AlertSeverity::High => Some("High"),
    }
}
