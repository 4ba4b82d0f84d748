//! A store that says what it is told to, byte for byte, and remembers what it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

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
        tasks.spawn("store", async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (log, replies) = (log.clone(), replies.clone());
                spawner.spawn("connection", serve(connection, log, replies));
            }
        });
        Self {
            address,
            asked,
            _tasks: tasks,
        }
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
) {
    let mut connection = BufStream::new(connection);
    while let Some(asked) = read(&mut connection).await {
        log.lock().expect("no test panicked").push(asked);
        let reply = replies.lock().expect("no test panicked").pop_front();
        let (text, open) = match reply.expect("a reply is left") {
            Reply::Say(text) => (text, true),
            Reply::SayAndClose(text) => (text, false),
        };
        let written = connection.write_all(text.as_bytes()).await;
        if written.and(connection.flush().await).is_err() || !open {
            return;
        }
    }
}

/// Reads a whole request; none where the connection ends before it does.
async fn read(connection: &mut BufStream<TcpStream>) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("a head in UTF-8");
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
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
    connection.read_exact(&mut asked.body).await.ok()?;
    Some(asked)
}
