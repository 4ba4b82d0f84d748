//! The suite of all origins, and what only a folder has: files that others put there, and things that are no objects.

mod details;

use std::path::Path;

use http::StatusCode;

use super::*;
use crate::origin::conformance;

struct World {
    folder: tempfile::TempDir,
    origin: Directory,
    bucket: BucketName,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        std::fs::create_dir(folder.path().join("train")).expect("a bucket");
        let config = Config {
            path: folder.path().to_owned(),
        };
        Self {
            origin: Directory::open(&config).expect("an origin"),
            bucket: "train".parse().expect("a bucket name"),
            folder,
        }
    }

    fn path(&self, key: &str) -> std::path::PathBuf {
        self.folder.path().join("train").join(key)
    }

    async fn head(&self, key: &str) -> Result<ObjectHead, Error> {
        let key = key.parse().expect("a key");
        self.origin.head(Head::of(self.bucket.clone(), key)).await
    }

    async fn get(&self, key: &str) -> Result<Fetched, Error> {
        let key = key.parse().expect("a key");
        self.origin.get(Get::of(self.bucket.clone(), key)).await
    }

    async fn call(
        &self,
        operation: OperationName,
        key: Option<&str>,
        body: &'static [u8],
    ) -> Answer {
        let answer = self.try_call(operation, key, body).await;
        answer.expect("an answer")
    }

    async fn try_call(
        &self,
        operation: OperationName,
        key: Option<&str>,
        body: &'static [u8],
    ) -> Result<Answer, Error> {
        let call = Call {
            operation,
            method: Method::POST,
            bucket: Some(self.bucket.clone()),
            key: key.map(|key| key.parse().expect("a key")),
            query: Vec::new(),
            headers: HeaderMap::new(),
            payload: Payload::Whole(bytes::Bytes::from_static(body)),
        };
        self.origin.call(call).await
    }

    async fn put(&self, key: &str, body: &'static [u8]) {
        let answer = self.call(OperationName::PutObject, Some(key), body).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

async fn bytes(body: crate::types::Body) -> Result<Vec<u8>, crate::types::BoxError> {
    let body = http_body_util::BodyExt::collect(body).await?;
    Ok(body.to_bytes().to_vec())
}

async fn text_of(answer: Answer) -> String {
    let bytes = bytes(answer.into_body()).await.expect("a document");
    String::from_utf8(bytes).expect("text")
}

/// How many files there are below a folder.
fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

#[tokio::test]
async fn a_folder_passes_the_suite_of_origins() {
    let world = World::new();
    conformance::suite(&world.origin, &world.bucket).await;
    assert_eq!(files(world.folder.path()), 0, "nothing is left behind");
}

#[tokio::test]
async fn files_of_others_are_objects_and_their_tags_tell_changes() {
    let world = World::new();
    std::fs::create_dir(world.path("sub")).expect("a folder");
    std::fs::write(world.path("sub/file"), "one").expect("a file");
    let first = world.head("sub/file").await.expect("an object");
    assert_eq!(first.size, 3);
    assert!(first.etag.is_strong() && first.etag.as_str().ends_with("-1\""));
    assert_eq!(
        world.head("sub/file").await.expect("the same").etag,
        first.etag
    );
    std::fs::write(world.path("sub/file"), "other").expect("a file");
    let second = world.head("sub/file").await.expect("an object");
    assert_ne!(second.etag, first.etag);
    world.put("own", b"own").await;
    let own = world.head("own").await.expect("an object");
    std::fs::write(world.path("own"), "theirs").expect("a file");
    let theirs = world.head("own").await.expect("an object");
    assert_ne!(own.etag, theirs.etag);
    assert_eq!(theirs.size, 6);
}

#[tokio::test]
async fn links_and_folders_are_no_objects() {
    let world = World::new();
    let secret = world.folder.path().join("secret");
    std::fs::write(&secret, "s").expect("a file");
    std::os::unix::fs::symlink(&secret, world.path("link")).expect("a link");
    std::os::unix::fs::symlink("/", world.path("root")).expect("a link");
    std::fs::create_dir(world.path("folder")).expect("a folder");
    for key in ["link", "root/etc/passwd", "folder", "../secret", "folder/"] {
        let status = world.head(key).await.map(drop).expect_err(key).status();
        assert_eq!(status, Some(StatusCode::NOT_FOUND), "{key}");
    }
    // Such a name can still be a key: it is kept elsewhere.
    for key in ["link", "root/new", "folder", "folder/", "../secret"] {
        world.put(key, b"mine").await;
        let fetched = world.get(key).await.expect(key);
        assert_eq!(bytes(fetched.body).await.expect("a body"), b"mine");
    }
    assert_eq!(std::fs::read(&secret).expect("a file"), b"s");
    assert!(world.path("link").is_symlink());
}

#[tokio::test]
async fn a_file_that_changes_under_a_reader_ends_the_body_in_an_error() {
    let world = World::new();
    std::fs::write(world.path("file"), vec![1; 1 << 20]).expect("a file");
    let fetched = world.get("file").await.expect("an object");
    std::fs::write(world.path("file"), vec![2; 1 << 20]).expect("a file");
    assert!(bytes(fetched.body).await.is_err());
    let fetched = world.get("file").await.expect("an object");
    std::fs::write(world.path("file"), "short").expect("a file");
    assert!(bytes(fetched.body).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_one_version_while_it_is_replaced() {
    const BODIES: [&[u8]; 2] = [&[1; 1000], &[2; 2000]];
    let world = World::new();
    world.put("hot", BODIES[0]).await;
    let tags = [world.head("hot").await.expect("an object").etag, {
        world.put("hot", BODIES[1]).await;
        world.head("hot").await.expect("an object").etag
    }];
    let writes = async {
        for turn in 0..100 {
            world.put("hot", BODIES[turn % 2]).await;
        }
    };
    let reads = async {
        for _ in 0..400 {
            let fetched = world.get("hot").await.expect("an object");
            let which = tags.iter().position(|tag| *tag == fetched.head.etag);
            let which = which.expect("a tag of one of the two");
            assert_eq!(bytes(fetched.body).await.expect("a body"), BODIES[which]);
        }
    };
    futures::future::join(writes, reads).await;
    assert_eq!(files(&world.folder.path().join(".forebay")), 1);
}

#[tokio::test]
async fn buckets_are_the_folders_with_such_names() {
    let world = World::new();
    for folder in ["other-bucket", "no bucket", ".hidden"] {
        std::fs::create_dir(world.folder.path().join(folder)).expect("a folder");
    }
    std::fs::write(world.folder.path().join("file-not-folder"), "").expect("a file");
    world.put("a//b", b"x").await;
    let answer = world.call(OperationName::ListBuckets, None, b"").await;
    let text = bytes(answer.into_body()).await.expect("a document");
    let text = String::from_utf8(text).expect("text");
    assert_eq!(text.matches("<Bucket>").count(), 2, "{text}");
    let location = world
        .call(OperationName::GetBucketLocation, None, b"")
        .await;
    assert_eq!(location.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_want_the_same_path_do_not_disturb_each_other() {
    let world = World::new();
    let turns = |key: &'static str| {
        let world = &world;
        async move {
            for _ in 0..60 {
                world.put(key, b"x").await;
                let fetched = world.get(key).await.expect(key);
                assert_eq!(bytes(fetched.body).await.expect("a body"), b"x");
                let deleted = world
                    .call(OperationName::DeleteObject, Some(key), b"")
                    .await;
                assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
                assert!(world.head(key).await.is_err());
            }
        }
    };
    futures::future::join4(turns("a"), turns("a/b"), turns("a/b/c"), turns("a/d")).await;
    assert_eq!(files(world.folder.path()), 0);
}

#[tokio::test]
async fn a_bucket_is_made_and_deleted_once_it_is_empty() {
    use OperationName::{CreateBucket, CreateMultipartUpload, DeleteBucket, DeleteObject};
    let mut world = World::new();
    let again = world.call(CreateBucket, None, b"").await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    let document = bytes(again.into_body()).await.expect("a document");
    let document = String::from_utf8(document).expect("text");
    assert!(document.contains("<Code>BucketAlreadyOwnedByYou</Code>"));
    world.bucket = "fresh".parse().expect("a bucket name");
    let absent = world.call(DeleteBucket, None, b"").await;
    assert_eq!(absent.status(), StatusCode::NOT_FOUND);
    let made = world.call(CreateBucket, None, b"").await;
    assert_eq!(
        (made.status(), made.headers()["location"].as_bytes()),
        (StatusCode::OK, &b"/fresh"[..])
    );
    std::fs::create_dir_all(world.folder.path().join("fresh/empty/folder")).expect("folders");
    world.call(CreateMultipartUpload, Some("u"), b"").await;
    for key in ["plain/key", "odd//key"] {
        world.put(key, b"1").await;
        let full = world.call(DeleteBucket, None, b"").await;
        assert_eq!(full.status(), StatusCode::CONFLICT, "{key}");
        assert_eq!(world.head(key).await.expect("an object").size, 1);
        world.call(DeleteObject, Some(key), b"").await;
    }
    let deleted = world.call(DeleteBucket, None, b"").await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(files(world.folder.path()), 0, "nothing is left behind");
    let late = world.call(OperationName::PutObject, Some("k"), b"1").await;
    assert_eq!(late.status(), StatusCode::NOT_FOUND);
}
