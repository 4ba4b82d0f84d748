//! A node's life, from start to drain.

use super::*;

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::Surroundings;
use reload::{FIXED, Look};

/// A configuration on free ports, which keeps data in `folder` and drains at once.
fn text(folder: &Path) -> String {
    let folder = toml::Value::from(folder.display().to_string());
    format!(
        r#"
        node.name = "node-1"
        listen.s3.address = "127.0.0.1:0"
        listen.admin.address = "127.0.0.1:0"
        drain = {{ accept = "0s", patience = "0s" }}
        origin.folder = {{ kind = "directory", path = {folder} }}
        bucket."*" = {{ origin = "folder" }}
        identity.one = {{ access_key_id = "ONE", secret_access_key = {{ env = "SECRET" }} }}
        "#
    )
}

fn config(text: &str) -> Config {
    crate::config::parse(text, &surroundings()).unwrap()
}

fn surroundings() -> Surroundings {
    let mut surroundings = Surroundings::of_process();
    let secret = ("SECRET".to_owned(), "s3cr3t".to_owned());
    surroundings.variables.extend([secret]);
    surroundings
}

async fn started(config: Config) -> Running {
    let sockets = Sockets::bind(&config).await.unwrap();
    start(config, sockets, Clock::system(), None).await.unwrap()
}

/// The answer's first line.
async fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_node_serves_until_it_is_shut_down() {
    let folder = tempfile::tempdir().unwrap();
    let running = started(config(&text(folder.path()))).await;
    let (s3, admin) = (running.s3_address, running.admin_address);
    assert_eq!(
        get(admin, "/health/ready").await.unwrap(),
        "HTTP/1.1 200 OK"
    );
    assert!(get(s3, "/").await.unwrap().starts_with("HTTP/1.1 "));
    running.shutdown().await;
    assert!(get(s3, "/").await.is_err());
    assert!(get(admin, "/health/live").await.is_err());
}

#[tokio::test]
async fn a_draining_node_is_not_ready_but_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&text(folder.path()));
    // Longer than the test takes: it ends by dropping the drain.
    config.drain.accept = Duration::from_secs(3600);
    let running = started(config).await;
    let (s3, admin) = (running.s3_address, running.admin_address);
    let observed = async {
        // The drain has begun: it was polled first.
        let ready = get(admin, "/health/ready").await.unwrap();
        assert_eq!(ready, "HTTP/1.1 503 Service Unavailable");
        assert!(get(s3, "/").await.is_ok());
    };
    tokio::select! {
        biased;
        () = running.shutdown() => panic!("it drains for an hour"),
        () = observed => {}
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_or_avoided() {
    let folder = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = holder.local_addr().unwrap();
    let mut config = config(&text(folder.path()));
    config.listen.s3.address = taken;
    let error = Sockets::bind(&config).await.expect_err("it is taken");
    assert!(matches!(error, Error::Bind { address, .. } if address == taken));
    let sockets = Sockets::bind_near(&config).await.unwrap();
    assert_ne!(sockets.s3_address, taken);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cert.pem");
    std::fs::write(&file, "nonsense").unwrap();
    let mut config = config(&text(folder.path()));
    config.listen.s3.tls = Some(crate::config::Tls {
        cert: file.clone(),
        key: file,
    });
    let sockets = Sockets::bind(&config).await.unwrap();
    let error = start(config, sockets, Clock::system(), None).await;
    let Err(Error::Config(problems)) = error else {
        panic!("it is no certificate");
    };
    assert_eq!(problems.list()[0].key, "listen.s3.tls");
}

#[tokio::test]
async fn a_change_is_applied_when_it_is_seen_twice_or_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let old = text(folder.path());
    let new = |age| format!("{old}\nbucket.more = {{ origin = \"folder\", freshness = {age} }}");
    let (second, third) = (config(&new("\"always\"")), config(&new("\"immutable\"")));
    let running = started(config(&old)).await;
    let reloader = &running.reloader;

    reloader.take(Ok(second.clone()), Look::Routine).await;
    assert_ne!(reloader.current().await, second);
    reloader.take(Ok(second.clone()), Look::Routine).await;
    assert_eq!(reloader.current().await, second);

    let wrong = crate::config::parse("nonsense", &surroundings()).unwrap_err();
    reloader.take(Err(wrong), Look::Asked).await;
    assert_eq!(reloader.current().await, second);

    reloader.take(Ok(third.clone()), Look::Asked).await;
    assert_eq!(reloader.current().await, third);
    running.shutdown().await;
}

#[test]
fn the_documents_say_what_a_reload_leaves_alone() {
    let page = include_str!("../../docs/CONFIGURATION.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [key, _, _, reload] = cells.as_slice() else {
            return None;
        };
        let key = key.strip_prefix('`')?.strip_suffix('`')?;
        Some((key.split('.').next()?, key, *reload))
    });
    let mut seen = 0;
    for (section, key, reload) in rows {
        let follows = !FIXED.contains(&section.trim_end_matches("[]"));
        assert_eq!(reload == "yes", follows, "{key}");
        seen += 1;
    }
    assert!(seen > 50, "{seen} keys");
}
