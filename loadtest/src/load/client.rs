//! One client: its connection, its signatures, and the check of what it gets.

use std::fmt::Write;
use std::io;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::connection::{Connection, Head};
use super::sign::{self, Parts, Signer, UNSIGNED};
use super::{Ask, Outcome, Target, Verb};

/// An answer that takes longer than this, and than its body at the least speed, has failed: a server that hangs must end the
/// run, not stop it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes a second.
const LEAST_SPEED: u64 = 10_000_000;

/// Written at a time.
const CHUNK: u64 = 128 * 1024;

/// One client.
pub(crate) struct Client {
    target: Target,
    signer: Option<Signer>,
    /// The second that the last signature was made in, and its text: to format it costs more than to sign.
    moment: (i64, String),
    connection: Option<Connection>,
    /// The request's head, kept for its allocation.
    head: String,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Where the answer came from, as the server says.
    pub(crate) source: String,
    /// Bytes of the body.
    pub(crate) length: u64,
    /// Whether the body is the one that was expected; true where it was not compared.
    pub(crate) right: bool,
    /// To the first byte of the body; to the end of the head where it has none.
    pub(crate) first_byte: Duration,
    pub(crate) whole: Duration,
}

impl Client {
    pub(crate) fn new(target: &Target) -> Self {
        let host = target.address.to_string();
        let signer = |credentials| Signer::new(credentials, &target.region, &host);
        Self {
            target: target.clone(),
            signer: target.credentials.clone().map(signer),
            moment: (0, String::new()),
            connection: None,
            head: String::new(),
        }
    }

    /// Sends one request and books its answer.
    pub(crate) async fn send(&mut self, ask: &Ask, check: bool, outcome: &mut Outcome) {
        self.send_late(ask, check, Duration::ZERO, outcome).await;
    }

    /// As [`Client::send`], for a request that was due at a moment that may have passed: its latency counts from then on. Says
    /// whether it was answered as it should be.
    pub(crate) async fn send_due(
        &mut self,
        ask: &Ask,
        check: bool,
        due: Instant,
        outcome: &mut Outcome,
    ) -> bool {
        let late = due.elapsed();
        outcome.waited(late);
        self.send_late(ask, check, late, outcome).await
    }

    async fn send_late(
        &mut self,
        ask: &Ask,
        check: bool,
        late: Duration,
        outcome: &mut Outcome,
    ) -> bool {
        match self.ask(ask, check).await {
            Ok(mut answer) => {
                answer.first_byte += late;
                answer.whole += late;
                book(ask, check, &answer, outcome)
            }
            Err(error) => {
                outcome.failed(&format!("{} {error}", ask.verb.method()));
                false
            }
        }
    }

    /// Sends one request. With an error the connection is gone, and the next request opens another.
    pub(crate) async fn ask(&mut self, ask: &Ask, check: bool) -> io::Result<Answer> {
        self.write_head(ask);
        let taken = self.connection.take();
        let exchange = exchange(&self.target, taken, &self.head, ask, check);
        let patience = PATIENCE + Duration::from_secs(ask.size / LEAST_SPEED);
        let (connection, answer) = tokio::time::timeout(patience, exchange)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        self.connection = connection;
        Ok(answer)
    }

    /// The request's head, signed now: for who reads the answer in a way of its own.
    pub(crate) fn head(&mut self, ask: &Ask) -> &str {
        self.write_head(ask);
        &self.head
    }

    fn write_head(&mut self, ask: &Ask) {
        let method = ask.verb.method();
        let path = format!("/{}/{}", self.target.bucket, ask.key);
        self.head.clear();
        let _ = write!(
            self.head,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n",
            self.target.address
        );
        let mut signed: Vec<(&str, &str)> = Vec::new();
        let range = ask
            .range
            .map(|(first, end)| format!("bytes={first}-{}", end - 1));
        let generation = ask.generation.to_string();
        signed.extend(range.as_deref().map(|range| ("range", range)));
        if ask.verb == Verb::Put {
            signed.push(("x-amz-meta-generation", &generation));
            let _ = write!(self.head, "content-length: {}\r\n", ask.size);
        }
        for (name, value) in &signed {
            self.head.extend([name, ": ", value, "\r\n"]);
        }
        if let Some(signer) = &mut self.signer {
            let now = Timestamp::now();
            if now.as_second() != self.moment.0 {
                self.moment = (now.as_second(), sign::moment(now));
            }
            let parts = Parts {
                method,
                path: &path,
                query: "",
                headers: &signed,
                payload: UNSIGNED,
            };
            self.head.push_str(&signer.sign(&parts, &self.moment.1));
        }
        self.head.push_str("\r\n");
    }
}

/// Gives the connection back where it may be used again.
async fn exchange(
    target: &Target,
    connection: Option<Connection>,
    head: &str,
    ask: &Ask,
    check: bool,
) -> io::Result<(Option<Connection>, Answer)> {
    let started = Instant::now();
    let mut connection = match connection {
        Some(connection) => connection,
        None => Connection::to(target).await?,
    };
    connection.send(head.as_bytes()).await?;
    if ask.verb == Verb::Put {
        upload(&mut connection, ask).await?;
    }
    let Head {
        status,
        length,
        closes,
        source,
    } = connection.head(ask.verb == Verb::Head).await?;
    let mut first_byte = None;
    let content = (check && ask.verb == Verb::Get && status < 300).then(|| ask.content());
    let (first, _) = ask.bytes();
    let mut right = true;
    let look = |at, part: &[u8]| {
        first_byte.get_or_insert_with(|| started.elapsed());
        if let Some(content) = content {
            right &= content.holds(first + at, part);
        }
    };
    connection.body(length, look).await?;
    let answer = Answer {
        status,
        source,
        length,
        right,
        first_byte: first_byte.unwrap_or_else(|| started.elapsed()),
        whole: started.elapsed(),
    };
    Ok(((!closes).then_some(connection), answer))
}

async fn upload(connection: &mut Connection, ask: &Ask) -> io::Result<()> {
    let content = ask.content();
    let mut at = 0;
    while at < ask.size {
        let length = CHUNK.min(ask.size - at);
        let mut bytes = vec![0; usize::try_from(length).expect("a chunk is small")];
        content.fill(at, &mut bytes);
        connection.send(&bytes).await?;
        at += length;
    }
    Ok(())
}

/// Says whether status and length are as they should be.
fn book(ask: &Ask, check: bool, answer: &Answer, outcome: &mut Outcome) -> bool {
    let (first, end) = ask.bytes();
    let (status, length) = match (ask.verb, ask.range) {
        (Verb::Get, None) => (200, end - first),
        (Verb::Get, Some(_)) => (206, end - first),
        (Verb::Head | Verb::Put, _) => (200, answer.length),
        (Verb::Delete, _) => (204, answer.length),
    };
    if answer.status != status {
        outcome.failed(&format!("{} {}", ask.verb.method(), answer.status));
        false
    } else if answer.length != length {
        outcome.wrong += 1;
        false
    } else {
        if check && ask.verb == Verb::Get {
            outcome.checked += 1;
            outcome.wrong += u64::from(!answer.right);
        }
        let bytes = if ask.verb == Verb::Get { length } else { 0 };
        outcome.answered(&answer.source, bytes, answer.first_byte, answer.whole);
        true
    }
}
