//! Tables that say again what the other APIs say: devices, accounts, alerts and their evidence.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cast::{Cast, device};
use crate::kql::{Library, LibraryError};
use crate::sim::seed::{SimAlert, SimData, SimMachine, SimUser, instant};

/// Fills the derived tables.
pub(super) fn fill(data: &SimData, cast: &Cast, library: &mut Library) -> Result<(), LibraryError> {
    let devices: Vec<_> = data.machines.iter().map(|machine| device_info(machine, cast)).collect();
    library.fill("DeviceInfo", &devices)?;
    let identities: Vec<_> = data.users.iter().map(|user| identity_info(user, cast)).collect();
    library.fill("IdentityInfo", &identities)?;
    for alert in &data.alerts {
        library.fill("AlertInfo", &[alert_info(alert, cast)])?;
        let evidence: Vec<_> = alert.evidence.iter().filter_map(|item| evidence(alert, item, cast)).collect();
        library.fill("AlertEvidence", &evidence)?;
    }
    Ok(())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// A relative time of the story; now, if it is none.
fn at(text: &str, now: Timestamp) -> String {
    instant(text, now).unwrap_or(now).to_string()
}

fn device_info(machine: &SimMachine, cast: &Cast) -> Map<String, Value> {
    let mut row = device(machine);
    row.extend(object(json!({
        "Timestamp": at(&machine.last_seen, cast.now),
        "PublicIP": machine.last_external_ip_address,
        "OSPlatform": machine.os_platform,
        "OSVersion": machine.version,
        "OSBuild": machine.os_build,
        "AadDeviceId": machine.aad_device_id,
        "IsAzureADJoined": machine.is_aad_joined,
        "MachineGroup": machine.rbac_group_name,
        "OnboardingStatus": machine.onboarding_status,
        "SensorHealthState": machine.health_status,
        "ExposureLevel": machine.exposure_level,
        "AssetValue": machine.device_value,
        "DeviceManualTags": json!(machine.machine_tags).to_string(),
    })));
    row
}

fn identity_info(user: &SimUser, cast: &Cast) -> Map<String, Value> {
    let mut row = cast.account(user, "");
    row.remove("AccountSid");
    row.extend(object(json!({
        "Timestamp": at("-3h", cast.now),
        "EmailAddress": user.mail,
        "Department": user.department,
        "JobTitle": user.job_title,
        "IsAccountEnabled": user.account_enabled,
        "Type": "User",
        "AssignedRoles": if user.privileged { json!(["Global Administrator"]) } else { json!([]) },
    })));
    row
}

/// The names products have in tables.
fn product(source: &str) -> &str {
    match source {
        "microsoftDefenderForEndpoint" => "Microsoft Defender for Endpoint",
        "microsoftDefenderForOffice365" => "Microsoft Defender for Office 365",
        "azureAdIdentityProtection" => "Microsoft Entra ID Protection",
        other => other,
    }
}

fn detection(source: &str) -> &str {
    match source {
        "microsoftDefenderForEndpoint" => "EDR",
        "antivirus" => "Antivirus",
        other => product(other),
    }
}

/// `high` is `High` in tables.
fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn alert_info(alert: &SimAlert, cast: &Cast) -> Map<String, Value> {
    object(json!({
        "Timestamp": at(&alert.created_date_time, cast.now),
        "AlertId": alert.id,
        "Title": alert.title,
        "Category": alert.category,
        "Severity": capitalised(&alert.severity),
        "ServiceSource": product(&alert.service_source),
        "DetectionSource": detection(&alert.detection_source),
        "AttackTechniques": json!(alert.mitre_techniques).to_string(),
    }))
}

/// The row of a piece of evidence; none for kinds the story does not have.
fn evidence(alert: &SimAlert, item: &Value, cast: &Cast) -> Option<Map<String, Value>> {
    let kind = item.get("@odata.type")?.as_str()?.rsplit('.').next()?;
    let columns = match kind {
        "deviceEvidence" => json!({
            "EntityType": "Machine", "DeviceId": item["mdeDeviceId"], "DeviceName": item["deviceDnsName"],
        }),
        "userEvidence" => {
            let account = item.get("userAccount")?;
            json!({
                "EntityType": "User", "AccountName": account["accountName"], "AccountDomain": account["domainName"],
                "AccountSid": account["userSid"], "AccountObjectId": account["azureAdUserId"],
                "AccountUpn": account["userPrincipalName"],
            })
        }
        "fileEvidence" => {
            let file = item.get("fileDetails")?;
            json!({
                "EntityType": "File", "DeviceId": item["mdeDeviceId"], "FileName": file["fileName"],
                "FolderPath": file["filePath"], "SHA1": file["sha1"], "SHA256": file["sha256"],
                "FileSize": file["fileSize"], "ThreatFamily": alert.threat_family_name,
            })
        }
        "analyzedMessageEvidence" => json!({
            "EntityType": "MailMessage", "NetworkMessageId": item["networkMessageId"],
            "EmailSubject": item["subject"], "AccountUpn": item["recipientEmailAddress"],
        }),
        _ => return None,
    };
    let mut row = object(columns);
    row.extend(object(json!({
        "Timestamp": at(&alert.created_date_time, cast.now),
        "AlertId": alert.id,
        "Title": alert.title,
        "Severity": capitalised(&alert.severity),
        "Categories": json!([alert.category]).to_string(),
        "AttackTechniques": json!(alert.mitre_techniques).to_string(),
        "ServiceSource": product(&alert.service_source),
        "DetectionSource": detection(&alert.detection_source),
        "EvidenceRole": "Impacted",
    })));
    Some(row)
}
