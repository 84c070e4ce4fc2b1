//! Restrictions of the rules that run a query.

use super::walk::{self, Visit};
use super::{Context, NOT_NEAR_REAL_TIME, NearRealTime, TOO_LONG};
use crate::diagnostic::Diagnostic;
use crate::schema::Database;
use crate::syntax::{Expr, ExprKind, Operator, OperatorKind};
use crate::text::Span;

/// Tables whose events can be had near real time. Source: the service's page on custom detections.
const TABLES: [&str; 20] = [
    "AlertEvidence",
    "CloudAppEvents",
    "DeviceEvents",
    "DeviceFileCertificateInfo",
    "DeviceFileEvents",
    "DeviceImageLoadEvents",
    "DeviceInfo",
    "DeviceLogonEvents",
    "DeviceNetworkEvents",
    "DeviceNetworkInfo",
    "DeviceProcessEvents",
    "DeviceRegistryEvents",
    "EmailAttachmentInfo",
    "EmailEvents",
    "EmailPostDeliveryEvents",
    "EmailUrlInfo",
    "IdentityDirectoryEvents",
    "IdentityLogonEvents",
    "IdentityQueryEvents",
    "UrlClickEvents",
];

/// Reports what keeps a query from running near real time: another table, a join or union, data
/// from outside, comments.
pub(super) fn near_real_time(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if context.purpose.near_real_time == NearRealTime::No {
        return;
    }
    let mut look = Look { database: context.database, first: None, found };
    walk::query(&context.checked.parsed.query, &mut look);
    for comment in &context.checked.parsed.comments {
        let message = "comments are not possible in a near-real-time query";
        found.push(Diagnostic::error(NOT_NEAR_REAL_TIME, *comment, message).with_fix(*comment, ""));
    }
}

struct Look<'f, 'a> {
    database: &'a Database,
    first: Option<String>,
    found: &'f mut Vec<Diagnostic>,
}

impl Look<'_, '_> {
    fn refuse(&mut self, span: Span, message: impl Into<String>) {
        self.found.push(Diagnostic::error(NOT_NEAR_REAL_TIME, span, message));
    }

    fn table(&mut self, name: &str, span: Span) {
        if !TABLES.contains(&name) {
            self.refuse(span, format!("events of `{name}` do not come near real time"));
        }
        match &self.first {
            Some(first) if first != name => {
                self.refuse(span, "a near-real-time query reads a single table");
            }
            Some(_) => {}
            None => self.first = Some(name.to_owned()),
        }
    }
}

impl<'a> Visit<'a> for Look<'_, '_> {
    fn expr(&mut self, expr: &'a Expr) {
        if let Some((name, span)) = walk::table_named(expr)
            && let Some(table) = self.database.table(name)
        {
            let table = table.name.to_owned();
            self.table(&table, span);
        }
        if let ExprKind::ExternalData { .. } = &expr.kind {
            self.refuse(expr.span, "`externaldata` is not possible in a near-real-time query");
        }
    }

    fn operator(&mut self, operator: &'a Operator) {
        let word = match &operator.kind {
            OperatorKind::Join(_) => "join",
            OperatorKind::Lookup(_) => "lookup",
            OperatorKind::Union(_) => "union",
            OperatorKind::Search(_) => "search",
            OperatorKind::Find(_) => "find",
            _ => return,
        };
        self.refuse(operator.keyword, format!("`{word}` is not possible in a near-real-time query"));
    }
}

/// Reports a text that is longer than it may be.
pub(super) fn length(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(max) = context.purpose.length_max else {
        return;
    };
    let length = context.text.chars().count();
    if length <= max {
        return;
    }
    let end = u32::try_from(context.text.len()).unwrap_or(u32::MAX);
    let beyond =
        context.text.char_indices().nth(max).and_then(|(at, _)| u32::try_from(at).ok()).unwrap_or(end);
    let message = format!("the query has {length} characters; {max} are possible");
    found.push(Diagnostic::error(TOO_LONG, Span::new(beyond, end), message));
}
