//! A mailbox that takes any mail on loopback: what the demo's e-mail channel is pointed at.
//!
//! It speaks as much SMTP as a submitting client needs (RFC 5321 §4.5.1) and nothing else: no
//! encryption, no login, no delivery. Everything has a limit; what is over it is refused.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Longest line taken, in bytes: RFC 5321 §4.5.3.1.6 allows 1,000 and clients keep to it.
const LINE_BYTES_MAX: usize = 4096;
/// Largest message taken, in bytes.
const MESSAGE_BYTES_MAX: usize = 10 << 20;
/// Most messages kept; the oldest go first.
const MESSAGES_MAX: usize = 1000;
/// Longest silence of a client.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A mail as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Envelope sender.
    pub from: String,
    /// Envelope recipients.
    pub to: Vec<String>,
    /// Headers and body, with dot-stuffing undone.
    pub data: Vec<u8>,
}

/// A running mailbox. Stops when it is dropped.
#[derive(Debug)]
pub struct Mailbox {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<Mail>>>,
    // Dropping the set ends the server's tasks.
    _tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Mailbox {
    /// Opens a mailbox on a free loopback port.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let mails = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&mails), stop.clone()));
        Ok(Self { address, mails, _tasks: tasks, stop })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The mails that have arrived, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(listener: TcpListener, mails: Arc<Mutex<Vec<Mail>>>, stop: CancellationToken) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_ended) = clients.join_next(), if !clients.is_empty() => {}
            accepted = listener.accept() => {
                let Ok((stream, _peer)) = accepted else { continue };
                let mails = Arc::clone(&mails);
                clients.spawn(async move {
                    let ended = tokio::time::timeout(SILENCE_MAX * 4, Session::new(stream).talk(&mails)).await;
                    tracing::debug!(?ended, "a mail client has left");
                });
            }
        }
    }
}

struct Session {
    stream: BufReader<TcpStream>,
    from: Option<String>,
    to: Vec<String>,
}

impl Session {
    fn new(stream: TcpStream) -> Self {
        Self { stream: BufReader::new(stream), from: None, to: Vec::new() }
    }

    async fn talk(&mut self, mails: &Mutex<Vec<Mail>>) -> std::io::Result<()> {
        self.say("220 mailbox ready").await?;
        while let Some(line) = self.line().await? {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let answer = match word.as_str() {
                "EHLO" => "250-mailbox\r\n250-SIZE 10485760\r\n250 8BITMIME",
                "HELO" | "NOOP" => "250 ok",
                "RSET" => {
                    self.reset();
                    "250 ok"
                }
                "MAIL" => {
                    self.from = Some(address_of(&line));
                    "250 ok"
                }
                "RCPT" => {
                    self.to.push(address_of(&line));
                    "250 ok"
                }
                "DATA" if self.from.is_some() && !self.to.is_empty() => self.take(mails).await?,
                "DATA" => "503 who from and who to first",
                "QUIT" => {
                    self.say("221 bye").await?;
                    return Ok(());
                }
                _ => "502 not known here",
            };
            self.say(answer).await?;
        }
        Ok(())
    }

    /// Takes the text of a mail up to the lone dot.
    async fn take(&mut self, mails: &Mutex<Vec<Mail>>) -> std::io::Result<&'static str> {
        self.say("354 go on").await?;
        let mut data = Vec::new();
        let mut fits = true;
        while let Some(line) = self.line().await? {
            if line == b".\r\n" {
                let mail = Mail {
                    from: self.from.take().unwrap_or_default(),
                    to: std::mem::take(&mut self.to),
                    data,
                };
                if fits {
                    keep(&mut mails.lock().unwrap_or_else(PoisonError::into_inner), mail);
                }
                return Ok(if fits { "250 taken" } else { "552 too large" });
            }
            fits &= data.len() + line.len() <= MESSAGE_BYTES_MAX;
            if fits {
                data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            }
        }
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    async fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut limited = tokio::io::AsyncReadExt::take(&mut self.stream, LINE_BYTES_MAX as u64);
        let read = tokio::time::timeout(SILENCE_MAX, limited.read_until(b'\n', &mut line)).await??;
        if read == LINE_BYTES_MAX {
            return Err(std::io::Error::other("a line is too long"));
        }
        Ok((read > 0).then_some(line))
    }

    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.write_all(b"\r\n").await
    }
}

fn keep(mails: &mut Vec<Mail>, mail: Mail) {
    if mails.len() == MESSAGES_MAX {
        mails.remove(0);
    }
    mails.push(mail);
}

/// The address between the angle brackets of `MAIL FROM:<..>` and `RCPT TO:<..>`.
fn address_of(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map(|(address, _)| address.to_owned()).unwrap_or_default()
}
