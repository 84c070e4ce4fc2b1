//! Hunting queries.

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::devices::decode;
use super::{Asked, Call, Client, HuntingApi, Kind, with_json};
use crate::http::{Chunks, Limits, Request};
use crate::model::Wanted;
use crate::rows::{self, Decoder};
use crate::tenant::{
    Audience, HuntAnswer, HuntFault, HuntLimits, HuntQuery, HuntSchema, OnRow, Refused, TenantError,
};

/// Hunting through Graph.
const GRAPH: Asked = hunt(HuntingApi::Graph);

/// Hunting through Defender XDR.
const XDR: Asked = hunt(HuntingApi::Xdr);

/// Hunting through Defender for Endpoint.
const MDE: Asked = hunt(HuntingApi::Mde);

/// Pauses before a query is repeated that the service could not run ("an unexpected error occurred").
const STUMBLES: [SignedDuration; 2] = [SignedDuration::from_secs(2), SignedDuration::from_secs(4)];

/// The tables of the tenant. A beta: source is its page of 2026-05.
const SCHEMA: Asked = Asked { operation: "getHuntingSchema", kind: Kind::Plain, ..GRAPH };

const fn hunt(api: HuntingApi) -> Asked {
    Asked { operation: "runHuntingQuery", permission: api.permission(), kind: Kind::Hunt }
}

/// The answer of [`SCHEMA`].
#[derive(Deserialize)]
struct Told {
    tables: Vec<ToldTable>,
    #[serde(default)]
    functions: ToldFunctions,
}

#[derive(Deserialize)]
struct ToldTable {
    name: String,
    #[serde(default)]
    columns: Vec<ToldColumn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldColumn {
    name: String,
    #[serde(default)]
    data_type: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldFunctions {
    #[serde(default)]
    saved_functions: Vec<Value>,
}

impl Client {
    pub(super) async fn run_query(
        &self,
        query: &HuntQuery,
        wanted: &Wanted,
        limits: &HuntLimits,
        on_row: OnRow<'_>,
    ) -> Result<HuntAnswer, TenantError> {
        let call = self.query_call(query, limits)?;
        let asked = call.asked;
        let mut chunks = self.stream_past_stumbles(&call).await?;
        let bounds = rows::Limits {
            bytes_max: limits.bytes_max,
            rows_max: limits.rows_max,
            ..rows::Limits::default()
        };
        let mut decoder = Decoder::new(wanted.clone(), bounds);
        while let Some(chunk) =
            chunks.next().await.map_err(|source| TenantError::Http { operation: asked.operation, source })?
        {
            if decoder.feed(&chunk, on_row).map_err(TenantError::Rows)? == rows::Flow::Stop {
                break;
            }
        }
        decoder.finish().map_err(TenantError::Rows)
    }

    /// Repeats a query that the service itself could not run, which it says with a status that speaks against
    /// repeating.
    async fn stream_past_stumbles(&self, call: &Call<'_>) -> Result<Chunks, TenantError> {
        for pause in STUMBLES {
            match self.stream(call).await {
                Err(error) if error.refused().is_some_and(is_stumble) => self.clock.sleep(pause).await,
                done => return done,
            }
        }
        self.stream(call).await
    }

    pub(super) async fn get_schema(&self) -> Result<HuntSchema, TenantError> {
        let address = self.at(Audience::Graph, SCHEMA, "beta/security/getHuntingSchema", &[])?;
        let answer = self.send(&Call::read(Audience::Graph, SCHEMA, Request::get(address))).await?;
        let told: Told = decode(SCHEMA, &answer.body)?;
        let columns = |table: &ToldTable| {
            table.columns.iter().map(|column| (column.name.clone(), column.data_type.clone())).collect()
        };
        let functions = told.functions.saved_functions.iter();
        Ok(HuntSchema {
            tables: told.tables.iter().map(|table| (table.name.clone(), columns(table))).collect(),
            functions: functions.filter_map(|saved| saved.get("name")?.as_str().map(str::to_owned)).collect(),
        })
    }

    fn query_call(&self, query: &HuntQuery, limits: &HuntLimits) -> Result<Call<'static>, TenantError> {
        let (audience, asked, route, mut body) = match self.hunting {
            HuntingApi::Graph => {
                (Audience::Graph, GRAPH, "v1.0/security/runHuntingQuery", json!({"Query": query.query}))
            }
            HuntingApi::Xdr => (Audience::Xdr, XDR, "api/advancedhunting/run", json!({"Query": query.query})),
            HuntingApi::Mde => (Audience::Mde, MDE, "api/advancedqueries/run", json!({"Query": query.query})),
        };
        if let (HuntingApi::Graph, Some(length), Some(body)) =
            (self.hunting, query.timespan, body.as_object_mut())
        {
            body.insert("Timespan".to_owned(), timespan(length).into());
        }
        let request = with_json(asked, Request::post(self.at(audience, asked, route, &[])?), &body)?;
        let limits = Limits { bytes_max: limits.bytes_max, time_max: limits.time_max };
        Ok(Call { limits, ..Call::read(audience, asked, request) })
    }
}

/// Whether a query failed for the service's own reasons, and nobody has repeated it.
fn is_stumble(refused: &Refused) -> bool {
    refused.fault == Some(HuntFault::Service) && refused.status == 400
}

/// Writes a look-back as the API's pages do (`P7D`, `PT90M` as `PT1H30M`): in days as far as it goes.
fn timespan(length: SignedDuration) -> String {
    const DAY: i64 = 86_400;
    let seconds = length.as_secs().max(1);
    let (days, rest) = (seconds / DAY, seconds % DAY);
    let span = SignedDuration::from_secs(rest);
    match (days, rest) {
        (0, _) => span.to_string(),
        (_, 0) => format!("P{days}D"),
        _ => format!("P{days}D{}", span.to_string().trim_start_matches('P')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timespan_is_iso_8601_with_days() {
        for (seconds, text) in
            [(0, "PT1S"), (90, "PT1M30S"), (7200, "PT2H"), (604_800, "P7D"), (90_061, "P1DT1H1M1S")]
        {
            assert_eq!(timespan(SignedDuration::from_secs(seconds)), text);
        }
    }
}
