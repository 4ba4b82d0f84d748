//! A node in this process, on free ports, made from a configuration as users write it.

use std::net::SocketAddr;

use forebay::clock::Clock;
use forebay::config::{self, Surroundings};
use forebay::server::{self, Running, Sockets};
use forebay::types::ByteSize;

use super::client::Client;
use super::origin::{self, TestOrigin};

/// The access key of the client that may do everything.
pub(crate) const ACCESS_KEY: &str = "FBTEST";
/// Its secret.
pub(crate) const SECRET: &str = "test-secret";

/// A running node.
#[derive(Debug)]
pub(crate) struct TestNode {
    pub(crate) running: Running,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
}

/// What a test may choose.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) freshness: &'static str,
    pub(crate) memory: &'static str,
    /// More keys of `[listen.s3]`.
    pub(crate) listen: String,
    /// More TOML, after everything else.
    pub(crate) more: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            freshness: "{ max_age = \"60s\" }",
            memory: "1GiB",
            listen: String::new(),
            more: String::new(),
        }
    }
}

impl TestNode {
    /// A node before `origin`, whose bucket `train` it serves under that name.
    pub(crate) async fn before(origin: &TestOrigin, settings: Settings) -> Self {
        let configuration = configuration(origin.address, &settings);
        Self::start_on(&configuration, true).await
    }

    /// A node that is on the test's own thread, where time can be moved on.
    pub(crate) async fn here(origin: &TestOrigin) -> Self {
        let configuration = configuration(origin.address, &Settings::default());
        Self::start_on(&configuration, false).await
    }

    /// A node with this configuration.
    async fn start_on(text: &str, cores: bool) -> Self {
        let variables = [("TEST_SECRET", SECRET), ("ORIGIN_SECRET", origin::SECRET)];
        let surroundings = Surroundings {
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            host_name: "test".to_owned(),
            memory: ByteSize(8 << 30),
        };
        let config = config::parse(text, &surroundings).expect("a sound configuration");
        let clock = Clock::manual();
        let sockets = Sockets::bind(&config).await.expect("free ports");
        let cores = cores.then(|| server::cores().expect("there are threads"));
        let running = server::start(config, sockets, clock.clone(), cores)
            .await
            .expect("a node");
        let client = Client::new(running.s3_address, ACCESS_KEY, SECRET);
        Self {
            running,
            client,
            clock,
        }
    }

    /// A client with another key.
    pub(crate) fn client(&self, access_key: &str, secret: &str) -> Client {
        Client::new(self.running.s3_address, access_key, secret)
    }
}

/// The configuration of a node before `origin`.
pub(crate) fn configuration(origin: SocketAddr, settings: &Settings) -> String {
    let Settings {
        freshness,
        memory,
        listen,
        more,
    } = settings;
    let origin_key = origin::ACCESS_KEY;
    format!(
        r#"
[node]
name = "node-1"
[listen.s3]
address = "127.0.0.1:0"
{listen}
[listen.admin]
address = "127.0.0.1:0"
[drain]
accept = "0s"
[memory]
limit = "{memory}"
[origin.test]
kind = "s3"
endpoint = "http://{origin}"
region = "us-east-1"
dot_segments = true
credentials = {{ access_key_id = "{origin_key}", secret_access_key = {{ env = "ORIGIN_SECRET" }} }}
[bucket.train]
origin = "test"
freshness = {freshness}
[identity.tester]
access_key_id = "{ACCESS_KEY}"
secret_access_key = {{ env = "TEST_SECRET" }}
policies = ["all"]
[policy.all]
allow = [{{ actions = ["s3:*"], resources = ["*"] }}]
{more}
"#
    )
}
