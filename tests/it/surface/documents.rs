//! Sub-resources of buckets and objects: documents that go through as they are, and what they show in an object's headers.

use forebay::types::operation::name::Spec;
use forebay::types::operation::{Family, OperationName, Scope};

use super::Twins;
use crate::support::client::Ask;
use crate::support::origin::SELECTED;

/// A document of an operation: real where the origin looks into it.
fn body_of(spec: &Spec) -> String {
    let tags = "<TagSet><Tag><Key>team/a</Key><Value>x &amp; y</Value></Tag></TagSet>";
    match spec.name {
        "PutBucketVersioning" => {
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".to_owned()
        }
        "PutObjectTagging" | "PutBucketTagging" => format!("<Tagging>{tags}</Tagging>"),
        "PutObjectLegalHold" => "<LegalHold><Status>ON</Status></LegalHold>".to_owned(),
        "PutObjectRetention" => "<Retention><Mode>GOVERNANCE</Mode>\
             <RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>"
            .to_owned(),
        "RestoreObject" => "<RestoreRequest><Days>1</Days></RestoreRequest>".to_owned(),
        "PutBucketPolicy" => "{\"Version\":\"2012-10-17\",  \"Statement\":[]}".to_owned(),
        name => format!("<{name} a='1'><!-- kept --><Prefix>team/</Prefix>\n</{name}>"),
    }
}

/// The request of an operation, with all of its parameters that tell it from others.
pub(super) fn request(spec: &Spec) -> Ask {
    let target = match spec.scope {
        Scope::Service => "/",
        Scope::Bucket => "/train",
        Scope::Object => "/train/k",
    };
    let pairs: Vec<String> = spec
        .named_by
        .iter()
        .map(|name| match *name {
            "id" => "id=one".to_owned(),
            "list-type" | "select-type" => format!("{name}=2"),
            "partNumber" => "partNumber=1".to_owned(),
            "uploadId" => "uploadId=upload1".to_owned(),
            name => name.to_owned(),
        })
        .collect();
    let mut ask = Ask::new(spec.method, &format!("{target}?{}", pairs.join("&")));
    if spec.name == "GetObjectAttributes" {
        ask = ask.header("x-amz-object-attributes", "ETag,ObjectSize,StorageClass");
    }
    let is_copy = matches!(spec.family, Family::Copy | Family::CopyPart);
    if is_copy {
        ask = ask.header("x-amz-copy-source", "train/k");
    } else if matches!(spec.method, "PUT" | "POST") {
        ask = ask.body(body_of(spec));
    }
    ask
}

/// The operations of some families that any store may have.
fn of_families(families: &[Family]) -> Vec<&'static Spec> {
    let names = OperationName::ALL.iter();
    let specs: Vec<_> = names
        .filter(|name| families.contains(&name.spec().family) && !name.is_of_aws_alone())
        .map(|name| name.spec())
        .collect();
    assert!(!specs.is_empty());
    specs
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_alone_has_is_never_sent_to_a_store_that_would_take_it_for_another_request() {
    let twins = Twins::new().await;
    twins.put("train/k", 1, 1000);
    let alone = OperationName::ALL.iter();
    let alone: Vec<_> = alone.filter(|name| name.is_of_aws_alone()).collect();
    assert!(!alone.is_empty());
    for name in alone {
        let answer = twins.through.send(&request(name.spec())).await;
        let told = (answer.status.as_u16(), answer.code());
        assert_eq!(told, (501, "NotImplemented".to_owned()), "{name:?}");
    }
    assert_eq!(twins.behind.seen(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bucket_setting_goes_through_as_it_is_and_comes_back_so() {
    let twins = Twins::new().await;
    let changes = of_families(&[Family::BucketChange]);
    let reads = of_families(&[Family::BucketSetting, Family::BucketDetail]);
    for spec in &reads {
        twins.pass(&request(spec)).await;
    }
    for spec in changes.iter().filter(|spec| spec.method != "DELETE") {
        // Others have more than one, each with a name.
        let ask = request(spec);
        let ask = match spec.parameters.contains(&"id") {
            true => Ask::new(spec.method, &format!("{}&id=one", ask.target)).body(ask.body),
            false => ask,
        };
        twins.succeed(&ask).await;
    }
    for spec in &reads {
        let answer = twins.pass(&request(spec)).await;
        if spec.named_by.len() == 1 && spec.name.starts_with("GetBucketC") {
            assert!(answer.body.ends_with(b"\n</PutBucketCors>"), "{answer:?}");
        }
    }
    for spec in changes.iter().filter(|spec| spec.method == "DELETE") {
        twins.succeed(&request(spec)).await;
    }
    for spec in &reads {
        twins.pass(&request(spec)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_detail_of_an_object_goes_through_as_it_is_and_comes_back_so() {
    let twins = Twins::new().await;
    twins.put("train/k", 1, 1000);
    let details = of_families(&[Family::ObjectDetail]);
    let changes = of_families(&[Family::ObjectChange]);
    for spec in &details {
        twins.pass(&request(spec)).await;
    }
    for spec in changes.iter().filter(|spec| spec.method != "DELETE") {
        twins.succeed(&request(spec)).await;
    }
    for spec in &details {
        twins.succeed(&request(spec)).await;
    }
    for spec in changes.iter().filter(|spec| spec.method == "DELETE") {
        twins.succeed(&request(spec)).await;
        twins.succeed(&Ask::get("/train/k?tagging")).await;
    }
    for spec in &details {
        let ask = request(spec);
        let missing = Ask {
            target: ask.target.replace("/k?", "/missing?"),
            ..ask
        };
        assert_eq!(twins.pass(&missing).await.status, 404, "{}", spec.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_about_an_object_shows_in_the_next_read() {
    let twins = Twins::new().await;
    twins.put("train/k", 2, 1000);
    let read = async || twins.read(Ask::get("/train/k")).await.headers;
    assert!(!read().await.contains_key("x-amz-tagging-count"));
    let two = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag>\
               <Tag><Key>b</Key><Value>2</Value></Tag></TagSet></Tagging>";
    twins
        .succeed(&Ask::new("PUT", "/train/k?tagging").body(two))
        .await;
    assert_eq!(read().await["x-amz-tagging-count"], "2");
    twins.succeed(&Ask::new("DELETE", "/train/k?tagging")).await;
    assert!(!read().await.contains_key("x-amz-tagging-count"));
    let spec = OperationName::PutObjectRetention.spec();
    let ask = request(spec).header("x-amz-bypass-governance-retention", "true");
    twins.succeed(&ask).await;
    assert_eq!(read().await["x-amz-object-lock-mode"], "GOVERNANCE");
    twins
        .succeed(&request(OperationName::PutObjectLegalHold.spec()))
        .await;
    assert_eq!(read().await["x-amz-object-lock-legal-hold"], "ON");
    twins
        .succeed(&request(OperationName::PutObjectAcl.spec()))
        .await;
    read().await;
    twins
        .succeed(&request(OperationName::RestoreObject.spec()))
        .await;
    let restored = &read().await["x-amz-restore"];
    assert!(
        restored
            .as_bytes()
            .starts_with(b"ongoing-request=\"false\"")
    );
    // An object that was restored is not kept, and still it is read as it is.
    let answer = twins
        .read(Ask::get("/train/k").header("range", "bytes=10-19"))
        .await;
    assert_eq!((answer.status.as_u16(), answer.source()), (206, "bypass"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_comes_back_byte_for_byte() {
    let twins = Twins::new().await;
    twins.put("train/k", 3, 1000);
    let spec = OperationName::SelectObjectContent.spec();
    let answer = twins.succeed(&request(spec)).await;
    assert_eq!(answer.body, SELECTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_come_back_as_they_were_asked_for() {
    let twins = Twins::new().await;
    let put = Ask::new("PUT", "/train/k")
        .header(
            "x-amz-checksum-sha256",
            crate::support::origin::base64_of("sha256", b"hello"),
        )
        .body("hello");
    twins.succeed(&put).await;
    let ask = Ask::get("/train/k?attributes")
        .header("x-amz-object-attributes", "ETag,Checksum,ObjectSize")
        .header("x-amz-max-parts", "2")
        .header("x-amz-part-number-marker", "1");
    let answer = twins.succeed(&ask).await;
    assert_eq!(answer.text("ObjectSize"), "5");
    assert!(!answer.text("ChecksumSHA256").is_empty(), "{answer:?}");
    let none = twins.pass(&Ask::get("/train/k?attributes")).await;
    assert_eq!(none.code(), "InvalidArgument");
}
