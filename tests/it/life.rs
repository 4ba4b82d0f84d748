//! A process's life: start, reload, drain, end.

use std::path::Path;

use http_body_util::BodyExt;

use crate::support::client::Ask;
use crate::support::content;
use crate::support::node::{self, SECRET, Settings};
use crate::support::origin::TestOrigin;
use crate::support::process::{self, Process};

const MIB: u64 = 1 << 20;

async fn world() -> (TestOrigin, Process, String) {
    let origin = TestOrigin::start().await;
    origin.put("train/k", 1, 4 * MIB);
    let configuration = node::configuration(origin.address, &Settings::default());
    let process = Process::start(&configuration).await;
    (origin, process, configuration)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_under_way_ends_whole_when_the_process_is_told_to_end() {
    let (origin, mut process, _) = world().await;
    let gate = origin.hold();
    gate.add_permits(1);
    let answer = process.client.start(&Ask::get("/train/k")).await;
    process.terminate();
    process.says("draining").await;
    let refused = async {
        // The socket closes a moment after the line is logged; a connection made before is not answered.
        let address = process.client.address();
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(process::PATIENCE, refused)
        .await
        .expect("no new connections");
    gate.add_permits(1 << 10);
    let body = answer.into_body().collect().await.expect("a whole body");
    let body = body.to_bytes();
    assert_eq!(body.len() as u64, 4 * MIB);
    assert_eq!(content::differs(1, 0, &body), None);
    assert_eq!(process.ended().await.code(), Some(0));
}

#[test]
fn a_wrong_configuration_is_refused_with_all_its_mistakes() {
    let ended = process::refused(
        r#"
        [memory]
        limit = "1MiB"
        [listen.s3]
        adress = "127.0.0.1:0"
        [bucket.train]
        origin = "absent"
        [identity.one]
        access_key_id = "ONE"
        secret_access_key = "written out"
        "#,
    );
    assert_eq!(ended.status.code(), Some(64));
    for key in [
        "memory.limit",
        "listen.s3.adress",
        "bucket.train.origin",
        "identity.one.secret_access_key",
    ] {
        assert!(ended.stderr.contains(key), "{key}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("written out"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_effect_whole_or_not_at_all() {
    let (origin, mut process, configuration) = world().await;
    origin.put("other/k", 2, 100);
    let more = |path: &Path| {
        format!(
            r#"{configuration}
[origin.folder]
kind = "directory"
path = "{}"
[bucket.folder]
origin = "folder"
[bucket.other]
origin = "test"
[identity.second]
access_key_id = "FBSECOND"
secret_access_key = {{ env = "TEST_SECRET" }}
policies = ["all"]
"#,
            path.display()
        )
    };
    let second = node_client(&process, "FBSECOND");
    let state = async || {
        (
            process_status(&second, "/other/k").await,
            process_status(&process.client, "/train/k").await,
        )
    };
    let before = state().await;
    assert_eq!(before, (403, 200));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a-file");
    std::fs::write(&file, "no folder").expect("room on the disk");
    std::fs::write(process.configuration(), more(&file)).expect("room on the disk");
    process.reload();
    process.says("the old one stays in use").await;
    assert_eq!(
        (
            process_status(&second, "/other/k").await,
            process_status(&process.client, "/other/k").await
        ),
        (403, 404),
        "neither the identity nor the bucket"
    );
    std::fs::write(process.configuration(), more(folder.path())).expect("room on the disk");
    process.reload();
    process.says("reloaded the configuration").await;
    assert_eq!(process_status(&second, "/other/k").await, 200);
    assert_eq!(process_status(&process.client, "/train/k").await, 200);
    std::fs::write(process.configuration(), &configuration).expect("room on the disk");
    process.reload();
    process.says("reloaded the configuration").await;
    assert_eq!(process_status(&second, "/other/k").await, 403);
    assert_eq!(process_status(&process.client, "/other/k").await, 404);
}

fn node_client(process: &Process, access_key: &str) -> crate::support::client::Client {
    crate::support::client::Client::new(process.client.address(), access_key, SECRET)
}

async fn process_status(client: &crate::support::client::Client, target: &str) -> u16 {
    client.get(target).await.status.as_u16()
}
