//! E-mail over SMTP: the connection, the headers and the plain part. The HTML part is `email_html`.

use std::net::IpAddr;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::cut::{fit, fit_line};
use super::email_html::{FACTS_MAX, NAME_CHARS_MAX, VALUE_CHARS_MAX};

use super::error::ChannelError;
use super::message::{Message, origin, severity_label, shortened_facts, token};
use super::{email_html, fetch, shown};
use crate::model::{Secret, SharedSource};
use crate::text::encode;

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// Starts in the clear and must switch to TLS before anything else (port 587).
    StartTls,
    /// TLS from the first byte (port 465).
    ImplicitTls,
    /// No protection (port 25). Only to this machine.
    None,
}

/// A user of the mail server.
#[derive(Debug, Clone)]
pub struct MailLogin {
    /// Name.
    pub user: String,
    /// Where the password is found.
    pub password: SharedSource,
}

/// Where and how mail goes out.
#[derive(Debug, Clone)]
pub struct EmailOptions {
    /// Host of the mail server; also the name its certificate must carry.
    pub host: String,
    /// Port; `None` for the usual one of the `security`.
    pub port: Option<u16>,
    /// Protection of the connection.
    pub security: MailSecurity,
    /// Login; `None` to send without.
    pub login: Option<MailLogin>,
    /// Sender: `soc@contoso.example` or `SOC <soc@contoso.example>`.
    pub from: String,
    /// Recipients, 1 to [`RECIPIENTS_MAX`].
    pub to: Vec<String>,
    /// Certificates trusted besides the system's, as PEM.
    pub extra_ca: Option<Vec<u8>>,
}

/// Most recipients of one channel; mail servers refuse more than 100 at once (RFC 5321, 4.5.3.1.8).
pub const RECIPIENTS_MAX: usize = 100;

/// Longest subject, in characters. Mail programs show about 80; far below the 998 octets of one header
/// line even when nothing in it can be folded.
const SUBJECT_CHARS_MAX: usize = 200;

/// Largest text of each part, in bytes. What a person can read; with both parts and their transfer
/// encoding a mail stays below 1 MiB, which every server takes.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// A mail server and the people who get the mail.
#[derive(Debug)]
pub(super) struct Email {
    server: AsyncSmtpTransportBuilder,
    login: Option<MailLogin>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Email {
    /// Checks the options and prepares the connection; nothing is sent.
    pub(super) fn open(options: &EmailOptions) -> Result<Self, String> {
        let from = mailbox(&options.from).map_err(|reason| format!("`from` {reason}"))?;
        if options.to.is_empty() {
            return Err("`to` names nobody".to_owned());
        }
        if RECIPIENTS_MAX < options.to.len() {
            return Err(format!("`to` names more than {RECIPIENTS_MAX} recipients"));
        }
        let to = options.to.iter().map(|address| mailbox(address)).collect::<Result<Vec<_>, _>>();
        let to = to.map_err(|reason| format!("`to` {reason}"))?;
        Ok(Self { server: server(options)?, login: options.login.clone(), from, to })
    }

    /// Sends one message. The caller limits the time: the transport's own limit covers connecting only.
    pub(super) async fn send(&self, message: &Message) -> Result<(), ChannelError> {
        let mail = self.compose(message).map_err(|error| ChannelError::Compose(Box::new(error)))?;
        let (transport, password) = self.transport().await?;
        transport.send(mail).await.map(drop).map_err(|error| self.failed(&error, password.as_ref()))
    }

    /// Connects, greets, switches to TLS and logs in, as far as the options say, and ends. The caller limits the
    /// time.
    pub(super) async fn reach(&self) -> Result<(), ChannelError> {
        let (transport, password) = self.transport().await?;
        match transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(ChannelError::Failed { answer: "it closed the connection".to_owned(), wait: None })
            }
            Err(error) => Err(self.failed(&error, password.as_ref())),
        }
    }

    /// Sorts a failure. What the server repeats of the login is taken out.
    fn failed(&self, error: &lettre::transport::smtp::Error, password: Option<&Secret>) -> ChannelError {
        let user = self.login.as_ref().map(|login| login.user.as_str()).unwrap_or_default();
        let hidden = password.map(Secret::expose).map_or_else(Vec::new, |password| {
            let plain = STANDARD.encode(format!("\u{0}{user}\u{0}{password}"));
            vec![plain, STANDARD.encode(password), password.to_owned()]
        });
        let without =
            |text: String| hidden.iter().fold(text, |text, secret| text.replace(secret.as_str(), "(secret)"));
        classify(error, &without)
    }

    /// The way to the server, with the password as it is now.
    pub(super) async fn transport(
        &self,
    ) -> Result<(AsyncSmtpTransport<Tokio1Executor>, Option<Secret>), ChannelError> {
        let server = self.server.clone();
        Ok(match &self.login {
            Some(MailLogin { user, password }) => {
                let password = fetch("the password", password).await?;
                let login = Credentials::new(user.clone(), password.expose().to_owned());
                (server.credentials(login).build(), Some(password))
            }
            None => (server.build(), None),
        })
    }

    /// Builds the mail.
    fn compose(&self, message: &Message) -> Result<lettre::Message, lettre::error::Error> {
        let domain = self.from.email.domain();
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .date(SystemTime::from(message.at))
            .subject(subject(&message.title))
            .message_id(Some(format!("<{}@{domain}>", message.wire_id())))
            // Mail programs show the messages of one run as one conversation.
            .references(format!("<run-{}@{domain}>", token(&message.run)))
            .raw_header(raw("Auto-Submitted", "auto-generated".to_owned()))
            .raw_header(raw("X-Huntbook-Run", token(&message.run)));
        for recipient in &self.to {
            mail = mail.to(recipient.clone());
        }
        mail.multipart(
            MultiPart::alternative()
                .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(plain(message)))
                .singlepart(
                    SinglePart::builder()
                        .header(ContentType::TEXT_HTML)
                        .body(email_html::render(message, TEXT_BYTES_MAX)),
                ),
        )
    }
}

/// A header of our own.
fn raw(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

/// Checks an address, without and with a display name.
fn mailbox(address: &str) -> Result<Mailbox, String> {
    if address.chars().any(char::is_control) {
        return Err(format!("holds a control character: `{}`", shown(address)));
    }
    address.parse().map_err(|_error| format!("is not a mail address: `{}`", shown(address)))
}

/// Prepares the connection.
fn server(options: &EmailOptions) -> Result<AsyncSmtpTransportBuilder, String> {
    if options.host.is_empty() || options.host.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("`host` is not a host name".to_owned());
    }
    let (tls, port) = match options.security {
        MailSecurity::StartTls => (Tls::Required(tls(options)?), 587),
        MailSecurity::ImplicitTls => (Tls::Wrapper(tls(options)?), 465),
        MailSecurity::None if is_this_machine(&options.host) => (Tls::None, 25),
        MailSecurity::None => return Err("mail without TLS is allowed to this machine only".to_owned()),
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&options.host);
    Ok(builder.port(options.port.unwrap_or(port)).tls(tls))
}

/// Whether a host name or address is this machine.
fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whom we trust to be the mail server.
fn tls(options: &EmailOptions) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(options.host.clone());
    if let Some(pem) = &options.extra_ca {
        let certificate =
            Certificate::from_pem(pem).map_err(|_error| "the extra CA is not PEM".to_owned())?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|error| format!("TLS cannot be set up: {error}"))
}

/// The subject: one line, short enough for every mail program.
fn subject(title: &str) -> String {
    let title = encode::header(title);
    fit_line(title.trim(), SUBJECT_CHARS_MAX, |text| text.chars().count()).into_owned()
}

/// The part for mail programs that show no HTML.
fn plain(message: &Message) -> String {
    let line = |line: &str| encode::log(&line.replace('\t', "    "));
    let visible = |text: &str| text.lines().map(line).collect::<Vec<_>>().join("\n");
    let severity = severity_label(message.severity);
    let title = message.title_line();
    let title = fit_line(&title, SUBJECT_CHARS_MAX, |text| text.chars().count());
    let mut lines = vec![encode::log(&title), String::new(), format!("Severity: {severity}")];
    for (name, value) in shortened_facts(message, FACTS_MAX, NAME_CHARS_MAX, VALUE_CHARS_MAX) {
        lines.push(format!("{}: {}", encode::log(&name), encode::log(&value)));
    }
    if !message.text.is_empty() {
        lines.push(String::new());
        lines.push(visible(&fit(&message.text, TEXT_BYTES_MAX, |text| visible(text).len())));
    }
    lines.push(String::new());
    lines.push("-- ".to_owned());
    lines.push(encode::log(&origin(message)));
    lines.push(String::new());
    lines.join("\n")
}

/// Sorts the transport's errors into ours.
fn classify(
    error: &lettre::transport::smtp::Error,
    without_secrets: &dyn Fn(String) -> String,
) -> ChannelError {
    let Some(code) = error.status().map(u16::from) else {
        return ChannelError::Transport(without_secrets(innermost(error)).into());
    };
    let answer = shown(&without_secrets(format!("{code} {}", innermost(error))));
    match code {
        // RFC 4954: authentication wanted, too weak, or failed.
        530 | 534 | 535 | 538 => ChannelError::NotAllowed { answer },
        // RFC 5321, 3.8: the server is going down.
        421 => ChannelError::Failed { answer, wait: None },
        400..=499 => ChannelError::Failed { answer, wait: None },
        _permanent => ChannelError::Refused { answer },
    }
}

/// The first cause in words: each error of the transport repeats all those below it.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests::{assert_cut, endless, message};

    fn options() -> EmailOptions {
        EmailOptions {
            host: "127.0.0.1".to_owned(),
            port: None,
            security: MailSecurity::None,
            login: None,
            from: "huntbook <huntbook@contoso.example>".to_owned(),
            to: vec!["soc@contoso.example".to_owned()],
            extra_ca: None,
        }
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut EmailOptions), expect: &str) {
        let mut options = options();
        change(&mut options);
        assert_eq!(Email::open(&options).unwrap_err(), expect);
    }

    #[test]
    fn wrong_options_are_refused_when_opened() {
        refused(|o| o.to.clear(), "`to` names nobody");
        refused(|o| o.from = "nobody".to_owned(), "`from` is not a mail address: `nobody`");
        refused(
            |o| o.to = vec!["a@b.example\r\nBcc: c@d.example".to_owned()],
            "`to` holds a control character: `a@b.example\\u{d}\\u{a}Bcc: c@d.example`",
        );
        refused(|o| o.host = "mail.example".to_owned(), "mail without TLS is allowed to this machine only");
        refused(
            |o| {
                o.security = MailSecurity::StartTls;
                o.extra_ca = Some(b"-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n".to_vec());
            },
            "the extra CA is not PEM",
        );
        refused(|o| o.to = vec!["a@b.example".to_owned(); 101], "`to` names more than 100 recipients");
        assert!(Email::open(&EmailOptions { to: vec!["a@b.example".to_owned(); 100], ..options() }).is_ok());
        for host in ["", "127.0.0.1 x", "127.0.0.1\r\nx", "\t"] {
            refused(|o| o.host = host.to_owned(), "`host` is not a host name");
        }
    }

    #[test]
    fn only_this_machine_gets_mail_in_the_clear() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1"] {
            assert!(Email::open(&EmailOptions { host: host.to_owned(), ..options() }).is_ok(), "{host}");
        }
        for host in ["10.0.0.8", "128.0.0.1", "::2", "localhost.example", "127.0.0.1.example"] {
            refused(|o| o.host = host.to_owned(), "mail without TLS is allowed to this machine only");
        }
    }

    #[test]
    fn each_piece_of_the_plain_part_has_its_limit() {
        let text = 256 * 1024 / "④".len();
        assert_cut(&plain(&endless()), [200, 40 * 80, 40 * 1_000, text, 3 * 120]);
    }

    #[test]
    fn a_subject_is_one_short_line() {
        assert_eq!(subject("  PsExec fan-out: 2 contained\n"), "PsExec fan-out: 2 contained");
        assert_eq!(subject(&"x".repeat(200)), "x".repeat(200));
        assert_eq!(subject(&"x".repeat(201)), format!("{}…", "x".repeat(199)));
    }

    #[test]
    fn the_plain_part_shows_what_somebody_else_wrote_in_its_place() {
        let evil = || "a\u{1b}[2J\u{202e}\r\n-- \nb\tc".to_owned();
        let said = Message {
            title: evil(),
            text: evil(),
            facts: vec![(evil(), evil())],
            playbook: evil(),
            tenant: evil(),
            run: evil(),
            ..message()
        };
        let shown = "a\\u{1b}[2J\\u{202e}";
        let escaped = format!("{shown}\\u{{d}}\\u{{a}}-- \\u{{a}}b\\u{{9}}c");
        let expect = format!(
            "{shown} --  b c\n\nSeverity: High\n{escaped}: {escaped}\n\n{shown}\n-- \nb    c\n\n-- \n\
             huntbook · playbook {escaped} · tenant {escaped} · run {escaped} · 2026-01-10 12:00:00 UTC\n"
        );
        assert_eq!(plain(&said), expect);
        let silent = plain(&Message { text: String::new(), facts: Vec::new(), ..message() });
        assert!(silent.starts_with("PsExec fan-out: 2 contained\n\nSeverity: High\n\n-- \n"), "{silent}");
    }

    #[tokio::test]
    async fn no_line_of_a_mail_is_longer_than_998_octets() {
        let email = Email::open(&options()).unwrap();
        for title in ["x".repeat(5_000), "ä".repeat(5_000), "a b ".repeat(3_000), "=?utf-8?q?x?=".repeat(999)]
        {
            let hostile = Message { title, text: "y".repeat(900_000), ..message() };
            let mail = email.compose(&hostile).unwrap().formatted();
            let longest = mail.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
            assert!(longest.is_some_and(|longest| longest <= 998), "{longest:?}");
            assert!(mail.len() < 1024 * 1024);
        }
    }

    #[tokio::test]
    async fn a_title_cannot_add_a_header() {
        let email = Email::open(&options()).unwrap();
        let evil = || "x\r\nBcc: evil@contoso.example\r\n\r\nbody".to_owned();
        let hostile = Message { title: evil(), run: evil(), id: evil(), ..message() };
        let mail = String::from_utf8(email.compose(&hostile).unwrap().formatted()).unwrap();
        let (head, _body) = mail.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("\nBcc:") && head.contains("Subject: x"), "{mail}");
        assert!(head.contains("\r\nAuto-Submitted: auto-generated\r\n"), "{mail}");
        assert!(head.contains(&format!("\r\nX-Huntbook-Run: {}\r\n", token(&evil()))), "{mail}");
    }

    #[tokio::test]
    async fn the_message_id_is_the_same_on_each_attempt() {
        let email = Email::open(&options()).unwrap();
        let first = String::from_utf8(email.compose(&message()).unwrap().formatted()).unwrap();
        assert!(first.contains("\r\nMessage-ID: <m-1@contoso.example>\r\n"), "{first}");
    }
}
