//! A channel: one place to tell people things.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret::SecretRef;

/// A channel as written, key by key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["email"]}, {"required": ["teams"]}, {"required": ["slack"]}, {"required": ["webhook"]}
]))]
struct ChannelItem {
    /// Mail over SMTP.
    email: Option<EmailSettings>,
    /// A Workflows webhook of Microsoft Teams.
    teams: Option<HookSettings>,
    /// An incoming webhook of Slack.
    slack: Option<HookSettings>,
    /// A receiver of your own, signed after Standard Webhooks.
    webhook: Option<WebhookSettings>,
}

/// One place to tell people things.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "ChannelItem")]
pub enum ChannelSettings {
    /// Mail over SMTP.
    Email(EmailSettings),
    /// A Workflows webhook of Microsoft Teams.
    Teams(HookSettings),
    /// An incoming webhook of Slack.
    Slack(HookSettings),
    /// A receiver of one's own.
    Webhook(WebhookSettings),
}

/// A channel without a kind, or with several.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a channel has exactly one kind")]
struct NotOneKind;

impl ChannelSettings {
    /// If many people read what is told there: what they may be told beside what all chats are.
    #[must_use]
    pub const fn chat(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Teams(hook) | Self::Slack(hook) => Some(&hook.columns),
            Self::Email(_) | Self::Webhook(_) => None,
        }
    }

    /// Whether it may lead to hosts that are not public. Mail goes where its settings say: a mail server is mostly the
    /// house's own.
    #[must_use]
    pub const fn may_be_private(&self) -> bool {
        match self {
            Self::Email(_) => true,
            Self::Teams(hook) | Self::Slack(hook) => hook.private_addresses,
            Self::Webhook(hook) => hook.private_addresses,
        }
    }
}

impl TryFrom<ChannelItem> for ChannelSettings {
    type Error = NotOneKind;

    fn try_from(item: ChannelItem) -> Result<Self, NotOneKind> {
        let ChannelItem { email, teams, slack, webhook } = item;
        match (email, teams, slack, webhook) {
            (Some(email), None, None, None) => Ok(Self::Email(email)),
            (None, Some(teams), None, None) => Ok(Self::Teams(teams)),
            (None, None, Some(slack), None) => Ok(Self::Slack(slack)),
            (None, None, None, Some(webhook)) => Ok(Self::Webhook(webhook)),
            _ => Err(NotOneKind),
        }
    }
}

impl JsonSchema for ChannelSettings {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Channel".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        ChannelItem::json_schema(generator)
    }
}

/// A mail server and the people who get the mail.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmailSettings {
    /// Host of the mail server; also the name its certificate must carry.
    #[schemars(length(min = 1), example = &"smtp.contoso.example")]
    pub host: String,
    /// Port; the usual one of the `security` when left out.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Protection of the connection; `starttls` by default.
    #[serde(default)]
    pub security: MailSecurity,
    /// Name to log in with; without it there is no login.
    #[schemars(length(min = 1))]
    pub username: Option<String>,
    /// Where the password is found; goes with `username`.
    pub password: Option<SecretRef>,
    /// Sender.
    #[schemars(length(min = 1), example = &"huntbook <huntbook@contoso.example>")]
    pub from: String,
    /// Recipients.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1)), example = ["soc@contoso.example"])]
    pub to: Vec<String>,
}

/// Protection of a mail connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// Starts in the clear and must switch to TLS before anything else (port 587).
    #[default]
    StartTls,
    /// TLS from the first byte (port 465).
    Tls,
    /// No protection (port 25); only to this machine.
    None,
}

/// A webhook whose address is itself a secret.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HookSettings {
    /// Where the address is found. Whoever knows the address can post, so it is a secret.
    pub url: SecretRef,
    /// Whether its host may be one that is not public: of this machine, of a private network, of the platform.
    #[serde(default)]
    pub private_addresses: bool,
    /// What messages may tell here of rows, incidents and alerts, beside what every chat is told: names of columns, and
    /// fields as `description` or `alerts.evidence`. `"*"` is everything.
    #[serde(default)]
    #[schemars(inner(length(min = 1)), example = ["ProcessCommandLine"])]
    pub columns: BTreeSet<String>,
}

/// A receiver of one's own.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookSettings {
    /// The address, or where it is found if it is a secret.
    pub url: PlainOrSecret,
    /// Whether its host may be one that is not public: of this machine, of a private network, of the platform.
    #[serde(default)]
    pub private_addresses: bool,
    /// Where the signing secret is found (Standard Webhooks, `whsec_...`); unsigned without it.
    pub secret: Option<SecretRef>,
    /// Where the signing secret before is found, while one replaces the other.
    pub previous_secret: Option<SecretRef>,
    /// How a message is written; `json` by default.
    #[serde(default)]
    pub format: HookFormat,
}

/// How a message to a webhook is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HookFormat {
    /// A JSON document.
    #[default]
    Json,
    /// One event in the Common Event Format, as collectors of logs read it.
    Cef,
}

/// A value that may be written here, or found elsewhere.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PlainOrSecret {
    /// The value.
    Plain(#[schemars(length(min = 1))] String),
    /// Where it is found.
    Secret(SecretRef),
}
