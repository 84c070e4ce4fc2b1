//! Mail through a real SMTP server, read back by an independent parser.

#![expect(clippy::indexing_slicing, reason = "test helpers; a missing member fails the test")]
#![expect(clippy::expect_used, reason = "test helpers; a failure fails the test")]

#[path = "hostile/corpus.rs"]
mod corpus;
#[path = "channel/python.rs"]
mod python;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use huntbook::channel::{
    Channel, ChannelError, ChannelOptions, EmailOptions, MailLogin, MailSecurity, Message, Retry,
};
use huntbook::clock::{SharedClock, SystemClock};
use huntbook::diag::Chain;
use huntbook::http::{Http, HttpOptions};
use huntbook::model::{AlertSeverity, Secret};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

/// A mail server in its own process.
struct Server {
    port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _folder: tempfile::TempDir,
    _child: Child,
    ca: Vec<u8>,
}

impl Server {
    /// Starts one with a certificate made for it.
    async fn start(mode: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ca = certificates(folder.path());
        let mut child = python::script("smtp_server.py")
            .args(["--mode", mode])
            .args(more)
            .arg("--certificate")
            .arg(folder.path().join("server.pem"))
            .arg("--key")
            .arg(folder.path().join("server.key"))
            .spawn()
            .expect("the server starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut server = Self { port: 0, lines, _folder: folder, _child: child, ca };
        let port = server.next().await["port"].as_u64().expect("a port");
        server.port = u16::try_from(port).expect("a port");
        server
    }

    /// The next thing it says.
    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_mins(1), self.lines.next_line());
        let line = line.await.expect("the server says something").expect("a pipe").expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Options that suit a server of this protection.
    fn options(&self, security: MailSecurity) -> EmailOptions {
        EmailOptions {
            host: "127.0.0.1".to_owned(),
            port: Some(self.port),
            security,
            login: None,
            from: "huntbook <huntbook@contoso.example>".to_owned(),
            to: vec!["soc@contoso.example".to_owned(), "Łukasz <duty@contoso.example>".to_owned()],
            extra_ca: Some(self.ca.clone()),
        }
    }
}

/// Makes an authority and a certificate for this machine; returns the authority's.
fn certificates(folder: &Path) -> Vec<u8> {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let server = CertificateParams::new(names).expect("parameters");
    let server = server.signed_by(&key, &authority).expect("a certificate");
    std::fs::write(folder.join("server.pem"), server.pem()).expect("a file");
    std::fs::write(folder.join("server.key"), key.serialize_pem()).expect("a file");
    authority.pem().into_bytes()
}

fn login(password: &str) -> MailLogin {
    MailLogin { user: "huntbook".to_owned(), password: Arc::new(Secret::new(password.to_owned())) }
}

fn channel(options: EmailOptions) -> Channel {
    let clock: SharedClock = Arc::new(SystemClock);
    let http = Http::open(HttpOptions::default(), Arc::clone(&clock)).expect("a door");
    Channel::open("soc-mail", &ChannelOptions::Email(options), http, clock).expect("a channel")
}

fn message() -> Message {
    Message {
        id: "0193c9a2-7b1e-5000-8000-000000000001".to_owned(),
        severity: AlertSeverity::High,
        title: "PsExec fan-out: 2 contained".to_owned(),
        text: "ws-017 wrote 42 files\nws-018 wrote 11 files".to_owned(),
        facts: vec![
            ("Devices".to_owned(), "ws-017, ws-018".to_owned()),
            ("Rows".to_owned(), "53".to_owned()),
        ],
        playbook: "PsExec fan-out".to_owned(),
        run: "0193c9a2-7b1e-7000-8000-000000000001".to_owned(),
        tenant: "contoso".to_owned(),
        at: "2026-01-10T12:00:00Z".parse().expect("a time"),
    }
}

fn header<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = mail["headers"].as_array().expect("headers");
    headers.iter().filter(|header| header[0] == name).filter_map(|header| header[1].as_str()).collect()
}

#[track_caller]
fn assert_sound(mail: &Value) {
    assert_eq!(mail["defects"], serde_json::json!([]), "{mail}");
    assert_eq!(mail["bare_newlines"], 0);
    assert!(mail["longest_line"].as_u64().is_some_and(|length| length <= 998), "{}", mail["longest_line"]);
    let kinds = serde_json::json!(["multipart/alternative", "text/plain", "text/html"]);
    assert_eq!(mail["kinds"], kinds);
}

#[tokio::test]
async fn a_mail_arrives_over_starttls_with_login() {
    let mut server = Server::start("starttls", &["--auth"]).await;
    let options =
        EmailOptions { login: Some(login("correct horse")), ..server.options(MailSecurity::StartTls) };
    channel(options).send(&message()).await.expect("it is taken");
    let mail = server.next().await;
    assert_sound(&mail);
    assert_eq!(mail["user"], "huntbook");
    assert_eq!(mail["encrypted"], true);
    assert_eq!(mail["sender"], "huntbook@contoso.example");
    assert_eq!(mail["recipients"], serde_json::json!(["soc@contoso.example", "duty@contoso.example"]));
    assert_eq!(header(&mail, "Subject"), ["PsExec fan-out: 2 contained"]);
    assert_eq!(header(&mail, "Message-ID"), ["<0193c9a2-7b1e-5000-8000-000000000001@contoso.example>"]);
    assert_eq!(header(&mail, "Auto-Submitted"), ["auto-generated"]);
    assert_eq!(header(&mail, "X-Huntbook-Run"), ["0193c9a2-7b1e-7000-8000-000000000001"]);
    assert_eq!(header(&mail, "Date"), ["Sat, 10 Jan 2026 12:00:00 +0000"]);
    assert_eq!(header(&mail, "To"), ["soc@contoso.example, Łukasz <duty@contoso.example>"]);
    insta::assert_snapshot!(mail["plain"].as_str().expect("text").replace("\r\n", "\n"), @"
    PsExec fan-out: 2 contained

    Severity: High
    Devices: ws-017, ws-018
    Rows: 53

    ws-017 wrote 42 files
    ws-018 wrote 11 files

    -- 
    huntbook · playbook PsExec fan-out · tenant contoso · run 0193c9a2-7b1e-7000-8000-000000000001 · 2026-01-10 12:00:00 UTC
    ");
    let text = mail["html_text"].as_str().expect("text").replace("\r\n", "\n");
    for wanted in
        ["High", "PsExec fan-out: 2 contained", "ws-017 wrote 42 files\nws-018", "Rows", "53", "contoso"]
    {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}

#[tokio::test]
async fn a_mail_arrives_over_implicit_tls() {
    let mut server = Server::start("implicit", &["--auth"]).await;
    let options =
        EmailOptions { login: Some(login("correct horse")), ..server.options(MailSecurity::ImplicitTls) };
    channel(options).send(&message()).await.expect("it is taken");
    let mail = server.next().await;
    assert_sound(&mail);
    assert_eq!(mail["user"], "huntbook");
}

#[tokio::test]
async fn a_mail_arrives_at_this_machine_without_tls() {
    let mut server = Server::start("plain", &[]).await;
    let channel = channel(server.options(MailSecurity::None));
    channel.send(&message()).await.expect("it is taken");
    channel.send(&message()).await.expect("it is taken again");
    let (first, second) = (server.next().await, server.next().await);
    assert_sound(&first);
    assert_eq!(header(&first, "Message-ID"), header(&second, "Message-ID"));
}

#[tokio::test]
async fn a_wrong_password_is_named_and_tried_again_later() {
    let server = Server::start("starttls", &["--auth"]).await;
    let options = EmailOptions { login: Some(login("canary")), ..server.options(MailSecurity::StartTls) };
    let error = channel(options).send(&message()).await.expect_err("it is refused");
    assert!(matches!(error, ChannelError::NotAllowed { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Backoff);
    let shown = format!("{} {error:?}", Chain(&error));
    assert_eq!(
        Chain(&error).to_string(),
        "the receiver did not let us in: 535 5.7.8 Authentication credentials invalid"
    );
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let server = Server::start("starttls", &[]).await;
    let options = EmailOptions { extra_ca: None, ..server.options(MailSecurity::StartTls) };
    let error = channel(options).send(&message()).await.expect_err("it is refused");
    let shown = Chain(&error).to_string();
    assert_eq!(shown, "the receiver could not be reached: invalid peer certificate: UnknownIssuer");
    assert_eq!(error.retry(), Retry::Backoff);
}

#[tokio::test]
async fn a_server_without_starttls_gets_no_mail() {
    let server = Server::start("plain", &[]).await;
    let error =
        channel(server.options(MailSecurity::StartTls)).send(&message()).await.expect_err("it is refused");
    assert_eq!(error.retry(), Retry::Backoff);
    let shown = Chain(&error).to_string();
    assert_eq!(shown, "the receiver could not be reached: STARTTLS is not supported on this server");
}

#[tokio::test]
async fn a_server_that_falls_silent_after_the_login_costs_the_time_limit_only() {
    let server = Server::start("starttls", &["--auth", "--silent"]).await;
    let options =
        EmailOptions { login: Some(login("correct horse")), ..server.options(MailSecurity::StartTls) };
    let channel = channel(options).with_time_max(Duration::from_secs(3));
    let started = tokio::time::Instant::now();
    let error = channel.send(&message()).await.expect_err("there is no answer");
    assert!(matches!(error, ChannelError::TimedOut(_)), "{error:?}");
    assert_eq!(error.to_string(), "the receiver did not answer within 3s");
    assert_eq!(error.retry(), Retry::Backoff);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let server = Server::start("plain", &[]).await;
    let options = EmailOptions { port: Some(1), ..server.options(MailSecurity::None) };
    let error = channel(options).send(&message()).await.expect_err("nobody listens");
    assert!(matches!(error, ChannelError::Transport(_)), "{error:?}");
    assert_eq!(error.retry(), Retry::Backoff);
}

#[tokio::test]
async fn a_server_is_reached_with_its_login_and_without_a_mail() {
    let mut server = Server::start("starttls", &["--auth"]).await;
    let with = |password: &str| {
        let login = Some(login(password));
        channel(EmailOptions { login, ..server.options(MailSecurity::StartTls) })
    };
    let (good, wrong) = (with("correct horse"), with("canary"));
    good.reach().await.expect("it lets us in");
    let error = wrong.reach().await.expect_err("it does not let us in");
    assert!(matches!(error, ChannelError::NotAllowed { .. }), "{error:?}");
    assert!(!format!("{} {error:?}", Chain(&error)).contains("canary"), "{error:?}");
    let nobody = EmailOptions { port: Some(1), ..server.options(MailSecurity::StartTls) };
    let error = channel(nobody).reach().await.expect_err("nobody listens");
    assert!(matches!(error, ChannelError::Transport(_)), "{error:?}");
    good.send(&message()).await.expect("it is taken");
    assert_eq!(header(&server.next().await, "Subject"), ["PsExec fan-out: 2 contained"], "the first mail");
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_is_final_and_a_locked_one_is_not() {
    let server = Server::start("plain", &[]).await;
    for (recipient, expect) in
        [("nobody@contoso.example", Retry::Never), ("busy@contoso.example", Retry::Backoff)]
    {
        let options = EmailOptions { to: vec![recipient.to_owned()], ..server.options(MailSecurity::None) };
        let error = channel(options).send(&message()).await.expect_err("it is refused");
        assert_eq!(error.retry(), expect, "{error:?}");
    }
}

#[tokio::test]
async fn hostile_text_arrives_as_text() {
    let mut server = Server::start("plain", &[]).await;
    let channel = channel(server.options(MailSecurity::None));
    let hostile = [
        "<script>alert(1)</script><img src=https://evil.example/x.png>",
        "x\r\nBcc: evil@contoso.example\r\n\r\n<b>body</b>",
        "\u{1b}[31mred\u{1b}[0m \u{202e}gnp.exe \u{0}\u{7}",
        "{{row.Secret}} {{{playbook}}} ${x}",
        "<!channel> <@U123> @here",
        "=?utf-8?b?PGI+YmNjPC9iPg==?= =?utf-8?q?=0D=0ABcc:_x@y.example?=",
        "\r\n.\r\nMAIL FROM:<evil@contoso.example>\r\nRCPT TO:<x@contoso.example>\r\nDATA\r\n",
        "</pre></td></tr></table></body></html>\"'&lt;&#60;",
    ];
    for text in hostile {
        let sent = Message {
            title: text.to_owned(),
            text: text.to_owned(),
            facts: vec![(text.to_owned(), text.to_owned())],
            playbook: text.to_owned(),
            run: text.to_owned(),
            tenant: text.to_owned(),
            id: text.to_owned(),
            ..message()
        };
        channel.send(&sent).await.expect("it is taken");
        let mail = server.next().await;
        assert_sound(&mail);
        assert_harmless(&mail, text);
    }
}

#[tokio::test]
async fn generated_texts_arrive_as_texts_and_add_nothing() {
    let mut server = Server::start("plain", &[]).await;
    let channel = channel(server.options(MailSecurity::None));
    let letters = |text: &str| text.chars().filter(|one| one.is_alphanumeric()).collect::<String>();
    for text in corpus::texts().into_iter().step_by(8) {
        let facts = vec![(text.clone(), text.clone())];
        channel
            .send(&Message { title: text.clone(), text: text.clone(), facts, ..message() })
            .await
            .expect("it is taken");
        let mail = server.next().await;
        assert_sound(&mail);
        assert_only_ours(&mail, &text);
        let (subject, sent) = (letters(header(&mail, "Subject")[0]), letters(&text));
        // A long one is cut, and says so; some of what it begins with are letters.
        let came = sent.chars().zip(subject.chars()).take_while(|(sent, came)| sent == came).count();
        assert!(
            came == sent.chars().count() || 10 < came && 200 < text.chars().count(),
            "{text:?}: {subject:?}"
        );
        let page = letters(mail["html_text"].as_str().expect("text"));
        assert!(page.contains(&sent), "{text:?} is not in {page:?}");
    }
}

/// Checks that a mail has our headers, elements and attributes, and no others.
#[track_caller]
fn assert_only_ours(mail: &Value, text: &str) {
    assert_eq!(mail["recipients"].as_array().map(Vec::len), Some(2), "{text}");
    let names: Vec<_> =
        mail["headers"].as_array().expect("headers").iter().map(|header| &header[0]).collect();
    let expected = serde_json::json!([
        "From",
        "Date",
        "Subject",
        "Message-ID",
        "References",
        "Auto-Submitted",
        "X-Huntbook-Run",
        "To",
        "MIME-Version",
        "Content-Type"
    ]);
    assert_eq!(serde_json::json!(names), expected, "{text}");
    let tags = [
        "body", "div", "h1", "head", "html", "meta", "p", "span", "style", "table", "td", "th", "title", "tr",
    ];
    let attributes = ["charset", "class", "content", "lang", "name", "role", "style"];
    for (found, ours) in [("html_tags", &tags[..]), ("html_attributes", &attributes[..])] {
        let found = mail[found].as_array().expect("names");
        assert!(found.iter().all(|one| ours.iter().any(|ours| one == ours)), "{text:?}: {found:?}");
    }
}

/// Checks that a text which was put everywhere changed nothing but text.
#[track_caller]
fn assert_harmless(mail: &Value, text: &str) {
    assert_only_ours(mail, text);
    let subject = header(mail, "Subject")[0];
    assert!(!subject.contains(['\r', '\n', '\u{1b}', '\0', '\u{202e}']), "{subject:?}");
    assert!(!subject.contains("<b>bcc</b>"), "the title was decoded a second time: {subject:?}");
    for part in ["plain", "html_text"] {
        let part = mail[part].as_str().expect("text");
        assert!(!part.contains(['\u{1b}', '\0', '\u{7}', '\u{202e}']), "{part:?}");
    }
    // What is not a control character is all there, in the same order.
    let visible = |text: &str| text.replace(|c: char| c.is_control() || "\u{202e}\u{fffd} ".contains(c), "");
    let page = visible(mail["html_text"].as_str().expect("text"));
    assert!(page.contains(&visible(text)), "{text:?} is not in {page:?}");
}

#[tokio::test]
async fn a_million_characters_are_cut_where_the_reader_sees_it() {
    let mut server = Server::start("plain", &[]).await;
    let channel = channel(server.options(MailSecurity::None));
    for text in ["x".repeat(1_000_000), "<row>\n".repeat(170_000), "ä".repeat(500_000)] {
        let small = (0..49).map(|n| (n.to_string(), String::new()));
        let sent = Message {
            title: text.clone(),
            facts: [(text.clone(), text.clone())].into_iter().chain(small).collect(),
            playbook: text.clone(),
            tenant: text.clone(),
            text,
            ..message()
        };
        channel.send(&sent).await.expect("it is taken");
        let mail = server.next().await;
        assert_sound(&mail);
        assert!(mail["size"].as_u64().is_some_and(|size| size < 1024 * 1024), "{}", mail["size"]);
        for part in ["plain", "html_text"] {
            let part = mail[part].as_str().expect("text");
            assert!(part.contains(" more lines") || part.contains(" more characters"));
            assert!(part.contains("10 more"), "facts");
        }
    }
}
