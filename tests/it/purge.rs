//! Purging and finding objects and looking into disks, as operators do it: the command line, the admin port of a running node,
//! the next read.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use forebay::telemetry::Exporter;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::client::Ask;
use crate::support::content;
use crate::support::node::{Settings, TestNode};
use crate::support::origin::TestOrigin;
use crate::support::process::PATIENCE;

const MIB: u64 = 1 << 20;

/// A node before an origin with an object under each of these keys, all read once and never to be asked about again.
async fn warm(keys: &[&str], more: &str) -> (TestOrigin, TestNode) {
    let origin = TestOrigin::start().await;
    let settings = Settings {
        freshness: "\"immutable\"",
        more: more.to_owned(),
        ..Settings::default()
    };
    for (seed, key) in (1..).zip(keys) {
        origin.put(&format!("train/{key}"), seed, 3 * MIB);
    }
    let node = TestNode::before(&origin, settings).await;
    disks_serve(&node).await;
    for key in keys {
        node.client.get(&format!("/train/{key}")).await;
    }
    origin.seen();
    (origin, node)
}

/// Waits until every disk of the node takes what is offered: what is read before that is not kept.
async fn disks_serve(node: &TestNode) {
    let started = Instant::now();
    loop {
        let metrics = Exporter::new(&node.running.metrics).expect("an exporter");
        let text = metrics.text().expect("metrics");
        let lines = text.lines();
        let mut states = lines.filter(|it| it.starts_with("forebay_disk_state{"));
        if !states.any(|it| it.contains("state=\"serving\"") && it.ends_with(" 0")) {
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "a disk does not serve: {text}"
        );
        tokio::task::yield_now().await;
    }
}

/// What a command said, and the code that it exited with.
struct Told {
    code: Option<i32>,
    out: String,
    error: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}{}", self.out, self.error))
    }
}

/// Runs `forebay` with these arguments, about a node.
async fn forebay(node: &TestNode, arguments: &[&str]) -> Told {
    ask(node.running.admin_address, arguments).await
}

/// Runs `forebay` with these arguments, about whatever is at `admin`.
async fn ask(admin: SocketAddr, arguments: &[&str]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command
        .args(arguments)
        .args(["--admin", &format!("http://{admin}")])
        .env("TEST_TOKEN", "t0ken")
        .stdin(Stdio::null());
    let told = tokio::task::spawn_blocking(move || told(&mut command)).await;
    told.expect("no panic")
}

/// Runs a command to its end.
fn told(command: &mut Command) -> Told {
    let output = command.output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Told {
        code: output.status.code(),
        out: text(output.stdout),
        error: text(output.stderr),
    }
}

/// Reads an object that the origin has under `seed`, and tells where it came from and what that cost the origin.
async fn read(origin: &TestOrigin, node: &TestNode, key: &str, seed: u64) -> (String, u64) {
    let before = origin.body_bytes();
    let answer = node.client.get(&format!("/train/{key}")).await;
    assert_eq!(answer.body.len() as u64, 3 * MIB);
    assert_eq!(content::differs(seed, 0, &answer.body), None);
    (answer.source().to_owned(), origin.body_bytes() - before)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_purged_is_fetched_anew_and_nothing_else() {
    let (origin, node) = warm(&["a/1", "a/2", "b"], "").await;
    let told = forebay(&node, &["purge", "s3://train/a/"]).await;
    assert_eq!((told.code, &*told.error), (Some(0), ""));
    assert!(told.out.contains("s3://train/a/*"), "{}", told.out);
    assert_eq!(origin.seen().len(), 0, "a purge asks nobody");
    for (key, seed) in [("a/1", 1), ("a/2", 2)] {
        let anew = ("origin".to_owned(), 3 * MIB);
        assert_eq!(read(&origin, &node, key, seed).await, anew, "{key}");
    }
    for (key, seed) in [("a/1", 1), ("a/2", 2), ("b", 3)] {
        let held = ("memory".to_owned(), 0);
        assert_eq!(read(&origin, &node, key, seed).await, held, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_of_one_key_leaves_those_alone_that_begin_so() {
    let (origin, node) = warm(&["key", "key2", "key/3"], "").await;
    let arguments = ["purge", "s3://train/key", "--exact", "--output", "json"];
    let told = forebay(&node, &arguments).await.json();
    assert_eq!(
        (&told["bucket"], &told["key"]),
        (&"train".into(), &"key".into())
    );
    assert!(
        told["epoch"].as_u64().is_some_and(|epoch| epoch > 0),
        "{told}"
    );
    assert_eq!(told["durable"], false, "there are no disks");
    let anew = ("origin".to_owned(), 3 * MIB);
    assert_eq!(read(&origin, &node, "key", 1).await, anew);
    for (key, seed) in [("key2", 2), ("key/3", 3)] {
        let held = ("memory".to_owned(), 0);
        assert_eq!(read(&origin, &node, key, seed).await, held, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_sees_the_origins_key_whatever_the_bucket_is_called() {
    let alias = "[bucket.alias]\norigin = \"test\"\nname = \"train\"\nprefix = \"a/\"\nfreshness = \"immutable\"\n";
    let (origin, node) = warm(&["a/k", "k"], alias).await;
    forebay(&node, &["purge", "s3://alias/k"]).await;
    let anew = ("origin".to_owned(), 3 * MIB);
    assert_eq!(read(&origin, &node, "a/k", 1).await, anew);
    let held = ("memory".to_owned(), 0);
    assert_eq!(read(&origin, &node, "k", 2).await, held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_asked_for_before_a_purge_serves_nobody_after_it() {
    let (origin, node) = warm(&["warm-up"], "").await;
    origin.put("train/k", 7, 3 * MIB);
    let gate = origin.hold();
    let early = tokio::join!(
        async {
            let client = node.client.clone();
            client.start(&Ask::get("/train/k")).await
        },
        async {
            origin.until(|seen| !seen.is_empty()).await;
            forebay(&node, &["purge", "s3://train/"]).await;
            gate.add_permits(1 << 20);
        }
    )
    .0;
    drop(early);
    let (source, bytes) = read(&origin, &node, "k", 7).await;
    assert_eq!(source, "origin");
    assert!(bytes >= 3 * MIB, "{bytes} bytes");
    let held = ("memory".to_owned(), 0);
    assert_eq!(read(&origin, &node, "k", 7).await, held);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_tells_what_is_known_and_which_pages_are_held() {
    let (origin, node) = warm(&["k"], "").await;
    let ask = ["where", "s3://train/k", "--output", "json"];
    let told = forebay(&node, &ask).await.json();
    assert_eq!(told["origin"], "test");
    assert_eq!(told["record"]["size"], 3 * MIB);
    assert_eq!(told["record"]["fresh"], true);
    assert_eq!(
        (&told["totals"]["pages"], &told["totals"]["memory_pages"]),
        (&48.into(), &48.into())
    );
    assert_eq!(
        told["blocks"],
        serde_json::json!([{ "blocks": "0-2", "memory": "0-15" }])
    );

    origin.put("train/part", 2, 3 * MIB);
    let range = format!("bytes={}-{}", MIB + 65_536, MIB + 65_537);
    node.client
        .send(&Ask::get("/train/part").header("range", range))
        .await;
    let told = forebay(&node, &["where", "s3://train/part", "--output", "json"])
        .await
        .json();
    assert_eq!(
        told["blocks"],
        serde_json::json!([{ "blocks": "1", "memory": "1" }])
    );

    let told = forebay(&node, &["where", "s3://train/k"]).await;
    assert!(told.out.contains("48 of 48 pages"), "{}", told.out);
    forebay(&node, &["purge", "s3://train/k"]).await;
    let told = forebay(&node, &ask).await.json();
    assert_eq!(
        (&told["record"], &told["blocks"]),
        (&Value::Null, &serde_json::json!([]))
    );
    origin.seen();
    forebay(&node, &ask).await;
    assert_eq!(origin.seen().len(), 0, "it asks nobody");
}

/// The configuration of a disk in a folder.
fn disk(folder: &TempDir) -> String {
    let path = folder.path().display();
    format!("[[disk]]\npath = \"{path}/disk\"\ncapacity = \"512MiB\"\n")
}

/// Where an object is, once `is_so`.
async fn place(node: &TestNode, key: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let location = format!("s3://train/{key}");
    let started = Instant::now();
    loop {
        let told = forebay(node, &["where", &location, "--output", "json"]).await;
        let told = told.json();
        if is_so(&told) {
            return told;
        }
        assert!(started.elapsed() < PATIENCE, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_reaches_the_disks_and_holds_when_the_node_starts_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (origin, node) = warm(&["a", "ab", "b"], &disk(&folder)).await;
    let all = |told: &Value| told["totals"]["disk_pages"] == 48;
    for key in ["a", "ab", "b"] {
        let told = place(&node, key, all).await;
        let path = told["blocks"][0]["path"].as_str().expect("a path");
        assert!(path.ends_with("/disk"), "{told}");
        assert_eq!(told["blocks"][0]["disk"], "0-15");
    }
    let arguments = ["purge", "s3://train/a", "--exact", "--output", "json"];
    let told = forebay(&node, &arguments).await.json();
    assert_eq!(told["durable"], true);
    node.running.shutdown().await;

    let settings = Settings {
        freshness: "\"immutable\"",
        more: disk(&folder),
        ..Settings::default()
    };
    let node = TestNode::before(&origin, settings).await;
    for key in ["ab", "b"] {
        place(&node, key, all).await;
    }
    let purged = place(&node, "a", |_| true).await;
    assert_eq!(purged["record"], Value::Null);
    assert_eq!(origin.seen().len(), 0, "nobody was asked");
    node.client.send(&Ask::new("HEAD", "/train/a")).await;
    let purged = place(&node, "a", |told| !told["record"].is_null()).await;
    assert_eq!(purged["totals"]["disk_pages"], 0, "{purged}");
    let kept = ("disk".to_owned(), 0);
    assert_eq!(read(&origin, &node, "ab", 2).await, kept);
    assert_eq!(read(&origin, &node, "b", 3).await, kept);
    let anew = ("origin".to_owned(), 3 * MIB);
    assert_eq!(read(&origin, &node, "a", 1).await, anew);
    place(&node, "a", all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_is_told_where_it_is_and_purged_on_the_disk_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let (origin, node) = warm(&[], &disk(&folder)).await;
    origin.put("train/small", 9, 1000);
    node.client.get("/train/small").await;
    let on_disk = |told: &Value| told["totals"]["disk_bytes"] == 1000;
    let told = place(&node, "small", on_disk).await;
    let run = serde_json::json!([{ "blocks": "0", "memory": "0", "disk": "0" }]);
    assert_eq!(told["blocks"], run);
    forebay(&node, &["purge", "s3://train/small", "--exact"]).await;
    node.client.send(&Ask::new("HEAD", "/train/small")).await;
    let told = place(&node, "small", |told| !told["record"].is_null()).await;
    assert_eq!(told["blocks"], serde_json::json!([]));
    origin.seen();
    let answer = node.client.get("/train/small").await;
    assert_eq!((answer.source(), origin.seen().len()), ("origin", 1));
    assert_eq!(content::differs(9, 0, &answer.body), None);
}

/// Runs `forebay disk inspect` on a disk's folder.
fn inspect(folder: &TempDir, arguments: &[&str]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.args(["disk", "inspect"]).args(arguments);
    command.arg(folder.path().join("disk")).stdin(Stdio::null());
    told(&mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_can_be_looked_into_while_it_is_used_and_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_origin, node) = warm(&["a", "b"], &disk(&folder)).await;
    let all = |told: &Value| told["totals"]["disk_pages"] == 48;
    for key in ["a", "b"] {
        place(&node, key, all).await;
    }
    let used = inspect(&folder, &["--output", "json"]).json();
    assert_eq!(used["in_use"], true);
    node.running.shutdown().await;

    let told = inspect(&folder, &["--scan", "--output", "json"]);
    assert_eq!((told.code, &*told.error), (Some(0), ""));
    let report = told.json();
    assert_eq!(report["in_use"], false);
    let scan = serde_json::json!({ "pages": 96, "bytes": 6 * MIB, "damaged": 0, "unreadable": 0 });
    assert_eq!(report["scan"], scan);
    let whole = report["classes"].as_array().and_then(|it| it.last());
    assert_eq!(whole.map(|class| &class["used"]), Some(&6.into()));

    let text = inspect(&folder, &[]).out;
    assert!(
        text.contains("blocks    6, 0 of them pinned, with 6.0 MiB"),
        "{text}"
    );
    flip_a_byte(&folder.path().join("disk/segments/00000000.seg"));
    let damaged = inspect(&folder, &["--scan", "--output", "json"]);
    assert_eq!(damaged.code, Some(65));
    assert_eq!(damaged.json()["scan"]["damaged"], 1);

    let empty = tempfile::tempdir().expect("a folder");
    assert_eq!(inspect(&empty, &[]).code, Some(69), "there is no folder");
    std::fs::create_dir(empty.path().join("disk")).expect("room");
    assert_eq!(inspect(&empty, &[]).code, Some(64), "there is no disk");
}

/// Changes the first byte of the last stretch of a segment that is not zero: a page of a body, as bodies here are not zero.
fn flip_a_byte(segment: &Path) {
    let mut bytes = std::fs::read(segment).expect("a segment");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("a body");
    bytes[last] ^= 0x55;
    std::fs::write(segment, bytes).expect("room");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_or_asks_for_nonsense_is_told_with_64_and_an_absent_node_with_69() {
    let token = "[listen.admin.token]\nenv = \"TEST_SECRET\"\n";
    let (_origin, node) = warm(&[], token).await;
    let refused = forebay(&node, &["purge", "s3://train/"]).await;
    assert_eq!(refused.code, Some(64));
    assert!(refused.error.contains("--token-file"), "{}", refused.error);
    let wrong = ["purge", "s3://train/", "--token-env", "TEST_TOKEN"];
    assert_eq!(forebay(&node, &wrong).await.code, Some(64));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "test-secret\n").expect("room");
    let file = file.path().display().to_string();
    let good = ["purge", "s3://train/", "--token-file", &file];
    assert_eq!(forebay(&node, &good).await.code, Some(0));
    for wrong in [
        ["where", "s3://nowhere/k", "--token-file", &file],
        ["where", "s3://train/", "--token-file", &file],
        ["where", "train/k", "--token-file", &file],
    ] {
        assert_eq!(forebay(&node, &wrong).await.code, Some(64), "{wrong:?}");
    }
    let admin = node.running.admin_address;
    node.running.shutdown().await;
    let told = ask(admin, &["where", "s3://train/k"]).await;
    assert_eq!(told.code, Some(69));
    assert!(told.error.contains("does not answer"), "{}", told.error);
}
