//! Alerts in Defender for Endpoint: several at once, and new ones about events.

use serde_json::{Map, Value, json};

use super::users::DONE;
use super::{Call, Change, Client, asked, with_json};
use crate::http::Request;
use crate::model::AlertId;
use crate::tenant::{AlertPatch, NewAlert, Receipt, TenantError, words};

impl Client {
    /// Changes several alerts. The answer is empty; a determination that is refused (400) is spelled the other
    /// way once.
    pub(super) async fn update_alerts(
        &self,
        change: &Change<'_>,
        alerts: &[AlertId],
        (patch, comment): (&AlertPatch, Option<&str>),
    ) -> Result<Receipt, TenantError> {
        let spelled = patch.determination.map(words::mde_determination);
        let (first, second) = spelled.map_or((None, None), |(first, second)| (Some(first), second));
        match self.batch(change, batch_body(alerts, (patch, comment), first)).await {
            Err(error) if error.refused().is_some_and(|refused| refused.status == 400) => {
                let Some(second) = second else { return Err(error) };
                match self.batch(change, batch_body(alerts, (patch, comment), Some(second))).await {
                    Err(again) if again.refused().is_some_and(|refused| refused.status == 400) => Err(error),
                    done => done,
                }
            }
            done => done,
        }
    }

    async fn batch(&self, change: &Change<'_>, body: Value) -> Result<Receipt, TenantError> {
        let address = self.address(change, "api/alerts/batchUpdate", &[])?;
        let request = with_json(asked(change), Request::post(address), &body)?;
        self.send(&Call::write(change, request)).await?;
        Ok(DONE)
    }

    /// Raises an alert about an event, which the service finds by device, time and report.
    pub(super) async fn create_alert(
        &self,
        change: &Change<'_>,
        alert: &NewAlert,
    ) -> Result<Receipt, TenantError> {
        let address = self.address(change, "api/alerts/CreateAlertByReference", &[])?;
        let mut body = json!(alert);
        if let Some(severity) = body.get_mut("severity") {
            *severity = words::pascal(alert.severity.as_str()).into();
        }
        let request = with_json(asked(change), Request::post(address), &body)?;
        self.send(&Call::write(change, request)).await?;
        Ok(DONE)
    }
}

fn batch_body(
    alerts: &[AlertId],
    (patch, comment): (&AlertPatch, Option<&str>),
    determination: Option<String>,
) -> Value {
    let mut body = Map::new();
    body.insert("alertIds".to_owned(), json!(alerts));
    let texts = [
        ("status", patch.status.map(|status| words::pascal(status.as_str()))),
        ("classification", patch.classification.map(|word| words::pascal(word.as_str()))),
        ("determination", determination),
        ("assignedTo", patch.assigned_to.clone()),
        ("comment", comment.map(str::to_owned)),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            body.insert(name.to_owned(), text.into());
        }
    }
    body.into()
}
