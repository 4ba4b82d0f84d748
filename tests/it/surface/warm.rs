//! What the cache answers, and what that costs the origin: parts by their number, versions by their id, 304s.

use bytes::Bytes;

use super::Twins;
use crate::support::client::{Answer, Ask};
use crate::support::content;

const PART: u64 = 5 << 20;

fn head(ask: &Ask) -> Ask {
    Ask {
        method: "HEAD",
        ..ask.clone()
    }
}

/// What came to the origin behind the node, but for the trial of its pins.
fn cost(twins: &Twins) -> Vec<String> {
    let seen = twins.behind.seen().into_iter();
    let asked = seen.filter(|seen| !seen.header("if-match").contains("forebay"));
    let told = asked.map(|seen| format!("{} {}?{}", seen.method, seen.path, seen.query()));
    told.collect()
}

/// Asks both until the answer is warm, and fails unless it costs nothing then.
async fn is_warm(twins: &Twins, ask: &Ask) -> Answer {
    cost(twins);
    let answer = twins.ask(ask).await;
    assert_eq!(cost(twins), Vec::<String>::new(), "{ask:?}");
    assert_eq!(answer.source(), "memory", "{ask:?}");
    answer
}

async fn upload(twins: &Twins, target: &str, parts: &[Bytes]) {
    let begun = Ask::new("POST", &format!("{target}?uploads"));
    let id = twins.succeed(&begun).await.text("UploadId");
    let mut list = String::new();
    for (number, part) in (1..).zip(parts) {
        let put = Ask::new(
            "PUT",
            &format!("{target}?partNumber={number}&uploadId={id}"),
        );
        let put = twins.succeed(&put.body(part.clone())).await;
        let etag = put.headers["etag"].to_str().expect("text");
        list.push_str(&format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        ));
    }
    let list = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    let complete = Ask::new("POST", &format!("{target}?uploadId={id}"));
    twins.succeed(&complete.body(list)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_costs_one_request_however_often_it_is_read() {
    let twins = Twins::new().await;
    let whole = content::bytes(3, 0..2 * PART + 100);
    let cut = |range: std::ops::Range<u64>| {
        let index = |at: u64| usize::try_from(at).expect("small");
        whole.slice(index(range.start)..index(range.end))
    };
    let parts = [
        cut(0..PART),
        cut(PART..2 * PART),
        cut(2 * PART..2 * PART + 100),
    ];
    upload(&twins, "/train/k", &parts).await;
    for (number, part) in (1..).zip(&parts) {
        let ask = Ask::get(&format!("/train/k?partNumber={number}"));
        cost(&twins);
        assert_eq!(twins.ask(&ask).await.body, part);
        assert_eq!(cost(&twins), [format!("GET train/k?partNumber={number}")]);
        for checksums in [false, true] {
            let ask = match checksums {
                true => ask.clone().header("x-amz-checksum-mode", "ENABLED"),
                false => ask.clone(),
            };
            assert_eq!(is_warm(&twins, &ask).await.body, part);
            is_warm(&twins, &head(&ask)).await;
        }
    }
    is_warm(&twins, &Ask::get("/train/k")).await;
    let range = format!("bytes={}-{}", PART - 10, PART + 9);
    is_warm(&twins, &Ask::get("/train/k").header("range", range)).await;
    for refused in [
        "/train/k?partNumber=4",
        "/train/k?partNumber=0",
        "/train/k?partNumber=x",
    ] {
        twins.ask(&Ask::get(refused)).await;
        twins.ask(&head(&Ask::get(refused))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_warm_until_something_is_written_to_its_key() {
    let twins = Twins::new().await;
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let versioning = Ask::new("PUT", "/train?versioning").body(enabled);
    twins.succeed(&versioning).await;
    let mut ids = Vec::new();
    for body in ["one", "two"] {
        let put = twins.succeed(&Ask::new("PUT", "/train/k").body(body)).await;
        let id = put.headers["x-amz-version-id"].to_str().expect("text");
        ids.push(id.to_owned());
    }
    let version = |id: &str| Ask::get(&format!("/train/k?versionId={id}"));
    for id in &ids {
        twins.ask(&version(id)).await;
        is_warm(&twins, &version(id)).await;
        is_warm(&twins, &head(&version(id))).await;
    }
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let target = format!("/train/k?tagging&versionId={}", ids[0]);
    twins.succeed(&Ask::new("PUT", &target).body(tags)).await;
    for id in &ids {
        let answer = twins.ask(&version(id)).await;
        assert_eq!(answer.source(), "revalidated");
        let tagged = answer.headers.contains_key("x-amz-tagging-count");
        assert_eq!(tagged, *id == ids[0]);
        is_warm(&twins, &version(id)).await;
    }
    twins.succeed(&Ask::new("DELETE", "/train/k")).await;
    assert_eq!(twins.ask(&Ask::get("/train/k")).await.status, 404);
    assert_eq!(twins.ask(&version(&ids[1])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_object_is_told_as_at_the_origin() {
    let twins = Twins::new().await;
    let put = Ask::new("PUT", "/train/k").body("body");
    let put = put
        .header("cache-control", "max-age=9")
        .header("expires", "soon");
    let etag = twins.succeed(&put).await.headers["etag"]
        .to_str()
        .expect("text")
        .to_owned();
    let ask = Ask::get("/train/k").header("if-none-match", etag);
    assert_eq!(twins.ask(&ask).await.status, 304);
    assert_eq!(is_warm(&twins, &ask).await.status, 304);
    assert_eq!(is_warm(&twins, &head(&ask)).await.status, 304);
    for (name, value) in [("if-match", "\"other\""), ("range", "bytes=9-")] {
        let ask = Ask::get("/train/k").header(name, value);
        assert!(twins.ask(&ask).await.status.is_client_error());
        assert!(twins.ask(&head(&ask)).await.status.is_client_error());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_replaced_on_warm_answers_as_at_the_origin() {
    let twins = Twins::new().await;
    let put = Ask::new("PUT", "/train/k").body("body");
    twins.succeed(&put.header("content-type", "a/b")).await;
    twins.ask(&Ask::get("/train/k")).await;
    let target = "/train/k?response-content-type=c%2Fd&response-cache-control=no-store";
    for ask in [
        Ask::get(target),
        Ask::get(target).header("range", "bytes=1-2"),
    ] {
        assert_eq!(is_warm(&twins, &ask).await.headers["content-type"], "c/d");
        assert_eq!(
            is_warm(&twins, &head(&ask)).await.headers["content-type"],
            "c/d"
        );
    }
}
