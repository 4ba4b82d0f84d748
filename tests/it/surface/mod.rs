//! Every operation of S3, sent to an origin by way of a node and to its twin without one: requests arrive as they were sent,
//! and answers come back as they were given.

mod documents;
mod listings;
mod names;
mod objects;
mod rights;
mod uploads;
mod versions;
mod warm;

use bytes::Bytes;

use crate::support::client::{Answer, Ask, Client};
use crate::support::node::{SECRET, Settings, TestNode};
use crate::support::origin::{self, Seen, TestOrigin};

/// Headers that may differ: each end has its own connection, clock and ids; and those that only the node has.
const OWN: [&str; 8] = [
    "connection",
    "date",
    "server",
    "transfer-encoding",
    "x-amz-id-2",
    "x-amz-request-id",
    "x-forebay-cache",
    "x-forebay-node",
];
/// Headers of requests that each hop makes anew.
const HOP: [&str; 3] = [
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
];
/// Headers of requests that go on, besides `x-amz-*`.
const STANDARD: [&str; 12] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// Two origins with the same content: one behind a node, one beside it.
struct Twins {
    behind: TestOrigin,
    beside: TestOrigin,
    node: TestNode,
    /// The way through the node, with every right.
    through: Client,
    direct: Client,
}

/// What a request was at an origin, as far as both must see the same.
type Arrived = (
    String,
    String,
    Vec<(String, String)>,
    Vec<(String, String)>,
    Bytes,
);

impl Twins {
    async fn new() -> Self {
        Self::with("").await
    }

    /// Twins whose node has more configuration.
    async fn with(more: &str) -> Self {
        let (behind, beside) = (TestOrigin::start().await, TestOrigin::start().await);
        let administrator = r#"
[identity.administrator]
access_key_id = "FBADMIN"
secret_access_key = { env = "TEST_SECRET" }
policies = ["all", "administrate"]
[policy.administrate]
allow = [{ actions = ["admin"], resources = ["*"] }]
"#;
        let settings = Settings {
            more: format!("{administrator}{more}"),
            ..Settings::default()
        };
        let node = TestNode::before(&behind, settings).await;
        Self {
            through: node.client("FBADMIN", SECRET),
            direct: Client::new(beside.address, origin::ACCESS_KEY, origin::SECRET),
            behind,
            beside,
            node,
        }
    }

    /// Stores the same at both.
    fn put(&self, path: &str, seed: u64, size: u64) {
        self.behind.put(path, seed, size);
        self.beside.put(path, seed, size);
    }

    /// Asks both and fails unless the answers are the same.
    async fn ask(&self, ask: &Ask) -> Answer {
        let through = self.through.send(ask).await;
        let direct = self.direct.send(ask).await;
        assert_eq!(
            through.status, direct.status,
            "{ask:?}: {through:?}, {direct:?}"
        );
        let compared = (headers(&through), headers(&direct));
        assert_eq!(compared.0, compared.1, "{ask:?}: {through:?}");
        assert_eq!(document(&through), document(&direct), "{ask:?}");
        let strangers = (self.behind.strangers(), self.beside.strangers());
        assert_eq!(strangers, Default::default(), "{ask:?}");
        through
    }

    /// As [`Self::ask`]; fails also unless both origins saw the same request last.
    async fn pass(&self, ask: &Ask) -> Answer {
        self.behind.seen();
        self.beside.seen();
        let answer = self.ask(ask).await;
        let (behind, beside) = (self.behind.seen().pop(), self.beside.seen().pop());
        let behind = behind.unwrap_or_else(|| panic!("nothing came of {ask:?}"));
        assert_eq!(arrived(&behind), arrived(&beside.expect("it was asked")));
        answer
    }

    /// As [`Self::pass`], of a request that succeeds.
    async fn succeed(&self, ask: &Ask) -> Answer {
        let answer = self.pass(ask).await;
        assert!(answer.status.is_success(), "{ask:?}: {answer:?}");
        answer
    }

    /// Reads an object twice, so that the second time may be answered from the cache; by GET and by HEAD.
    async fn read(&self, ask: Ask) -> Answer {
        let head = Ask {
            method: "HEAD",
            ..ask.clone()
        };
        self.ask(&ask).await;
        self.ask(&head).await;
        self.ask(&ask).await
    }
}

/// The headers of an answer that must not differ.
fn headers(answer: &Answer) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .collect();
    headers.retain(|(name, _)| !OWN.contains(&name.as_str()));
    // The ids in an error document have other lengths.
    headers.retain(|(name, _)| name != "content-length" || answer.status.is_success());
    headers.sort();
    headers
}

/// The body, without the ids in an error document.
fn document(answer: &Answer) -> Bytes {
    if answer.status.is_success() {
        return answer.body.clone();
    }
    let mut text = String::from_utf8_lossy(&answer.body).into_owned();
    for name in ["RequestId", "HostId"] {
        let id = answer.text(name);
        if !id.is_empty() {
            text = text.replace(&id, "ID");
        }
    }
    text.into()
}

fn arrived(seen: &Seen) -> Arrived {
    let goes_on = |name: &str| {
        let of_s3 = name.starts_with("x-amz-") || STANDARD.contains(&name);
        of_s3 && !HOP.contains(&name)
    };
    let mut headers: Vec<(String, String)> = seen
        .headers
        .iter()
        .filter(|(name, _)| goes_on(name.as_str()))
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            // A copy's source may begin with a slash, and means the same without.
            let value = match name.as_str() {
                "x-amz-copy-source" => value.trim_start_matches('/'),
                _ => &value,
            };
            (name.to_string(), value.to_owned())
        })
        .collect();
    headers.sort();
    (
        seen.method.to_string(),
        seen.path.clone(),
        seen.query.clone(),
        headers,
        seen.bytes(),
    )
}
