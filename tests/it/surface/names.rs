//! A bucket that has another name and a prefix at its origin, beside one that is as clients see it: nobody can tell them
//! apart.

use super::Twins;
use crate::support::client::{Answer, Ask};
use crate::support::origin::base64_of;

/// Where the bucket lies at the origin behind the node.
const BEHIND: &str = "train/team a+b/";
const ROUTE: &str = "[bucket.alias]\norigin = \"test\"\nname = \"train\"\nprefix = \"team a+b/\"\n";

async fn aliased() -> Twins {
    let twins = Twins::with(ROUTE).await;
    twins.beside.make_bucket("alias");
    // What lies beside the prefix is never shown.
    twins.put("train/team a+a/x", 1, 10);
    twins.put("train/zzz", 1, 10);
    twins
}

fn put(twins: &Twins, key: &str, seed: u64) {
    twins.behind.put(&format!("{BEHIND}{key}"), seed, 100);
    twins.beside.put(&format!("alias/{key}"), seed, 100);
}

/// The document. The node does not know under which host its clients find it: where an object is, it tells by the path.
fn plain(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&super::document(answer)).into_owned();
    text.replace("http://origin/", "/")
}

/// Asks both, and fails unless the documents are the same and name nothing of the origin's.
async fn same(twins: &Twins, ask: &Ask) {
    let through = twins.through.send(ask).await;
    let direct = twins.direct.send(ask).await;
    assert_eq!(through.status, direct.status, "{ask:?}: {through:?}");
    assert_eq!(plain(&through), plain(&direct), "{ask:?}");
    assert!(!plain(&through).contains("team"), "{through:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_under_another_name_lists_like_any_other() {
    let twins = aliased().await;
    for key in ["a/1", "a/2", "b c", "d+e", "ü&<>", "x//y"] {
        put(&twins, key, 2);
    }
    for query in [
        "",
        "?prefix=a%2F",
        "?delimiter=%2F",
        "?delimiter=%2F&encoding-type=url",
        "?marker=a%2F2&max-keys=2",
        "?max-keys=2&delimiter=%2F",
        "?list-type=2",
        "?list-type=2&start-after=b%20c&encoding-type=url",
        "?list-type=2&delimiter=%2F&prefix=x%2F",
        "?list-type=2&max-keys=0",
        "?versions",
        "?versions&max-keys=1&prefix=a",
        "?uploads",
    ] {
        same(&twins, &Ask::get(&format!("/alias{query}"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_under_another_name_is_listed_to_its_end() {
    let twins = aliased().await;
    for number in 0..7 {
        put(&twins, &format!("k{number}"), 3);
    }
    let mut pages = (String::new(), String::new());
    for page in 0..4 {
        let target = |token: &str| match token {
            "" => "/alias?list-type=2&max-keys=2".to_owned(),
            token => format!("/alias?list-type=2&max-keys=2&continuation-token={token}"),
        };
        let through = twins.through.get(&target(&pages.0)).await;
        let direct = twins.direct.get(&target(&pages.1)).await;
        let keys = |answer: &Answer| {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            text.matches("<Key>").count()
        };
        assert_eq!(keys(&through), if page == 3 { 1 } else { 2 }, "{through:?}");
        assert_eq!(keys(&through), keys(&direct));
        pages = (
            through.text("NextContinuationToken"),
            direct.text("NextContinuationToken"),
        );
    }
    assert_eq!(pages, Default::default(), "both have ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_and_uploads_under_another_name_are_like_any_other() {
    let twins = aliased().await;
    put(&twins, "old", 4);
    let ask = async |ask: Ask| {
        same(&twins, &ask).await;
    };
    ask(Ask::new("PUT", "/alias/k%20%2B").body("hello")).await;
    for target in ["/alias/k%20%2B", "/alias/old", "/alias/missing"] {
        for _ in ["cold", "warm"] {
            ask(Ask::get(target)).await;
            ask(Ask::get(target).header("range", "bytes=1-2")).await;
        }
    }
    for target in ["/alias/copied", "/alias/k%20%2B"] {
        let copy = Ask::new("PUT", target).header("x-amz-copy-source", "alias/old");
        ask(copy).await;
        ask(Ask::get(target)).await;
    }
    let gone = Ask::new("PUT", "/alias/x").header("x-amz-copy-source", "alias/missing");
    ask(gone).await;
    ask(Ask::new("POST", "/alias/up%20load?uploads")).await;
    let begin = Ask::new("POST", "/alias/parts?uploads");
    let id = twins.ask(&begin).await.text("UploadId");
    let part = format!("/alias/parts?partNumber=1&uploadId={id}");
    let sent = twins.ask(&Ask::new("PUT", &part).body("part")).await;
    let tag = sent.headers["etag"]
        .to_str()
        .expect("text")
        .trim_matches('"');
    ask(Ask::get(&format!("/alias/parts?uploadId={id}"))).await;
    ask(Ask::get("/alias?uploads&prefix=p&key-marker=o")).await;
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part></CompleteMultipartUpload>"
    );
    let complete = Ask::new("POST", &format!("/alias/parts?uploadId={id}"));
    ask(complete
        .clone()
        .body("<CompleteMultipartUpload></CompleteMultipartUpload>"))
    .await;
    ask(complete.clone().body(document)).await;
    ask(complete).await;
    ask(Ask::get("/alias/parts")).await;
    let document =
        "<Delete><Object><Key>old</Key></Object><Object><Key>a&amp;b</Key></Object></Delete>";
    let delete = Ask::new("POST", "/alias?delete")
        .header("content-md5", base64_of("md5", document.as_bytes()))
        .body(document);
    ask(delete).await;
    ask(Ask::get("/alias/old")).await;
    assert_eq!(
        twins.behind.stored("train/zzz").map(|it| it.len()),
        Some(10)
    );
}
