//! Which product fills which table.

/// Beginnings of tables' names, the longer ones first, and the product whose licence brings them.
///
/// Source: the schema pages of advanced hunting; rough, as they are.
const PRODUCTS: &[(&str, &str)] = &[
    ("DeviceTvm", "Defender Vulnerability Management"),
    ("DeviceBaseline", "Defender Vulnerability Management"),
    ("Device", "Defender for Endpoint"),
    ("Email", "Defender for Office 365"),
    ("Url", "Defender for Office 365"),
    ("Campaign", "Defender for Office 365"),
    ("Message", "Defender for Office 365"),
    ("Identity", "Defender for Identity"),
    ("EntraId", "Entra ID P2"),
    ("AADS", "Entra ID P2"),
    ("GraphAPI", "Entra ID P1 or P2"),
    ("CloudAppEvents", "Defender for Cloud Apps"),
    ("OAuthAppInfo", "Defender for Cloud Apps, with app governance"),
    ("CloudAudit", "Defender for Cloud"),
    ("CloudProcess", "Defender for Cloud"),
    ("CloudDns", "Defender for Cloud"),
    ("CloudStorage", "Defender for Cloud"),
    ("CloudPolicy", "Defender for Cloud"),
    ("DataSecurity", "Microsoft Purview"),
    ("Exposure", "Security Exposure Management"),
];

/// The product whose licence brings a table; `None` where every tenant has it, or nobody knows.
#[must_use]
pub fn product(table: &str) -> Option<&'static str> {
    PRODUCTS.iter().find(|(begin, _)| table.starts_with(begin)).map(|(_, product)| *product)
}
