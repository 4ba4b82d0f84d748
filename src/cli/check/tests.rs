//! What a check finds, and how it tells.

use http::StatusCode;

use super::*;
use crate::origin::{Call, Fetched, Get, Head, ObjectHead, Refusal};
use crate::types::{Body, OriginFingerprint};

/// An origin of which only the bucket `there` can be had.
#[derive(Debug)]
struct OneBucket;

#[async_trait::async_trait]
impl Origin for OneBucket {
    fn fingerprint(&self, _bucket: &BucketName) -> OriginFingerprint {
        unreachable!("a check reads nothing")
    }

    async fn get(&self, _get: Get) -> Result<Fetched, origin::Error> {
        unreachable!("a check reads nothing")
    }

    async fn head(&self, _head: Head) -> Result<ObjectHead, origin::Error> {
        unreachable!("a check reads nothing")
    }

    async fn call(&self, _call: Call) -> Result<http::Response<Body>, origin::Error> {
        unreachable!("a check reads nothing")
    }

    async fn probe(&self, bucket: Option<&BucketName>) -> Result<(), origin::Error> {
        let status = match bucket.map(BucketName::as_str) {
            Some("there") => return Ok(()),
            Some(_) => StatusCode::NOT_FOUND,
            None => StatusCode::FORBIDDEN,
        };
        Err(origin::Error::Refused(Box::new(Refusal {
            status,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
        })))
    }
}

fn connect(origin: &config::Origin) -> Connecting<'_> {
    let refused = origin.name.as_str() == "broken";
    Box::pin(async move {
        if refused {
            let mut problems = Problems::default();
            problems.add("origin.broken.path", "cannot be opened", "name a folder");
            return Err(problems);
        }
        Ok(Arc::new(OneBucket) as Arc<dyn Origin>)
    })
}

async fn check(text: &str, output: Output) -> (u8, String) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let file = folder.path().join("forebay.toml");
    std::fs::write(folder.path().join("secret"), "s").expect("a file");
    let text = text.replace("FOLDER", &folder.path().display().to_string());
    std::fs::write(&file, text).expect("a file");
    let mut told = Vec::new();
    let code = run(&file, output, &connect, &mut told)
        .await
        .expect("a buffer takes it");
    (code, String::from_utf8(told).expect("UTF-8"))
}

const SOUND_FILE: &str = r#"
[listen]
s3.address = "127.0.0.1:0"
admin.address = "127.0.0.1:0"
[origin.store]
kind = "s3"
[bucket.there]
origin = "store"
[identity.me]
access_key_id = "ME"
secret_access_key = { file = "FOLDER/secret" }
"#;

#[tokio::test]
async fn a_sound_file_whose_buckets_answer_exits_with_0() {
    let (code, told) = check(SOUND_FILE, Output::Text).await;
    assert_eq!(code, SOUND, "{told}");
    let (code, told) = check(SOUND_FILE, Output::Json).await;
    let document: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((code, &document["ok"]), (SOUND, &true.into()));
}

#[tokio::test]
async fn a_wrong_file_exits_with_64_and_nothing_is_tried() {
    let (code, told) = check("[listen.s3]\nadress = 1", Output::Text).await;
    assert_eq!(code, WRONG);
    assert!(told.contains("listen.s3.adress: unknown key"), "{told}");
    assert!(told.contains("hint: did you mean \"address\"?"), "{told}");
}

#[tokio::test]
async fn all_that_cannot_be_had_is_told_at_once_with_69() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|address| (taken, address));
    let (_held, address) = taken.expect("its address");
    let text = SOUND_FILE.replacen("127.0.0.1:0", &address.to_string(), 1)
        + "[bucket.gone]\norigin = \"store\"\n[bucket.\"*\"]\norigin = \"other\"\n\
               [origin.other]\nkind = \"s3\"\n[origin.broken]\nkind = \"s3\"\n";
    let (code, told) = check(&text, Output::Json).await;
    assert_eq!(code, UNAVAILABLE, "{told}");
    let document: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let problems = document["problems"].as_array().expect("a list");
    let keys: Vec<_> = problems.iter().map(|it| it["key"].as_str()).collect();
    assert_eq!(
        keys,
        [
            Some("listen.s3.address"),
            Some("origin.broken.path"),
            Some("origin.other"),
            Some("bucket.gone"),
        ]
    );
}

#[tokio::test]
async fn tls_files_that_do_not_load_are_told() {
    let text =
        format!("{SOUND_FILE}[listen.s3.tls]\ncert = \"FOLDER/secret\"\nkey = \"FOLDER/secret\"\n");
    let (code, told) = check(&text, Output::Text).await;
    assert_eq!(code, WRONG);
    assert!(told.contains("listen.s3.tls"), "{told}");
}

#[tokio::test]
async fn disks_that_cannot_be_had_are_told_with_the_rest() {
    let text = format!(
        "{SOUND_FILE}[[disk]]\npath = \"FOLDER/new/disk\"\ncapacity = \"512MiB\"\n\
         [[disk]]\npath = \"FOLDER/secret/disk\"\ncapacity = \"512MiB\"\n\
         [[disk]]\npath = \"FOLDER/large\"\ncapacity = \"1000000TiB\"\n\
         [bucket.gone]\norigin = \"store\"\n"
    );
    let (code, told) = check(&text, Output::Json).await;
    assert_eq!(code, UNAVAILABLE, "{told}");
    let document: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let problems = document["problems"].as_array().expect("a list");
    let keys: Vec<_> = problems.iter().map(|it| it["key"].as_str()).collect();
    assert_eq!(
        keys,
        [
            Some("disk[1].path"),
            Some("disk[2].capacity"),
            Some("bucket.gone"),
        ]
    );
    assert!(document["notes"].is_array(), "{told}");
}
