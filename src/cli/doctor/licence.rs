//! Licences, as far as anybody says: the tables of a tenant tell which products it has.
//!
//! A table of a product that is not licensed answers like a misspelt one. Which licences a tenant has, Microsoft Graph
//! says to apps that may read the organisation; huntbook does not ask for that permission, and says what it cannot know.

use std::collections::{BTreeMap, BTreeSet};

use super::flaw;
use super::report::Report;
use super::tenant::{Examined, State};
use crate::action::Params;
use crate::diag::Chain;
use crate::kql::{Query, Schema, product};
use crate::plan::{Input, Plan};
use crate::tenant::{Client, IndicatorType, Tenant as _, TenantError};

/// What of a playbook depends on licences.
#[derive(Debug, Default)]
pub(super) struct Licensed {
    /// The tables its query reads.
    tables: BTreeSet<String>,
    /// The licences its actions need beside Defender for Endpoint and Defender XDR, and the actions.
    actions: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// Whether it writes indicators of what goes over the network.
    network: bool,
}

impl Licensed {
    /// What of a playbook depends on licences.
    pub(super) fn of(plan: &Plan, tables: &Schema) -> Self {
        let mut found = Self::default();
        if let Input::Hunt(hunt) = &plan.input {
            found.tables = Query::read(&hunt.hunt.query, tables).tables().map(str::to_owned).collect();
        }
        found.network = plan.steps.iter().any(|step| {
            let kind = match &step.params {
                Params::AddIndicator(params) => Some(params.kind),
                Params::ReconcileIndicators(params) => Some(params.each.kind),
                _ => None,
            };
            matches!(kind, Some(IndicatorType::IpAddress | IndicatorType::DomainName | IndicatorType::Url))
        });
        for kind in plan.steps.iter().map(|step| step.params.kind()) {
            if let Some(licence) = kind.licence() {
                found.actions.entry(licence).or_default().insert(kind.as_str());
            }
        }
        found
    }
}

impl Examined {
    /// Holds the tables that hunts read against those the tenant says it has.
    pub(super) async fn look_at_licences(&self, client: &Client, report: &mut Report) {
        for playbook in &self.playbooks {
            if playbook.licensed.network {
                let message = "addresses, domains and URLs are stopped only by devices that look at them; no API tells which do";
                report.note((flaw::NETWORK_UNASKED, &playbook.name), message);
            }
            for (licence, actions) in &playbook.licensed.actions {
                let actions: Vec<&str> = actions.iter().copied().collect();
                let message = format!("{} in `{}` needs {licence}", actions.join(", "), self.name);
                report.note((flaw::LICENCE_UNASKED, &playbook.name), message);
            }
        }
        let hunts = self.playbooks.iter().any(|playbook| !playbook.licensed.tables.is_empty());
        // Who may not hunt is told that, and would be refused this.
        if !hunts || self.state(client.hunting().permission()) == State::Missing {
            return;
        }
        let there: BTreeSet<String> = match client.hunt_schema().await {
            Ok(Some(schema)) => schema.tables.into_iter().map(|(name, _)| name.to_lowercase()).collect(),
            Ok(None) => {
                let message = format!(
                    "which tables the tenant has is told by Microsoft Graph only, and `hunting: {}` is set",
                    client.hunting().as_str()
                );
                return report.note((flaw::TABLES_UNKNOWN, &self.name), message);
            }
            Err(TenantError::Refused(refused)) if matches!(refused.status, 400 | 404 | 405 | 501) => {
                let status = refused.status;
                let message = format!("the tenant does not tell which tables it has (status {status})");
                return report.note((flaw::TABLES_UNKNOWN, &self.name), message);
            }
            Err(error) => {
                let message = format!("which tables the tenant has is not known: {}", Chain(&error));
                return report.note((flaw::TABLES_UNKNOWN, &self.name), message);
            }
        };
        for playbook in &self.playbooks {
            let missing =
                playbook.licensed.tables.iter().filter(|name| !there.contains(&name.to_lowercase()));
            for table in missing {
                let of = product(table).map(|product| format!(": it comes with {product}"));
                let message = format!("`{}` has no table `{table}`{}", self.name, of.unwrap_or_default());
                report.problem((flaw::NO_TABLE, &playbook.name), message, None);
            }
        }
        report.fine(format!("the tables of `{}`", self.name));
    }
}
