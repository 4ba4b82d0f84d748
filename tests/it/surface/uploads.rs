//! Uploads in parts, from their beginning to their end or their abortion.

use bytes::Bytes;

use super::Twins;
use crate::support::client::{Answer, Ask};
use crate::support::content;
use crate::support::origin::base64_of;

const PART: u64 = 5 << 20;

/// Begins an upload of `k`; gives its id, which is the same at both.
async fn begin(twins: &Twins, headers: &[(&'static str, &str)]) -> String {
    let mut ask = Ask::new("POST", "/train/k?uploads");
    for (name, value) in headers {
        ask = ask.header(name, *value);
    }
    twins.succeed(&ask).await.text("UploadId")
}

fn part(number: u32) -> Bytes {
    let start = u64::from(number) * PART;
    content::bytes(9, start..start + if number == 3 { 1000 } else { PART })
}

/// The document that completes an upload with the parts of these answers.
fn completion(parts: &[(u32, &Answer, &str)]) -> String {
    let parts = parts.iter().map(|(number, answer, more)| {
        let etag = answer.headers["etag"]
            .to_str()
            .expect("text")
            .trim_matches('"');
        format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag>{more}</Part>")
    });
    let parts: String = parts.collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

#[tokio::test(flavor = "multi_thread")]
async fn composite_checksums_go_through_parts_completion_and_reads() {
    let twins = Twins::new().await;
    let metadata = [
        ("x-amz-checksum-algorithm", "SHA256"),
        ("x-amz-meta-note", "one"),
        ("content-type", "text/plain"),
        ("x-amz-tagging", "a=1&b=2"),
    ];
    let id = begin(&twins, &metadata).await;
    let mut answers = Vec::new();
    let mut sums = Vec::new();
    for number in [3, 1, 2] {
        let sum = base64_of("sha256", &part(number));
        let put = Ask::new(
            "PUT",
            &format!("/train/k?partNumber={number}&uploadId={id}"),
        )
        .header("x-amz-checksum-sha256", sum.clone())
        .body(part(number));
        answers.push((number, twins.succeed(&put).await));
        sums.push(format!("<ChecksumSHA256>{sum}</ChecksumSHA256>"));
    }
    for query in ["", "&max-parts=2", "&part-number-marker=2"] {
        twins
            .succeed(&Ask::get(&format!("/train/k?uploadId={id}{query}")))
            .await;
    }
    twins.succeed(&Ask::get("/train?uploads&prefix=k")).await;
    let parts: Vec<_> = [1, 2, 0]
        .map(|at: usize| (answers[at].0, &answers[at].1, sums[at].as_str()))
        .into();
    let complete = Ask::new("POST", &format!("/train/k?uploadId={id}")).body(completion(&parts));
    let done = twins.succeed(&complete).await;
    assert!(done.text("ChecksumSHA256").ends_with("-3"), "{done:?}");
    let whole = twins
        .read(Ask::get("/train/k").header("x-amz-checksum-mode", "ENABLED"))
        .await;
    assert_eq!(whole.body.len() as u64, 2 * PART + 1000);
    assert_eq!(whole.headers["x-amz-checksum-type"], "COMPOSITE");
    assert_eq!(whole.headers["x-amz-tagging-count"], "2");
    for number in 1..=3 {
        let target = format!("/train/k?partNumber={number}");
        let read = twins
            .read(Ask::get(&target).header("x-amz-checksum-mode", "ENABLED"))
            .await;
        assert_eq!(read.body, part(number));
        assert_eq!(read.headers["x-amz-mp-parts-count"], "3");
        twins.read(Ask::get(&target)).await;
    }
    twins.read(Ask::get("/train/k?partNumber=4")).await;
    twins
        .read(Ask::get("/train/k").header("range", "bytes=5242870-5242890"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_object_checksums_are_the_origins_to_judge() {
    let twins = Twins::new().await;
    let metadata = [
        ("x-amz-checksum-algorithm", "CRC32"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ];
    let id = begin(&twins, &metadata).await;
    let put = |number: u32| {
        Ask::new(
            "PUT",
            &format!("/train/k?partNumber={number}&uploadId={id}"),
        )
        .header("x-amz-checksum-crc32", base64_of("crc32", &part(number)))
        .body(part(number))
    };
    let (one, two) = (twins.succeed(&put(1)).await, twins.succeed(&put(2)).await);
    let document = completion(&[(1, &one, ""), (2, &two, "")]);
    let whole = [part(1), part(2)].concat();
    let complete = |sum: String| {
        Ask::new("POST", &format!("/train/k?uploadId={id}"))
            .header("x-amz-checksum-type", "FULL_OBJECT")
            .header("x-amz-checksum-crc32", sum)
            .body(document.clone())
    };
    let wrong = twins.pass(&complete(base64_of("crc32", b"other"))).await;
    assert_eq!(wrong.code(), "BadDigest");
    let right = base64_of("crc32", &whole);
    let done = twins.succeed(&complete(right.clone())).await;
    assert_eq!(done.text("ChecksumCRC32"), right);
    let read = twins
        .read(Ask::get("/train/k").header("x-amz-checksum-mode", "ENABLED"))
        .await;
    assert_eq!(read.headers["x-amz-checksum-crc32"], right.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_copied_from_ranges() {
    let twins = Twins::new().await;
    twins.put("train/source", 8, 2 * PART);
    let id = begin(&twins, &[]).await;
    let copy = |number: u32, range: &str| {
        Ask::new(
            "PUT",
            &format!("/train/k?partNumber={number}&uploadId={id}"),
        )
        .header("x-amz-copy-source", "train/source")
        .header("x-amz-copy-source-range", range)
    };
    let one = twins.succeed(&copy(1, "bytes=0-5242879")).await;
    let two = twins.succeed(&copy(2, "bytes=5242880-5242889")).await;
    assert_eq!(
        twins.pass(&copy(3, "bytes=0-999999999")).await.code(),
        "InvalidArgument"
    );
    let missed = copy(3, "bytes=0-9").header("x-amz-copy-source-if-match", "\"other\"");
    assert_eq!(twins.pass(&missed).await.code(), "PreconditionFailed");
    let etag = |answer: &Answer| answer.text("ETag").replace("&quot;", "");
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>\
         <Part><PartNumber>2</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        etag(&one),
        etag(&two)
    );
    twins
        .succeed(&Ask::new("POST", &format!("/train/k?uploadId={id}")).body(document))
        .await;
    let read = twins.read(Ask::get("/train/k")).await;
    assert_eq!(content::differs(8, 0, &read.body), None);
    assert_eq!(read.body.len() as u64, PART + 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_upload_is_said_in_the_origins_words() {
    let twins = Twins::new().await;
    let id = begin(&twins, &[]).await;
    let put = |number: u32| {
        Ask::new(
            "PUT",
            &format!("/train/k?partNumber={number}&uploadId={id}"),
        )
        .body(format!("part {number}"))
    };
    let (one, two) = (twins.succeed(&put(1)).await, twins.succeed(&put(2)).await);
    let complete =
        |document: String| Ask::new("POST", &format!("/train/k?uploadId={id}")).body(document);
    for (document, code) in [
        (
            completion(&[(2, &two, ""), (1, &one, "")]),
            "InvalidPartOrder",
        ),
        (completion(&[(1, &two, "")]), "InvalidPart"),
        (
            completion(&[(1, &one, ""), (2, &two, "")]),
            "EntityTooSmall",
        ),
        (completion(&[]), "MalformedXML"),
    ] {
        let answer = twins.pass(&complete(document)).await;
        assert_eq!(answer.code(), code, "{answer:?}");
    }
    let unknown = twins.pass(&Ask::get("/train/k?uploadId=unknown")).await;
    assert_eq!(unknown.code(), "NoSuchUpload");
    twins
        .succeed(&Ask::new("DELETE", &format!("/train/k?uploadId={id}")))
        .await;
    assert_eq!(twins.behind.uploads("train"), []);
    let gone = twins.pass(&put(1)).await;
    assert_eq!(
        (gone.status.as_u16(), gone.code().as_str()),
        (404, "NoSuchUpload")
    );
}
