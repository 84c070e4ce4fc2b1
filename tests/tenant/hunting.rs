//! Hunting queries.

use std::sync::Arc;

use huntbook::http::{Applied, Retry};
use huntbook::model::{Projection, Wanted};
use huntbook::rows::Flow;
use huntbook::tenant::{HuntAnswer, HuntFault, HuntLimits, HuntQuery, HuntingApi, Tenant, TenantError};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::bench::{Reply, Server};

fn query() -> HuntQuery {
    HuntQuery { query: "T | where A == \"ü\"".to_owned(), timespan: Some(SignedDuration::from_hours(48)) }
}

/// Hunts, and returns the rows as JSON beside the answer.
async fn hunt(
    tenant: &dyn Tenant,
    rows_max: u64,
    stop_after: usize,
) -> (Vec<Value>, Result<HuntAnswer, TenantError>) {
    let wanted = Arc::new(Projection::new(["A", "N"]));
    let limits = HuntLimits { rows_max, ..HuntLimits::default() };
    let mut rows = Vec::new();
    let answer = tenant
        .hunt(&query(), &Wanted::Only(Arc::clone(&wanted)), &limits, &mut |row| {
            rows.push(serde_json::to_value(row.to_row()).unwrap());
            if rows.len() >= stop_after { Flow::Stop } else { Flow::Continue }
        })
        .await;
    (rows, answer)
}

fn three_rows() -> Value {
    json!({
        "schema": [{"name": "A", "type": "String"}, {"name": "N", "type": "Int64"}],
        "results": [{"A": "x", "N": 1, "B": 0}, {"A": null, "N": 9_007_199_254_740_993_i64}, {"A": "y"}],
    })
}

#[tokio::test]
async fn rows_arrive_one_by_one_with_the_wanted_columns() {
    let server = Server::tenant(|_| Reply::json(200, &three_rows())).await;
    let (tenant, _clock) = server.client();
    let (rows, answer) = hunt(&tenant, 100, usize::MAX).await;
    let answer = answer.unwrap();
    assert_eq!(
        rows,
        [
            json!({"A": "x", "N": 1}),
            json!({"A": null, "N": 9_007_199_254_740_993_i64}),
            json!({"A": "y", "N": null})
        ]
    );
    assert_eq!((answer.rows, answer.quarantined, answer.truncated), (3, 0, false));
    assert_eq!(answer.columns.len(), 2);
    let calls = server.calls();
    let call = calls.first().unwrap();
    assert_eq!(call.line(), "POST /v1.0/security/runHuntingQuery");
    assert_eq!(call.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(call.json(), json!({"Query": "T | where A == \"ü\"", "Timespan": "P2D"}));
    assert!(call.header("client-request-id").is_some_and(|id| uuid::Uuid::parse_str(id).is_ok()));
}

#[tokio::test]
async fn the_older_endpoints_speak_another_case_and_have_no_timespan() {
    for (api, scope_wanted, line) in [
        (HuntingApi::Xdr, "https://api.security.microsoft.com/.default", "POST /api/advancedhunting/run"),
        (
            HuntingApi::Mde,
            "https://api.securitycenter.microsoft.com/.default",
            "POST /api/advancedqueries/run",
        ),
    ] {
        let server = Server::tenant(|_| {
            Reply::json(
                200,
                &json!({
                    "Stats": {"ExecutionTime": 0.1, "resource_usage": {"cpu": {"total cpu": "00:00:01"}}},
                    "Schema": [{"Name": "A", "Type": "String"}],
                    "Results": [{"A": "x"}],
                }),
            )
        })
        .await;
        let (tenant, _clock) = server.client_with(api);
        let (rows, answer) = hunt(&tenant, 100, usize::MAX).await;
        assert_eq!(rows, [json!({"A": "x", "N": null})]);
        assert_eq!(answer.unwrap().rows, 1);
        let seen = server.seen();
        let scope = seen.first().unwrap().form().get("scope").cloned();
        assert_eq!(scope.as_deref(), Some(scope_wanted));
        let call = seen.last().unwrap();
        assert_eq!(call.line(), line);
        assert_eq!(call.json(), json!({"Query": "T | where A == \"ü\""}));
    }
}

#[tokio::test]
async fn a_full_answer_counts_as_truncated_and_a_reader_may_stop() {
    let server = Server::tenant(|_| Reply::json(200, &three_rows())).await;
    let (tenant, _clock) = server.client();
    let (_rows, answer) = hunt(&tenant, 3, usize::MAX).await;
    assert!(answer.unwrap().truncated);
    let (rows, answer) = hunt(&tenant, 100, 2).await;
    assert_eq!(rows.len(), 2);
    assert_eq!(answer.unwrap().rows, 2);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_a_short_one() {
    for body in [r#"{"schema":[],"results":[{"A":"x"}"#, "", "[]", r#"{"schema":[]}"#] {
        let server = Server::tenant(move |_| Reply::new(200, body)).await;
        let (tenant, _clock) = server.client();
        let (_rows, answer) = hunt(&tenant, 100, usize::MAX).await;
        assert!(matches!(answer, Err(TenantError::Rows(_))), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn a_large_answer_is_refused() {
    let server = Server::tenant(|_| Reply::new(200, "x".repeat(4096))).await;
    let (tenant, _clock) = server.client();
    let limits = HuntLimits { bytes_max: 1024, ..HuntLimits::default() };
    let answer = tenant.hunt(&query(), &Wanted::All, &limits, &mut |_| Flow::Continue).await;
    assert!(matches!(answer, Err(TenantError::Http { .. })), "{answer:?}");
}

/// One refusal: status, message, and what is made of it.
#[track_caller]
fn check(error: &TenantError, fault: Option<HuntFault>, retry: Retry) {
    let refused = error.refused().unwrap();
    assert_eq!((refused.fault, error.retry()), (fault, retry), "{error}");
    assert_eq!(error.applied(), Applied::No, "{error}");
}

#[tokio::test]
async fn refusals_are_told_apart_by_the_services_own_texts() {
    let table = [
        (
            400,
            "'where' operator: Failed to resolve column 'X'. Fix semantic errors in your query.",
            Some(HuntFault::Query),
            Retry::Never,
        ),
        (400, "Query exceeded the timeout period.", Some(HuntFault::Time), Retry::Never),
        (
            400,
            "Query execution has exceeded the allowed result size. Optimize your query",
            Some(HuntFault::Size),
            Retry::Never,
        ),
        (
            400,
            "An unexpected error occurred during query execution",
            Some(HuntFault::Service),
            Retry::Backoff,
        ),
        (
            429,
            "Processing resources allocated to this tenant are used up. You can run queries again in 59 minutes.",
            Some(HuntFault::Quota),
            Retry::After(SignedDuration::from_mins(59)),
        ),
        (403, "Missing application roles", None, Retry::Never),
    ];
    for (status, message, fault, retry) in table {
        let body =
            json!({"error": {"code": "BadRequest", "message": message, "innerError": {"request-id": "r-1"}}});
        let server = Server::tenant(move |_| Reply::json(status, &body)).await;
        let (tenant, _clock) = server.client();
        let (rows, answer) = hunt(&tenant, 100, usize::MAX).await;
        let error = answer.unwrap_err();
        check(&error, fault, retry);
        assert!(
            error.to_string().contains(message) && error.to_string().ends_with("[request r-1]"),
            "{error}"
        );
        assert!(rows.is_empty());
    }
}

#[tokio::test]
async fn a_query_that_was_too_heavy_is_repeated_once() {
    let body = json!({"error": {"code": "UnknownError", "message": "", "innerError": {"request-id": "r-1"}}});
    let server = Server::tenant(move |_| Reply::json(504, &body)).await;
    let (tenant, _clock) = server.client();
    let (_rows, answer) = hunt(&tenant, 100, usize::MAX).await;
    check(&answer.unwrap_err(), Some(HuntFault::Time), Retry::Never);
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    for (api, role) in
        [(HuntingApi::Graph, "ThreatHunting.Read.All"), (HuntingApi::Xdr, "AdvancedHunting.Read.All")]
    {
        let server = Server::tenant(|_| Reply::new(403, "")).await;
        let (tenant, _clock) = server.client_with(api);
        let (_rows, answer) = hunt(&tenant, 100, usize::MAX).await;
        assert_eq!(
            answer.unwrap_err().to_string(),
            format!("`runHuntingQuery` was refused with status 403: the app lacks the permission `{role}`")
        );
    }
}
