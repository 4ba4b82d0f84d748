//! Versions: written, listed, read and deleted by their ids; delete markers with their headers.

use super::Twins;
use crate::support::client::Ask;

async fn versioned() -> Twins {
    let twins = Twins::new().await;
    twins.put("train/old", 1, 100);
    let document = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    twins
        .succeed(&Ask::new("PUT", "/train?versioning").body(document))
        .await;
    twins
}

async fn put(twins: &Twins, key: &str, body: &'static str) -> String {
    let put = Ask::new("PUT", &format!("/train/{key}")).body(body);
    let answer = twins.succeed(&put).await;
    let id = answer.headers["x-amz-version-id"].to_str();
    id.expect("text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_version_is_read_by_its_id_and_the_newest_without() {
    let twins = versioned().await;
    let ids = [
        (put(&twins, "k", "one").await, "one"),
        (put(&twins, "k", "two").await, "two"),
        (put(&twins, "k", "three").await, "three"),
    ];
    assert_eq!(twins.read(Ask::get("/train/k")).await.body, "three");
    for _ in ["cold", "warm"] {
        for (id, body) in &ids {
            let target = format!("/train/k?versionId={id}");
            let answer = twins.read(Ask::get(&target)).await;
            assert_eq!(
                (answer.body.as_ref(), &answer.headers["x-amz-version-id"]),
                (body.as_bytes(), &id.parse().expect("a value"))
            );
            let part = twins
                .read(Ask::get(&target).header("range", "bytes=1-"))
                .await;
            assert_eq!(part.body, body[1..]);
        }
    }
    assert_eq!(
        twins
            .read(Ask::get("/train/old?versionId=null"))
            .await
            .body
            .len(),
        100
    );
    twins.read(Ask::get("/train/k?versionId=unknown")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_deleted_is_gone_and_the_one_before_it_is_back() {
    let twins = versioned().await;
    put(&twins, "k", "one").await;
    let second = put(&twins, "k", "two").await;
    let target = format!("/train/k?versionId={second}");
    assert_eq!(twins.read(Ask::get("/train/k")).await.body, "two");
    assert_eq!(twins.read(Ask::get(&target)).await.body, "two");
    twins.succeed(&Ask::new("DELETE", &target)).await;
    assert_eq!(twins.read(Ask::get(&target)).await.status, 404);
    assert_eq!(twins.read(Ask::get("/train/k")).await.body, "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_versions_are_deleted_at_once() {
    let twins = versioned().await;
    let first = put(&twins, "k", "one").await;
    put(&twins, "k", "two").await;
    twins.read(Ask::get("/train/k")).await;
    let document = format!(
        "<Delete><Object><Key>k</Key><VersionId>{first}</VersionId></Object><Object><Key>k</Key></Object>\
         <Object><Key>never</Key></Object></Delete>"
    );
    let md5 = crate::support::origin::base64_of("md5", document.as_bytes());
    let ask = Ask::new("POST", "/train?delete")
        .header("content-md5", md5)
        .body(document);
    let answer = twins.ask(&ask).await;
    assert_eq!(answer.status, 200);
    assert!(
        !answer.text("DeleteMarkerVersionId").is_empty(),
        "{answer:?}"
    );
    assert_eq!(twins.read(Ask::get("/train/k")).await.status, 404);
    assert_eq!(
        twins.succeed(&Ask::get("/train?versions")).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_page_by_page() {
    let twins = versioned().await;
    for body in ["one", "two", "three"] {
        put(&twins, "a/k", body).await;
        put(&twins, "b%20c", body).await;
    }
    twins.succeed(&Ask::new("DELETE", "/train/b%20c")).await;
    for query in [
        "versions",
        "versions=&prefix=a%2F",
        "versions&delimiter=%2F&encoding-type=url",
        "versions&max-keys=0",
        "versions&key-marker=a%2Fk",
    ] {
        twins.succeed(&Ask::get(&format!("/train?{query}"))).await;
    }
    let (mut target, mut pages) = ("/train/?versions&max-keys=2".to_owned(), 0);
    loop {
        let page = twins.succeed(&Ask::get(&target)).await;
        pages += 1;
        if page.text("IsTruncated") == "false" {
            break;
        }
        let (key, id) = (page.text("NextKeyMarker"), page.text("NextVersionIdMarker"));
        let key = key.replace('/', "%2F").replace(' ', "%20");
        target = format!("/train/?versions&max-keys=2&key-marker={key}&version-id-marker={id}");
    }
    assert_eq!(pages, 4, "six versions, a marker and the old object");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_bucket_writes_over_its_unnamed_version() {
    let twins = versioned().await;
    put(&twins, "k", "one").await;
    let document = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    twins
        .succeed(&Ask::new("PUT", "/train?versioning").body(document))
        .await;
    for body in ["two", "three"] {
        assert_eq!(put(&twins, "k", body).await, "null");
        assert_eq!(twins.read(Ask::get("/train/k")).await.body, body);
        assert_eq!(
            twins.read(Ask::get("/train/k?versionId=null")).await.body,
            body
        );
    }
    twins.succeed(&Ask::get("/train?versions")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_marker_hides_an_object_and_shows_itself() {
    let twins = versioned().await;
    put(&twins, "k", "one").await;
    twins.read(Ask::get("/train/k")).await;
    let deleted = twins.succeed(&Ask::new("DELETE", "/train/k")).await;
    assert_eq!(deleted.headers["x-amz-delete-marker"], "true");
    let marker = deleted.headers["x-amz-version-id"]
        .to_str()
        .expect("text")
        .to_owned();
    let hidden = twins.read(Ask::get("/train/k")).await;
    assert_eq!(
        (hidden.status.as_u16(), hidden.code().as_str()),
        (404, "NoSuchKey")
    );
    assert_eq!(hidden.headers["x-amz-delete-marker"], "true");
    let itself = twins
        .read(Ask::get(&format!("/train/k?versionId={marker}")))
        .await;
    assert_eq!(itself.status, 405, "{itself:?}");
    assert_eq!(itself.headers["allow"], "DELETE");
    twins
        .succeed(&Ask::new("DELETE", &format!("/train/k?versionId={marker}")))
        .await;
    assert_eq!(twins.read(Ask::get("/train/k")).await.body, "one");
}
