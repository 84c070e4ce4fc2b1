//! What an action acts on, and what is known of it.

use std::collections::BTreeMap;

use crate::model::{DeviceId, UserId};

/// Kinds of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    /// A device.
    Device,
    /// A user.
    User,
    /// An incident.
    Incident,
    /// An alert.
    Alert,
    /// An indicator.
    Indicator,
    /// A mail in a mailbox.
    Email,
}

impl TargetKind {
    /// What people call it, and the first part of a target's key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::User => "user",
            Self::Incident => "incident",
            Self::Alert => "alert",
            Self::Indicator => "indicator",
            Self::Email => "mail",
        }
    }
}

/// What a target has that can be excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// A tag of a device.
    Tag,
    /// The group that a device is in.
    Group,
    /// What a device is worth to the business.
    Value,
    /// A directory role of a user, whichever way it comes.
    Role,
}

impl Feature {
    /// What people call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Group => "device group",
            Self::Value => "device value",
            Self::Role => "directory role",
        }
    }

    /// What has it.
    #[must_use]
    pub const fn of(self) -> TargetKind {
        match self {
            Self::Tag | Self::Group | Self::Value => TargetKind::Device,
            Self::Role => TargetKind::User,
        }
    }
}

/// What an action acts on. Give as much as is known: an exclusion that cannot be compared refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    kind: TargetKind,
    id: String,
    names: Vec<String>,
    features: BTreeMap<Feature, Vec<String>>,
    merged: Option<Vec<String>>,
}

impl Target {
    /// A device by its id.
    #[must_use]
    pub fn device(id: &DeviceId) -> Self {
        Self::of(TargetKind::Device, id.as_str())
    }

    /// A user by object id or user principal name.
    #[must_use]
    pub fn user(id: &UserId) -> Self {
        Self::of(TargetKind::User, &id.as_str().to_lowercase())
    }

    /// Anything else by its id.
    #[must_use]
    pub fn of(kind: TargetKind, id: &str) -> Self {
        let names =
            if kind == TargetKind::User && id.contains('@') { vec![id.to_owned()] } else { Vec::new() };
        Self { kind, id: id.to_owned(), names, features: BTreeMap::new(), merged: None }
    }

    /// Gives it the one id that the tenant knows it by, whatever it was called.
    #[must_use]
    pub fn known_as(mut self, id: &str) -> Self {
        if !id.is_empty() {
            self.id = id.to_lowercase();
        }
        self
    }

    /// Adds a name or another id it goes by; empty ones are dropped.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        let name = name.trim();
        if !name.is_empty() {
            self.names.push(name.to_owned());
        }
        self
    }

    /// Says which tags it has. Without this they are unknown, which is not the same as none.
    #[must_use]
    pub fn tagged<S: AsRef<str>>(self, tags: impl IntoIterator<Item = S>) -> Self {
        self.having(Feature::Tag, tags)
    }

    /// The same of any feature.
    #[must_use]
    pub fn having<S: AsRef<str>>(mut self, feature: Feature, has: impl IntoIterator<Item = S>) -> Self {
        let has = has.into_iter().map(|one| one.as_ref().trim().to_owned()).collect();
        self.features.insert(feature, has);
        self
    }

    /// Says under which other ids the same device goes: those merged into it, and those it was merged into. Without
    /// this they are unknown, which is not the same as none.
    #[must_use]
    pub fn merged_with(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        self.merged = Some(ids.into_iter().collect());
        self
    }

    /// Which kind of thing it is.
    #[must_use]
    pub const fn kind(&self) -> TargetKind {
        self.kind
    }

    /// The one spelling by which the journal counts it: `device:aa11…`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.kind.as_str(), self.id)
    }

    /// What people call it: its first name, or its id.
    #[must_use]
    pub fn shown(&self) -> String {
        let name = self.names.first().unwrap_or(&self.id);
        format!(
            "{} `{}`",
            self.kind.as_str(),
            name.chars().take(128).flat_map(char::escape_debug).collect::<String>()
        )
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The names it goes by.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What it has of a feature, if that is known.
    #[must_use]
    pub fn has(&self, feature: Feature) -> Option<&[String]> {
        self.features.get(&feature).map(Vec::as_slice)
    }

    /// Other ids of the same device, if they are known.
    #[must_use]
    pub fn merged(&self) -> Option<&[String]> {
        self.merged.as_deref()
    }
}
