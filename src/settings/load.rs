//! From a file to settings that can be used.

use std::io::Read as _;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::auth::{AuthSettings, ManagedIdentitySettings};
use super::exposure::references;
use super::hunting::{self, Insist};
use super::{
    Accounts, AskedSettings, ChannelSettings, Cloud, EmailSettings, EndpointSettings, MailSecurity,
    PlainOrSecret, ReloadSettings, RiskRaising, SecretRef, Settings, Signers, WebSettings, schema,
};
use crate::cadence::Windows;
use crate::diag::{Chain, Code, Diagnostic, Sink};
use crate::http::Address;
use crate::model::DurationText;
use crate::yaml::{self, Tree};

pub(super) static CHECKER: LazyLock<yaml::Checker> = LazyLock::new(|| yaml::Checker::new(schema()));

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("the settings `{path}` cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has problems.
    #[error("the settings have problems")]
    Refused(Vec<Diagnostic>),
}

/// Reads a settings file. Relative paths in it are made to count from its folder.
///
/// # Errors
///
/// [`SettingsError::Read`] if there is no such file, [`SettingsError::Refused`] with every problem in it.
pub fn load(path: &Path) -> Result<Settings, SettingsError> {
    let failed = |source| SettingsError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that `parse` can say that it is too much.
    let limit = yaml::BYTES_MAX as u64 + 1;
    std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
    let mut sink = Sink::new();
    let settings = parse(&path.display().to_string(), &bytes, &mut sink);
    let Some(mut settings) = settings.filter(|_| sink.errors() == 0) else {
        return Err(SettingsError::Refused(sink.into_sorted()));
    };
    settings.anchor(path.parent().unwrap_or_else(|| Path::new("")));
    let problems = settings.read_tables(path);
    if problems.is_empty() { Ok(settings) } else { Err(SettingsError::Refused(problems)) }
}

/// Reads settings. Reports every problem it finds; returns the settings only if there was none. What is
/// or may be a secret written in the clear is hidden from every diagnostic.
pub fn parse(name: &str, bytes: &[u8], sink: &mut Sink) -> Option<Settings> {
    let before = sink.errors();
    let tree = CHECKER.shield(&yaml::parse_private(name, bytes, sink)?);
    let mut settings: Settings = CHECKER.decode(&tree, sink)?;
    let mut meaning = Meaning { tree: &tree, sink };
    meaning.check(&settings);
    meaning.find_apps(&mut settings);
    (sink.errors() == before).then_some(settings)
}

impl Settings {
    /// Makes relative paths count from `folder`.
    pub(super) fn anchor(&mut self, folder: &Path) {
        let join = |path: &mut PathBuf| *path = folder.join(&*path);
        join(&mut self.playbooks);
        join(&mut self.lists);
        join(&mut self.feeds.folder);
        self.schema.as_mut().map(join);
        join(&mut self.store.path);
        self.http.extra_ca.as_mut().map(join);
        let of_tenants = self.tenants.values_mut().map(|tenant| &mut tenant.auth);
        let auths = of_tenants.chain(self.vaults.values_mut().map(|vault| &mut vault.auth));
        auths.chain(self.apps.values_mut()).filter_map(AuthSettings::paths_mut).for_each(join);
        for reference in self.secrets_mut() {
            if let SecretRef::File(path) = reference {
                join(path);
            }
        }
        let beside = self.store.path.parent().unwrap_or_else(|| Path::new("")).join("sessions");
        for (name, tenant) in &mut self.tenants {
            if let AuthSettings::User(user) = &mut tenant.auth {
                user.kept = beside.join([name, ".json"].concat());
            }
        }
    }

    /// The folder of the schema files.
    #[must_use]
    pub fn schema_folder(&self, settings: &Path) -> PathBuf {
        let beside = settings.parent().unwrap_or_else(|| Path::new(""));
        self.schema.clone().unwrap_or_else(|| beside.join(hunting::FOLDER))
    }

    /// Reads the schema files; says what is wrong with them.
    pub(super) fn read_tables(&mut self, settings: &Path) -> Vec<Diagnostic> {
        let insist = if self.schema.is_some() { Insist::Yes } else { Insist::No };
        let (tables, problems) = hunting::read(&self.schema_folder(settings), insist);
        self.tables = tables;
        problems
    }

    /// Every reference to a secret.
    fn secrets_mut(&mut self) -> Vec<&mut SecretRef> {
        let mut all: Vec<&mut SecretRef> = Vec::new();
        let of_apps = self.apps.values_mut();
        let of_tenants = self.tenants.values_mut().map(|tenant| &mut tenant.auth);
        let auths = of_apps.chain(of_tenants).chain(self.vaults.values_mut().map(|vault| &mut vault.auth));
        all.extend(auths.flat_map(AuthSettings::references_mut));
        for channel in self.channels.values_mut() {
            match channel {
                ChannelSettings::Email(email) => all.extend(&mut email.password),
                ChannelSettings::Teams(hook) | ChannelSettings::Slack(hook) => all.push(&mut hook.url),
                ChannelSettings::Webhook(hook) => {
                    all.extend(hook.url.reference_mut());
                    all.extend(&mut hook.secret);
                    all.extend(&mut hook.previous_secret);
                }
            }
        }
        all.extend(self.http.proxy.as_mut().and_then(PlainOrSecret::reference_mut));
        all.extend(self.web.as_mut().and_then(|web| web.open_id.as_mut()?.client_secret.as_mut()));
        all
    }
}

impl PlainOrSecret {
    /// The reference, if it is one.
    fn reference_mut(&mut self) -> Option<&mut SecretRef> {
        match self {
            Self::Plain(_) => None,
            Self::Secret(reference) => Some(reference),
        }
    }
}

/// What the schema cannot say.
struct Meaning<'a> {
    tree: &'a Tree,
    sink: &'a mut Sink,
}

impl Meaning<'_> {
    fn check(&mut self, settings: &Settings) {
        for (name, tenant) in &settings.tenants {
            let EndpointSettings { login, graph, mde, xdr } = &tenant.endpoints;
            for (key, address) in [("login", login), ("graph", graph), ("mde", mde), ("xdr", xdr)] {
                if let Some(address) = address {
                    self.address(&format!("/tenants/{name}/endpoints/{key}"), address);
                }
            }
            self.auth(&format!("/tenants/{name}/auth"), &tenant.auth);
            self.offered(&format!("/tenants/{name}/cloud"), tenant.cloud);
        }
        for (name, app) in &settings.apps {
            self.auth(&format!("/apps/{name}"), app);
        }
        for (name, vault) in &settings.vaults {
            self.address(&format!("/vaults/{name}/url"), &vault.url);
            if let Some(login) = &vault.login {
                self.address(&format!("/vaults/{name}/login"), login);
            }
            self.auth(&format!("/vaults/{name}/auth"), &vault.auth);
        }
        self.in_vaults(settings);
        for (name, channel) in &settings.channels {
            match channel {
                ChannelSettings::Email(email) => self.email(&format!("/channels/{name}/email"), email),
                ChannelSettings::Webhook(hook) => {
                    if let PlainOrSecret::Plain(address) = &hook.url {
                        self.address(&format!("/channels/{name}/webhook/url"), address);
                    }
                }
                ChannelSettings::Teams(_) | ChannelSettings::Slack(_) => {}
            }
        }
        if let Some(Err(error)) = settings.guards.cool_down.as_ref().map(DurationText::read) {
            self.sink.push(self.tree.error(Code::Duration, "/guards/coolDown", error.to_string()));
        }
        if let Some(Err(error)) = settings.guards.max_age.as_ref().map(DurationText::read) {
            self.sink.push(self.tree.error(Code::Duration, "/guards/maxAge", error.to_string()));
        }
        self.asked(settings, "revertApproval", settings.guards.revert_approval.as_ref());
        self.asked(settings, "approval", settings.guards.approval.as_ref());
        self.reload(settings);
        self.moments(settings);
        if let Some(PlainOrSecret::Plain(proxy)) = &settings.http.proxy {
            self.proxy(proxy);
        }
        if let Some(web) = &settings.web {
            self.web(web);
        }
        self.people(settings);
        if let Some(alerts) = &settings.alerts
            && !settings.channels.contains_key(&alerts.channel)
        {
            self.no_channel(settings, "/alerts/channel", &alerts.channel);
        }
    }

    /// Whose files count: accounts, keys and people that are there.
    fn reload(&mut self, settings: &Settings) {
        let ReloadSettings { owners, risk_raising, signed_by, poll_interval, .. } = &settings.reload;
        let accounts = Accounts::read();
        for (index, owner) in owners.iter().enumerate().filter(|(_, owner)| accounts.number(owner).is_none())
        {
            let message = format!("this machine has no account `{}`", owner.escape_debug());
            let at = format!("/reload/owners/{index}");
            let problem = self.tree.error(Code::UnknownReference, &at, message);
            self.sink.push(problem.help("write its number if a directory service knows it"));
        }
        if let Err(name) = Signers::read(signed_by) {
            let message = "this is no public key of minisign: the second line of `minisign.pub`";
            self.sink.push(self.tree.error(Code::WrongValue, &format!("/reload/signedBy/{name}"), message));
        }
        if *risk_raising == RiskRaising::Hold && settings.approvers.is_empty() {
            let message = "somebody must confirm what raises risk, and `approvers` names nobody";
            self.sink.push(self.tree.error(Code::Guard, "/reload/riskRaising", message));
        }
        let message = "files are looked at every second at most, and every five minutes at least";
        self.length(("/reload/pollInterval", poll_interval.as_ref()), 1..=300, message);
    }

    /// A length of time within these seconds.
    fn length(
        &mut self,
        (at, text): (&str, Option<&DurationText>),
        within_s: RangeInclusive<i64>,
        message: &str,
    ) {
        match text.map(DurationText::read) {
            Some(Err(error)) => self.sink.push(self.tree.error(Code::Duration, at, error.to_string())),
            Some(Ok(length)) if !within_s.contains(&length.as_secs()) => {
                self.sink.push(self.tree.error(Code::WrongValue, at, message));
            }
            Some(Ok(_)) | None => {}
        }
    }

    /// When something may be done, and how long the first targets have.
    fn moments(&mut self, settings: &Settings) {
        if let Some(Err(problem)) = settings.guards.windows.as_ref().map(Windows::read) {
            let at = "/guards/windows/timezone";
            self.sink.push(self.tree.error(Code::WrongValue, at, problem.message));
        }
        let wait = settings.guards.canary.as_ref().and_then(|canary| canary.wait.as_ref());
        let message = "the first targets have between a minute and an hour";
        self.length(("/guards/canary/wait", wait), 60..=3600, message);
    }

    /// Whose leave a guard asks for: people who are there, told where they can hear it.
    fn asked(&mut self, settings: &Settings, key: &str, asked: Option<&AskedSettings>) {
        let Some(asked) = asked else { return };
        if !settings.channels.contains_key(&asked.channel) {
            self.no_channel(settings, &format!("/guards/{key}/channel"), &asked.channel);
        }
        let known = settings.approvers.len();
        if known < usize::try_from(asked.minimum).unwrap_or(usize::MAX) {
            let message = format!("{} must approve, and `approvers` names {known}", asked.minimum);
            self.sink.push(self.tree.error(Code::Guard, &format!("/guards/{key}"), message));
        }
        let at = format!("/guards/{key}/timeout");
        match asked.timeout.as_ref().map(DurationText::read) {
            Some(Err(error)) => self.sink.push(self.tree.error(Code::Duration, &at, error.to_string())),
            Some(Ok(length)) if !(60..=3600).contains(&length.as_secs()) => {
                let message = "people have between a minute and an hour to approve an action";
                self.sink.push(self.tree.error(Code::WrongValue, &at, message));
            }
            Some(Ok(_)) | None => {}
        }
    }

    fn no_channel(&mut self, settings: &Settings, at: &str, channel: &str) {
        let message = format!("there is no channel `{}`", channel.escape_debug());
        let known = settings.channels.keys().map(String::as_str);
        self.sink.push(self.tree.error(Code::UnknownReference, at, message).nearest(channel, known));
    }

    /// Gives tenants of partners the application they name.
    fn find_apps(&mut self, settings: &mut Settings) {
        for (name, app) in &settings.apps {
            if matches!(app, AuthSettings::Partner(_) | AuthSettings::User(_)) {
                let at = format!("/apps/{name}");
                let message = "an application proves itself; `partner` and `user` are for tenants";
                self.sink.push(self.tree.error(Code::KeyCombination, &at, message));
            }
        }
        for (name, tenant) in &mut settings.tenants {
            let AuthSettings::Partner(partner) = &mut tenant.auth else { continue };
            partner.found = settings.apps.get(&partner.app).cloned().map(Box::new);
            if partner.found.is_none() {
                let at = format!("/tenants/{name}/auth/partner/app");
                let message = format!("there is no application `{}`", partner.app.escape_debug());
                let known = settings.apps.keys().map(String::as_str);
                let problem = self.tree.error(Code::UnknownReference, &at, message);
                self.sink.push(problem.nearest(&partner.app, known));
            }
        }
    }

    /// What is said to be in a vault: the vault is there, and can be opened without it.
    fn in_vaults(&mut self, settings: &Settings) {
        for (at, reference) in references(settings) {
            let SecretRef::KeyVault(place) = reference else { continue };
            if at.starts_with("/vaults/") || at == "/http/proxy" {
                let message = "this is needed to open key vaults, so it cannot be in one";
                self.sink.push(self.tree.error(Code::KeyCombination, &format!("{at}/keyVault"), message));
            } else if !settings.vaults.contains_key(&place.vault) {
                let message = format!("there is no vault `{}`", place.vault.escape_debug());
                let problem =
                    self.tree.error(Code::UnknownReference, &format!("{at}/keyVault/vault"), message);
                let known = settings.vaults.keys().map(String::as_str);
                self.sink.push(problem.nearest(&place.vault, known));
            }
        }
    }

    /// One identity, one place of its proof.
    fn auth(&mut self, at: &str, auth: &AuthSettings) {
        match auth {
            AuthSettings::ClientSecret(_)
            | AuthSettings::ClientCertificate(_)
            | AuthSettings::Partner(_)
            | AuthSettings::User(_) => {}
            AuthSettings::ManagedIdentity(identity) => {
                self.identity(&format!("{at}/managedIdentity"), identity);
            }
            AuthSettings::WorkloadIdentity(workload) => {
                if workload.token_file.is_some() && workload.github.is_some() {
                    let at = format!("{at}/workloadIdentity/github");
                    let problem = Diagnostic::error(
                        Code::KeyCombination,
                        self.tree.key_span(&at),
                        "a workload has one token: from `tokenFile` or from `github`",
                    );
                    self.sink.push(problem);
                }
            }
        }
    }

    fn identity(&mut self, at: &str, identity: &ManagedIdentitySettings) {
        let ManagedIdentitySettings { client_id, object_id, resource_id, endpoint, .. } = identity;
        let named = [("clientId", client_id), ("objectId", object_id), ("resourceId", resource_id)];
        let mut named = named.into_iter().filter(|(_, id)| id.is_some()).map(|(key, _)| key);
        if let (Some(first), Some(second)) = (named.next(), named.next()) {
            let message = format!("an identity has one name: `{first}` or `{second}`");
            let span = self.tree.key_span(&format!("{at}/{second}"));
            self.sink.push(Diagnostic::error(Code::KeyCombination, span, message));
        }
        if let Some(Err(error)) = endpoint.as_deref().map(Address::parse_near) {
            let message = Chain(&error).to_string();
            let problem = self.tree.error(Code::Endpoint, &format!("{at}/endpoint"), message);
            self.sink
                .push(problem.help("`http` is for this machine and link-local addresses (169.254.0.0/16)"));
        }
    }

    /// In China there is nothing to hunt in.
    fn offered(&mut self, at: &str, cloud: Cloud) {
        if cloud == Cloud::China {
            let message = "the cloud of China (21Vianet) offers none of the APIs of Defender";
            let problem = self.tree.error(Code::Endpoint, at, message);
            self.sink.push(problem.help(
                "Microsoft Graph is there without hunting, incidents and alerts, and Defender for Endpoint is not; \
                 key vaults may be there (`vaults`). huntbook works in `commercial`, `gcc`, `gccHigh` and `dod`",
            ));
        }
    }

    /// An address must be `https`, or `http` to this machine, and carry no login.
    fn address(&mut self, at: &str, text: &str) {
        let Err(error) = Address::parse(text) else { return };
        let message = Chain(&error).to_string();
        self.sink.push(self.tree.error(Code::Endpoint, at, message).help(
            "use an `https` address; `http` is for this machine only (`localhost`, `127.0.0.1`, `[::1]`)",
        ));
    }

    /// The page is in the clear, so it is for this machine only; people use one name, and no place below it.
    fn web(&mut self, web: &WebSettings) {
        let at = "/web/listen";
        let problem = match web.socket() {
            None => Some("this is no address with a port"),
            Some(socket) if !socket.ip().is_loopback() => {
                Some("everybody could listen in: the page has no TLS")
            }
            Some(_loopback) => None,
        };
        if let Some(problem) = problem {
            let help = "listen on `127.0.0.1:PORT` or `[::1]:PORT`, and let a proxy on this machine end TLS";
            self.sink.push(self.tree.error(Code::Endpoint, at, problem).help(help));
        }
        let Some(address) = &web.address else { return };
        self.address("/web/address", address);
        if address.splitn(4, '/').nth(3).is_some() {
            let problem = self.tree.error(Code::Endpoint, "/web/address", "the page is not below a path");
            self.sink.push(problem.help("write it as `https://huntbook.contoso.example`"));
        }
    }

    /// People from elsewhere need a provider, and that has to be one directory's.
    fn people(&mut self, settings: &Settings) {
        let provider = settings.web.as_ref().and_then(|web| web.open_id.as_ref());
        if let Some(provider) = provider {
            let at = "/web/openId/issuer";
            self.address(at, &provider.issuer);
            let every = ["common", "organizations", "consumers"];
            if provider.issuer.split('/').any(|part| every.contains(&part)) {
                let problem =
                    self.tree.error(Code::Endpoint, at, "this issuer lets people of every directory in");
                self.sink.push(
                    problem.help(
                        "write the id of your tenant: `https://login.microsoftonline.com/TENANT-ID/v2.0`",
                    ),
                );
            }
        }
        let from_elsewhere = settings.approvers.iter().filter(|(_, one)| one.open_id.is_some());
        for (name, _) in from_elsewhere.filter(|_one| provider.is_none()) {
            let at = format!("/approvers/{name}/openId");
            let problem = self.tree.error(
                Code::UnknownReference,
                &at,
                "there is no OpenID provider that knows this person",
            );
            self.sink.push(problem.help("name it: `web: {openId: {issuer: ..., clientId: ...}}`"));
        }
    }

    /// A proxy may be `http`, wherever it is: what goes through it is encrypted end to end.
    fn proxy(&mut self, text: &str) {
        let at = "/http/proxy";
        let Some((scheme, rest)) = text.split_once("://") else {
            let problem = self.tree.error(Code::Endpoint, at, "the proxy's address lacks its scheme");
            self.sink.push(problem.help("write it as `http://proxy.contoso.example:8080`"));
            return;
        };
        if !matches!(scheme, "http" | "https") {
            let message = format!("a proxy cannot have the scheme `{}`", scheme.escape_debug());
            self.sink.push(self.tree.error(Code::Endpoint, at, message).help("use `http` or `https`"));
        }
        if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
            let problem = self.tree.error(Code::SecretInClear, at, "the proxy's address carries a login");
            self.sink
                .push(problem.help("give the whole address by reference: `proxy: {env: HUNTBOOK_PROXY}`"));
        }
    }

    /// Mail without protection stays on this machine; a login needs both its halves.
    fn email(&mut self, at: &str, email: &EmailSettings) {
        let loopback =
            email.host == "localhost" || email.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if email.security == MailSecurity::None && !loopback {
            let message = "mail without protection may go to this machine only";
            let problem = self.tree.error(Code::Endpoint, &format!("{at}/security"), message);
            self.sink.push(problem.help("use `starttls` or `tls`"));
        }
        let (present, absent) = match (&email.username, &email.password) {
            (Some(_), None) => ("username", "password"),
            (None, Some(_)) => ("password", "username"),
            (None, None) | (Some(_), Some(_)) => return,
        };
        let span = self.tree.key_span(&format!("{at}/{present}"));
        let message = format!("`{present}` needs `{absent}`");
        self.sink.push(Diagnostic::error(Code::KeyCombination, span, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"# yaml-language-server: $schema=schemas/settings.schema.json
tenants:
  contoso:
    tenantId: 00000000-0000-4000-8000-000000000001
    auth: {clientSecret: {clientId: 00000000-0000-4000-8000-000000000002, secret: {env: CONTOSO_SECRET}}}
    endpoints: {graph: "http://127.0.0.1:8080/graph"}
    tags: [production]
channels:
  soc-mail: {email: {host: smtp.contoso.example, username: hb, password: {file: smtp-password}, from: hb@contoso.example, to: [soc@contoso.example]}}
  soc-teams: {teams: {url: {credential: teams-url}}}
  hook: {webhook: {url: "https://hooks.contoso.example/x", secret: {env: HOOK}}}
guards: {maxActions: {perRun: 5}, exclude: {deviceTags: [tier0], users: breakGlass}}
store: {path: state/huntbook.db}
alerts: {channel: soc-teams}
x-note: anything
"#;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let mut sink = Sink::new();
        let settings = parse("huntbook.yaml", text.as_bytes(), &mut sink);
        let problems: Vec<String> = sink
            .into_sorted()
            .iter()
            .map(|p| {
                assert!(!p.span.source.text.contains("hunter2"), "{}", p.span.source.text);
                format!("{} {} {}", p.span, p.code, p.message)
            })
            .collect();
        assert_eq!(problems.join("\n"), expect);
        assert_eq!(settings.is_some(), expect.is_empty());
    }

    #[test]
    fn good_settings_are_read_and_their_paths_count_from_their_folder() {
        check(GOOD, "");
        let mut sink = Sink::new();
        let mut settings = parse("huntbook.yaml", GOOD.as_bytes(), &mut sink).unwrap();
        settings.anchor(Path::new("/etc/huntbook"));
        assert_eq!(settings.playbooks, Path::new("/etc/huntbook/playbooks"));
        assert_eq!(settings.store.path, Path::new("/etc/huntbook/state/huntbook.db"));
        let ChannelSettings::Email(email) = &settings.channels["soc-mail"] else { panic!("not mail") };
        assert_eq!(email.password, Some(SecretRef::File("/etc/huntbook/smtp-password".into())));
        assert_eq!(email.security, MailSecurity::StartTls);
    }

    #[test]
    fn the_secret_of_the_page_counts_from_the_folder_of_the_settings() {
        let web =
            "web: {openId: {issuer: \"https://login.example\", clientId: x, clientSecret: {file: page}}}\n";
        let mut settings =
            parse("huntbook.yaml", format!("{GOOD}{web}").as_bytes(), &mut Sink::new()).unwrap();
        settings.anchor(Path::new("/etc/huntbook"));
        // Whatever is referred to is found where it is said to be.
        let files: Vec<_> = references(&settings)
            .into_iter()
            .filter_map(|(_, secret)| match secret {
                SecretRef::File(path) => Some(path.clone()),
                _other => None,
            })
            .collect();
        assert_eq!(files, ["/etc/huntbook/smtp-password", "/etc/huntbook/page"].map(PathBuf::from));
    }

    /// Checks what is said when a part of the good settings is written otherwise.
    #[track_caller]
    fn changed(from: &str, to: &str, expect: &str) {
        assert!(GOOD.contains(from), "{from}");
        check(&GOOD.replace(from, to), &format!("huntbook.yaml:{expect}"));
    }

    #[test]
    fn a_secret_in_the_clear_is_refused_and_not_shown() {
        let secret = "{env: CONTOSO_SECRET}";
        changed(secret, "hunter2", "5:83 HB0801 `secret` is a secret and must not be written here");
        changed(secret, "31337", "5:83 HB0801 `secret` is a secret and must not be written here");
        changed(
            secret,
            "{env: \"hunter2 ~\"}",
            "5:89 HB0104 `env` must be the name of an environment variable",
        );
        changed(secret, "{env: A, value: hunter2}", "5:92 HB0101 unknown key `value`");
        changed("x-note: anything", "password: {deep: [hunter2]}", "15:1 HB0101 unknown key `password`");
        changed(secret, "\"hunter2", "6:25 HB0002 text after the closing quote");
        changed(
            "x-note: anything",
            "http: {proxy: \"http://me:hunter2@proxy.example\"}",
            "15:15 HB0801 the proxy's address carries a login",
        );
        changed(
            "https://hooks",
            "https://me:hunter2@hooks",
            "11:25 HB0802 the address cannot be used: it carries a user or password",
        );
    }

    #[test]
    fn an_application_is_written_once_and_named_by_tenants() {
        let partner = GOOD.replace(
            "{clientSecret: {clientId: 00000000-0000-4000-8000-000000000002, secret: {env: CONTOSO_SECRET}}}",
            "{partner: {app: soc}}",
        );
        let app = "apps: {soc: {clientSecret: {clientId: 00000000-0000-4000-8000-000000000003, secret: {file: soc}}}}\n";
        check(&format!("{partner}{app}"), "");
        let mut settings =
            parse("huntbook.yaml", format!("{partner}{app}").as_bytes(), &mut Sink::new()).unwrap();
        settings.anchor(Path::new("/etc/huntbook"));
        let auth = &settings.tenants["contoso"].auth;
        assert_eq!(
            (auth.context(), auth.client_id()),
            ("partner", Some("00000000-0000-4000-8000-000000000003"))
        );
        assert_eq!(auth.app(), &settings.apps["soc"], "also its paths count from the folder of the settings");
        let AuthSettings::ClientSecret(secret) = auth.app() else { unreachable!() };
        assert_eq!(secret.secret, SecretRef::File("/etc/huntbook/soc".into()));

        check(
            &format!("{partner}{}", app.replace("soc:", "sok:")),
            "huntbook.yaml:5:27 HB0501 there is no application `soc`",
        );
        check(&partner, "huntbook.yaml:5:27 HB0501 there is no application `soc`");
        check(
            &format!("{partner}apps: {{soc: {{partner: {{app: soc}}}}}}\n"),
            "huntbook.yaml:16:13 HB0105 an application proves itself; `partner` and `user` are for tenants",
        );
    }

    #[test]
    fn what_the_schema_cannot_say_is_checked_too() {
        changed(
            "http://127.0.0.1:8080/graph",
            "http://graph.example",
            "6:24 HB0802 the address cannot be used: only https is allowed, or http to loopback",
        );
        changed(
            "alerts: {channel: soc-teams}",
            "alerts: {channel: soc-team}",
            "14:19 HB0501 there is no channel `soc-team`",
        );
        changed(
            "username: hb, ",
            "security: none, ",
            "9:60 HB0802 mail without protection may go to this machine only\nhuntbook.yaml:9:66 HB0105 `password` needs `username`",
        );
        changed(
            "  contoso:",
            "  con/toso:",
            "3:3 HB0104 `con/toso` is not a name: letters, digits, `_`, `.` and `-`, first a letter, at most 64",
        );
    }

    #[test]
    fn there_is_exactly_one_way_to_sign_in() {
        let own =
            "{clientSecret: {clientId: 00000000-0000-4000-8000-000000000002, secret: {env: CONTOSO_SECRET}}}";
        let app = "clientId: 00000000-0000-4000-8000-000000000002";
        for good in [
            "{managedIdentity: {}}",
            "{managedIdentity: {host: arc, arcKeys: /tmp/keys}}",
            "{workloadIdentity: {}}",
            "{workloadIdentity: {github: {audience: x}}}",
            &format!("{{clientCertificate: {{{app}, certificate: {{file: a.pfx}}, password: {{env: A}}}}}}"),
        ] {
            check(&GOOD.replace(own, good), "");
        }
        changed(
            own,
            "{}",
            "5:5 HB0102 `auth` needs exactly one of `clientSecret`, `clientCertificate`, `managedIdentity`, `workloadIdentity`, `partner`, `user`",
        );
        changed(
            own,
            "{managedIdentity: {}, workloadIdentity: {}}",
            "5:33 HB0105 `workloadIdentity` and `managedIdentity` exclude each other",
        );
        changed(own, "{managedIdentiy: {}}", "5:12 HB0101 unknown key `managedIdentiy`");
        let two = "{managedIdentity: {objectId: a, resourceId: b}}";
        changed(own, two, "5:43 HB0105 an identity has one name: `objectId` or `resourceId`");
        let two = "{workloadIdentity: {tokenFile: a, github: {}}}";
        changed(own, two, "5:45 HB0105 a workload has one token: from `tokenFile` or from `github`");
        let far = "{managedIdentity: {endpoint: \"http://10.0.0.1/x\"}}";
        changed(
            own,
            far,
            "5:40 HB0802 the address cannot be used: only https is allowed, or http to loopback",
        );
    }

    #[test]
    fn a_vault_is_there_and_is_opened_without_a_vault() {
        let secret = "{env: CONTOSO_SECRET}";
        let within = "{keyVault: {vault: soc, name: app}}";
        changed(secret, within, "5:102 HB0501 there is no vault `soc`");
        let vaults = "vaults: {soc: {url: \"https://a.vault.azure.net\", tenantId: 00000000-0000-4000-8000-000000000001, auth: {managedIdentity: {}}}}";
        let text = GOOD.replace(secret, within).replace("x-note: anything", vaults);
        check(&text, "");
        let auth = "{clientSecret: {clientId: 00000000-0000-4000-8000-000000000002, secret: {keyVault: {vault: soc, name: app}}}}";
        check(
            &text.replace("{managedIdentity: {}}", auth),
            "huntbook.yaml:15:187 HB0105 this is needed to open key vaults, so it cannot be in one",
        );
        changed(
            "x-note: anything",
            &format!("{vaults}\nhttp: {{proxy: {within}}}"),
            "16:26 HB0105 this is needed to open key vaults, so it cannot be in one",
        );
        changed(
            "    tags:",
            "    cloud: china\n    tags:",
            "7:12 HB0802 the cloud of China (21Vianet) offers none of the APIs of Defender",
        );
    }

    #[test]
    fn whatever_the_schema_accepts_can_be_read() {
        let good = yaml::parse("huntbook.yaml", GOOD.as_bytes(), &mut Sink::new()).unwrap();
        yaml::odd::for_each_oddity(good.value(), "", |text| {
            let mut sink = Sink::new();
            let settings = parse("huntbook.yaml", text.as_bytes(), &mut sink);
            let unread = sink.as_slice().iter().find(|problem| problem.message.contains("cannot be read"));
            assert_eq!(unread, None, "{text}");
            assert_eq!(settings.is_some(), sink.errors() == 0, "{text}");
        });
    }
}
