//! A store that says what it is told to, byte for byte, and remembers what it was asked.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::channel::mpsc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

use crate::tasks::Tasks;

/// What the store does with a request.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// Writes this and reads the next request of the connection.
    Say(String),
    /// Writes this and closes the connection.
    SayAndClose(String),
}

/// A request as it was written.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    /// The value of a header, or nothing.
    pub(super) fn header(&self, name: &str) -> &str {
        let header = self.headers.iter().find(|(it, _)| it == name);
        header.map_or("", |(_, value)| value)
    }
}

/// The store.
pub(super) struct Store {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    endings: Mutex<mpsc::UnboundedReceiver<ErrorKind>>,
    _tasks: Tasks,
}

impl Store {
    /// Answers the requests in order.
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let replies = Arc::new(Mutex::new(replies.into_iter().collect::<VecDeque<_>>()));
        let tasks = Tasks::default();
        let (log, spawner) = (asked.clone(), tasks.clone());
        let (ended, endings) = mpsc::unbounded();
        tasks.spawn("store", async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (log, replies, ended) = (log.clone(), replies.clone(), ended.clone());
                spawner.spawn("connection", async move {
                    if let Err(error) = serve(connection, log, replies).await {
                        // Nobody listens where the test has ended.
                        drop(ended.unbounded_send(error.kind()));
                    }
                });
            }
        });
        Self {
            address,
            asked,
            endings: Mutex::new(endings),
            _tasks: tasks,
        }
    }

    /// How the client ended the next connection that it ended: `UnexpectedEof` in order, or `ConnectionReset`.
    pub(super) async fn ending(&self) -> ErrorKind {
        let next = futures::future::poll_fn(|context| {
            let mut endings = self.endings.lock().expect("no test panicked");
            endings.poll_next_unpin(context)
        });
        next.await.expect("the store runs")
    }

    /// The requests so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panicked").clone()
    }
}

async fn serve(
    connection: TcpStream,
    log: Arc<Mutex<Vec<Asked>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
) -> io::Result<()> {
    let mut connection = BufStream::new(connection);
    loop {
        let asked = read(&mut connection).await?;
        log.lock().expect("no test panicked").push(asked);
        let reply = replies.lock().expect("no test panicked").pop_front();
        let (text, open) = match reply.expect("a reply is left") {
            Reply::Say(text) => (text, true),
            Reply::SayAndClose(text) => (text, false),
        };
        let written = connection.write_all(text.as_bytes()).await;
        if written.and(connection.flush().await).is_err() || !open {
            return Ok(());
        }
    }
}

/// Reads a whole request.
async fn read(connection: &mut BufStream<TcpStream>) -> io::Result<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    let head = String::from_utf8(head).expect("a head in UTF-8");
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines
        .next()
        .unwrap_or_default()
        .split(' ')
        .map(str::to_owned);
    let mut word = || words.next().expect("a request has a method and a target");
    let (method, target) = (word(), word());
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut asked = Asked {
        method,
        target,
        headers,
        body: Vec::new(),
    };
    let length = asked.header("content-length").parse().unwrap_or(0);
    asked.body.resize(length, 0);
    connection.read_exact(&mut asked.body).await?;
    Ok(asked)
}
