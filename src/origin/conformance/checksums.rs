//! The suite's claims about checksums.

use http::StatusCode;

use super::client::Client;
use super::multipart::{MIN_PART, complete, complete_listed, create, listed, part_with};
use crate::types::OperationName;

const ASKED: (&str, &str) = ("x-amz-checksum-mode", "ENABLED");
/// What the checksums below are of: the text that the check values of CRCs are defined over.
const DIGITS: &[u8] = b"123456789";

/// Header, name, element and checksum of [`DIGITS`] in every algorithm.
const ALGORITHMS: [(&str, &str, &str, &str); 5] = [
    ("x-amz-checksum-crc32", "CRC32", "ChecksumCRC32", "y/Q5Jg=="),
    (
        "x-amz-checksum-crc32c",
        "CRC32C",
        "ChecksumCRC32C",
        "4waSgw==",
    ),
    (
        "x-amz-checksum-crc64nvme",
        "CRC64NVME",
        "ChecksumCRC64NVME",
        "rosUhgp5mIg=",
    ),
    (
        "x-amz-checksum-sha1",
        "SHA1",
        "ChecksumSHA1",
        "98O8HYCOBHMq32eZZczDTKeuNEE=",
    ),
    (
        "x-amz-checksum-sha256",
        "SHA256",
        "ChecksumSHA256",
        "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
    ),
];

pub(super) async fn every_algorithm_is_checked_and_kept(client: &Client<'_>) {
    client.put("unsummed", b"x", &[]).await;
    for (header, name, element, sum) in ALGORITHMS {
        let put = client.put("sum", DIGITS, &[(header, sum)]).await;
        assert_eq!(put.status, StatusCode::OK, "{header}: {put:?}");
        assert_eq!(put.header(header), Some(sum));
        assert_eq!(put.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
        let wrong = client.put("sum", b"other", &[(header, sum)]).await;
        assert_eq!(wrong.refusal(), (400, "BadDigest"), "{header}");
        for bodiless in [false, true] {
            let got = client.read("sum", &[], &[ASKED], bodiless).await;
            assert_eq!(got.header(header), Some(sum), "{header}");
            assert_eq!(got.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
            let got = client.read("sum", &[], &[], bodiless).await;
            assert_eq!(got.header(header), None, "{header}");
        }
        let copied = client.copy("sum", "sum copy", &[]).await;
        assert_eq!(copied.field(element), Some(sum.into()), "{header}");
        let listed = client.list(2, &[("prefix", "sum copy")]).await;
        assert_eq!(listed.field("ChecksumAlgorithm"), Some(name.into()));
        let asked = [("x-amz-checksum-algorithm", name)];
        let copied = client.copy("unsummed", "sum copy", &asked).await;
        assert!(copied.field(element).is_some(), "{header}: {copied:?}");
    }
    // What comes without any has the default one.
    let put = client.put("sum", DIGITS, &[]).await;
    let (header, _, _, sum) = ALGORITHMS[2];
    assert_eq!(put.header(header), Some(sum));
    let got = client.get("sum", &[ASKED]).await;
    assert_eq!(got.header(header), Some(sum));
    let unknown = [("x-amz-checksum-algorithm", "CRC16")];
    let put = client.put("sum", DIGITS, &unknown).await;
    assert_eq!(put.refusal(), (400, "InvalidRequest"));
}

/// Uploads 5 MiB of ones and [`DIGITS`] as two parts of one object.
async fn upload(client: &Client<'_>, key: &str, algorithm: &str, scope: &str) -> String {
    let headers = [
        ("x-amz-checksum-algorithm", algorithm),
        ("x-amz-checksum-type", scope),
    ];
    let id = create(client, key, &headers).await;
    let one = part_with(client, (key, &id, 1), &vec![1; MIN_PART], &[]).await;
    let two = part_with(client, (key, &id, 2), DIGITS, &[]).await;
    let element = format!("Checksum{algorithm}");
    let header = format!("x-amz-checksum-{}", algorithm.to_lowercase());
    let etag = |part: &super::Outcome| part.header("etag").expect("an ETag").to_owned();
    let with_sum = |number, part: &super::Outcome| {
        let sum = part.header(&header).expect("a checksum");
        listed(
            number,
            &etag(part),
            &format!("<{element}>{sum}</{element}>"),
        )
    };
    if scope == "COMPOSITE" {
        let (one, two) = (etag(&one), etag(&two));
        let without = [(1, one.as_str()), (2, two.as_str())];
        let refused = complete(client, key, &id, &without, &[]).await;
        assert_eq!(refused.refusal(), (400, "InvalidRequest"));
    }
    let parts = [with_sum(1, &one), with_sum(2, &two)].concat();
    let done = complete_listed(client, (key, &id), &parts, &[]).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    assert_eq!(done.field("ChecksumType"), Some(scope.into()));
    done.field(&element).expect("a checksum")
}

pub(super) async fn parts_have_checksums_of_their_own(client: &Client<'_>) {
    const HEADER: &str = "x-amz-checksum-sha256";
    // Computed with sha256sum: of five MiB of ones, and of the two parts' digests.
    const FIRST: &str = "woPhehuQo1LJHeLERbcRxcQSYnnv+IS4/8RIk1drGe8=";
    const BOTH: &str = "fS4e08pqCjAbnvP1aNUlxGkOaR5ud3xDILaZEyzKESU=";
    let key = "composite";
    let whole = upload(client, key, "SHA256", "COMPOSITE").await;
    assert_eq!(whole, format!("{BOTH}-2"));
    let got = client.read(key, &[], &[ASKED], true).await;
    assert_eq!(got.header(HEADER), Some(whole.as_str()));
    for (number, sum) in [("1", FIRST), ("2", ALGORITHMS[4].3)] {
        let query = [("partNumber", number)];
        let got = client.read(key, &query, &[ASKED], true).await;
        assert_eq!(got.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(got.header(HEADER), Some(sum), "{number}");
        assert_eq!(got.header("x-amz-checksum-type"), Some("COMPOSITE"));
        assert_eq!(got.header("x-amz-mp-parts-count"), Some("2"));
    }
    let operation = OperationName::GetObjectAttributes;
    let mut headers = vec![("x-amz-object-attributes", "Checksum,ObjectParts")];
    let told = client.ask(operation, Some(key), &[("attributes", "")], &headers);
    let told = told.await;
    // Without the number of parts.
    let sums = [BOTH, FIRST, ALGORITHMS[4].3];
    assert_eq!(told.fields("ChecksumSHA256"), sums, "{told:?}");
    assert_eq!(told.fields("PartNumber"), ["1", "2"]);
    assert_eq!(told.field("PartsCount"), Some("2".into()));
    assert_eq!(told.field("IsTruncated"), Some("false".into()));
    headers.push(("x-amz-max-parts", "1"));
    let told = client.ask(operation, Some(key), &[("attributes", "")], &headers);
    let told = told.await;
    assert_eq!(told.fields("PartNumber"), ["1"]);
    assert_eq!(told.field("IsTruncated"), Some("true".into()));
    assert_eq!(told.field("NextPartNumberMarker"), Some("1".into()));
    headers.push(("x-amz-part-number-marker", "1"));
    let told = client.ask(operation, Some(key), &[("attributes", "")], &headers);
    assert_eq!(told.await.fields("PartNumber"), ["2"]);
}

pub(super) async fn the_checksums_of_parts_make_one_of_the_whole(client: &Client<'_>) {
    const HEADER: &str = "x-amz-checksum-crc32";
    let key = "full object";
    // Computed with zlib over both parts.
    let whole = upload(client, key, "CRC32", "FULL_OBJECT").await;
    assert_eq!(whole, "1Dig8A==");
    let got = client.read(key, &[], &[ASKED], true).await;
    assert_eq!(got.header(HEADER), Some("1Dig8A=="));
    let part = client.read(key, &[("partNumber", "2")], &[ASKED], true);
    assert_eq!(part.await.header(HEADER), None);
    let headers = [("x-amz-object-attributes", "ObjectParts")];
    let operation = OperationName::GetObjectAttributes;
    let told = client.ask(operation, Some(key), &[("attributes", "")], &headers);
    let told = told.await;
    assert_eq!(told.field("PartsCount"), Some("2".into()));
    assert!(told.fields("PartNumber").is_empty(), "{told:?}");
    for (algorithm, scope) in [
        ("CRC64NVME", "COMPOSITE"),
        ("SHA256", "FULL_OBJECT"),
        ("", "COMPOSITE"),
        ("CRC32", "PARTIAL"),
    ] {
        let headers = [
            ("x-amz-checksum-type", scope),
            ("x-amz-checksum-algorithm", algorithm),
        ];
        let given = if algorithm.is_empty() { 1 } else { 2 };
        let operation = OperationName::CreateMultipartUpload;
        let query = [("uploads", "")];
        let refused = client.ask(operation, Some(key), &query, &headers[..given]);
        let refused = refused.await;
        assert_eq!(refused.refusal(), (400, "InvalidRequest"), "{algorithm}");
    }
    let id = create(client, key, &headers_of("CRC32C")).await;
    let claim = [("x-amz-checksum-crc32c", "4waSgw==")];
    let one = part_with(client, (key, &id, 1), DIGITS, &claim).await;
    assert_eq!(one.header(claim[0].0), Some(claim[0].1));
    let other = [("x-amz-checksum-crc32", "y/Q5Jg==")];
    let two = part_with(client, (key, &id, 2), DIGITS, &other).await;
    assert_eq!(two.refusal(), (400, "InvalidRequest"));
    let etag = one.header("etag").expect("an ETag").to_owned();
    let wrong = [("x-amz-checksum-crc32c", "AAAAAA==")];
    let done = complete(client, key, &id, &[(1, &etag)], &wrong).await;
    assert_eq!(done.refusal(), (400, "BadDigest"));
    let done = complete(client, key, &id, &[(1, &etag)], &claim).await;
    assert_eq!(done.field("ChecksumCRC32C"), Some("4waSgw==".into()));
}

pub(super) async fn uploads_without_a_checksum_get_the_default(client: &Client<'_>) {
    let (header, _, element, sum) = ALGORITHMS[2];
    let id = create(client, "default", &[]).await;
    // Whatever checksums the parts come with.
    let other = [(ALGORITHMS[3].0, ALGORITHMS[3].3)];
    let one = part_with(client, ("default", &id, 1), DIGITS, &other).await;
    assert_eq!(one.header(other[0].0), Some(other[0].1), "{one:?}");
    let etag = one.header("etag").expect("an ETag").to_owned();
    let done = complete(client, "default", &id, &[(1, &etag)], &[]).await;
    assert_eq!(done.field(element), Some(sum.into()), "{done:?}");
    let got = client.get("default", &[ASKED]).await;
    assert_eq!(got.header(header), Some(sum));
    assert_eq!(got.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
}

fn headers_of(algorithm: &str) -> [(&str, &str); 2] {
    [
        ("x-amz-checksum-algorithm", algorithm),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ]
}
