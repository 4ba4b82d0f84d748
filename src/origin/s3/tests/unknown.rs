//! What a store would take for another request is not sent to it.

use super::*;

#[tokio::test]
async fn what_aws_alone_has_is_not_asked_of_other_stores() {
    let (s3, store) = world([]).await;
    for (operation, method, name) in [
        (OperationName::GetBucketAbac, Method::GET, "abac"),
        (
            OperationName::DeleteBucketMetadataTableConfiguration,
            Method::DELETE,
            "metadataTable",
        ),
    ] {
        let call = Call {
            operation,
            method,
            key: None,
            query: vec![(name.to_owned(), String::new())],
            ..put(Payload::Whole(Bytes::new()))
        };
        let error = s3.call(call).await.expect_err("it is not asked");
        assert!(matches!(error, Error::Unsupported(_)), "{name}");
    }
    assert!(store.asked().is_empty());
}
