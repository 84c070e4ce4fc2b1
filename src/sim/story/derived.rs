//! Tables that say again what the other APIs say: devices, accounts, alerts and their evidence.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::cast::{Cast, device, hashes};
use crate::kql::{Library, LibraryError, PLACES_OF_ADDRESSES};
use crate::sim::SimError;
use crate::sim::seed::{SimAlert, SimData, SimMachine, SimUser, instant, items};

/// How long the service keeps what devices report.
const KEPT_DAYS: i64 = 30;

/// Fills the derived tables.
pub(super) fn fill(data: &SimData, cast: &Cast, library: &mut Library) -> Result<(), LibraryError> {
    let devices: Vec<_> = data.machines.iter().flat_map(|machine| device_info(machine, cast)).collect();
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

/// A file that the service knows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KnownFile {
    /// What its hashes are made of.
    label: String,
    file_size: u64,
    prevalence: u64,
    signature: String,
    #[serde(default)]
    signer: String,
    #[serde(default)]
    threat: String,
}

/// Fills the answers of the service's own functions, and the places of addresses.
pub(super) fn answers(data: &SimData, cast: &Cast, library: &mut Library) -> Result<(), SimError> {
    let files: Vec<KnownFile> = items("story/files.json", include_str!("../data/story/files.json"))?;
    let places: Vec<Map<String, Value>> =
        items("story/places.json", include_str!("../data/story/places.json"))?;
    let profiles: Vec<_> = files.iter().map(|file| profile(file, cast)).collect();
    let machines = data.machines.iter();
    let addresses: Vec<_> = machines.clone().map(|machine| address(machine, cast)).collect();
    let gateway = data.machines.first().map(|machine| machine.id.clone());
    let seen = machines.map(|machine| object(json!({"DeviceId": machine.id, "SeenBy": [gateway]}))).collect();
    let tables = [
        ("FileProfile", profiles),
        ("DeviceFromIP", addresses.clone()),
        ("AssignedIPAddresses", addresses),
        ("SeenBy", seen),
        (PLACES_OF_ADDRESSES, places),
    ];
    for (name, rows) in tables {
        let damaged = |error| SimError::Data { name: name.to_owned(), source: Box::new(error) };
        library.fill(name, &rows).map_err(damaged)?;
    }
    Ok(())
}

fn profile(file: &KnownFile, cast: &Cast) -> Map<String, Value> {
    let valid = file.signature == "SignedValid";
    let mut row = hashes(&file.label, "");
    row.extend(object(json!({
        "FileSize": file.file_size, "GlobalPrevalence": file.prevalence, "GlobalFirstSeen": at("-900d", cast.now),
        "GlobalLastSeen": at("-1h", cast.now), "Signer": file.signer, "Issuer": file.signer,
        "IsCertificateValid": valid, "IsRootSignerMicrosoft": valid && file.signer.starts_with("Microsoft"),
        "SignatureState": file.signature, "IsExecutable": true, "ThreatName": file.threat,
        "ProfileAvailability": "Available",
    })));
    row
}

/// The address of a machine, for questions from either side.
fn address(machine: &SimMachine, cast: &Cast) -> Map<String, Value> {
    object(json!({
        "IP": machine.last_ip_address, "DeviceId": machine.id, "Timestamp": at(&machine.last_seen, cast.now),
        "IPAddress": machine.last_ip_address, "IPType": "Private", "NetworkAdapterType": "Ethernet",
        "ConnectedNetworks": "[]",
    }))
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

/// What a device reported: every hour of its last day, and once a day before.
fn device_info(machine: &SimMachine, cast: &Cast) -> impl Iterator<Item = Map<String, Value>> {
    let last = instant(&machine.last_seen, cast.now).unwrap_or(cast.now);
    let first = instant(&machine.first_seen, cast.now).unwrap_or(Timestamp::MIN);
    let hours = (0..24).chain((1..KEPT_DAYS).map(|day| day * 24));
    let moments = hours.filter_map(move |back| last.checked_sub(SignedDuration::from_hours(back)).ok());
    let mut row = device(machine);
    row.extend(object(json!({
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
        "MergedToDeviceId": machine.merged_to,
        "DeviceManualTags": json!(machine.machine_tags).to_string(),
    })));
    moments.filter(move |at| first <= *at).map(move |at| {
        let mut row = row.clone();
        row.insert("Timestamp".to_owned(), at.to_string().into());
        row
    })
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
        "AssignedRoles": user.directory_roles(),
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
