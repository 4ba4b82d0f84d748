//! The suite's claims about versions, in a bucket without versioning.

use super::client::Client;
use crate::types::OperationName;

pub(super) async fn an_object_has_the_one_version_null(client: &Client<'_>) {
    let versioning = OperationName::GetBucketVersioning;
    let told = client.ask(versioning, None, &[("versioning", "")], &[]);
    let told = told.await;
    assert!(told.text().contains("VersioningConfiguration"), "{told:?}");
    assert_eq!(told.field("Status"), None);
    client.put("version", b"current", &[]).await;
    let null = [("versionId", "null")];
    let well_formed = [("versionId", "3sL4kqtJlcpXroDTDmJrmSpXd3dIbrHY")];
    let malformed = [("versionId", "other")];
    for bodiless in [false, true] {
        let got = client.read("version", &null, &[], bodiless).await;
        assert_eq!(got.status.as_u16(), 200, "{got:?}");
        let got = client.read("version", &well_formed, &[], bodiless).await;
        assert_eq!(got.status.as_u16(), 404, "{got:?}");
        let got = client.read("version", &malformed, &[], bodiless).await;
        assert_eq!(got.status.as_u16(), 400, "{got:?}");
    }
    let got = client.read("version", &well_formed, &[], false).await;
    assert_eq!(got.refusal(), (404, "NoSuchVersion"));
    let got = client.read("version", &malformed, &[], false).await;
    assert_eq!(got.refusal(), (400, "InvalidArgument"));
    let delete = OperationName::DeleteObject;
    let deleted = client.ask(delete, Some("version"), &well_formed, &[]).await;
    assert_eq!(deleted.status.as_u16(), 204);
    assert_eq!(client.get("version", &[]).await.body, &b"current"[..]);
    let deleted = client.ask(delete, Some("version"), &null, &[]).await;
    assert_eq!(deleted.status.as_u16(), 204);
    assert_eq!(deleted.header("x-amz-version-id"), Some("null"));
    let got = client.get("version", &[]).await;
    assert_eq!(got.refusal(), (404, "NoSuchKey"));
    client.put("version", b"again", &[]).await;
    let object = |version: &str| {
        format!("<Object><Key>version</Key><VersionId>{version}</VersionId></Object>")
    };
    let list = format!("<Delete>{}{}</Delete>", object("other"), object("null"));
    let deleted = client.delete_listed(&list).await;
    assert_eq!(deleted.field("Code"), Some("NoSuchVersion".into()));
    assert_eq!(deleted.fields("VersionId"), ["other", "null"]);
    assert_eq!(deleted.text().matches("<Deleted>").count(), 1);
}

pub(super) async fn versions_are_listed_in_pages(client: &Client<'_>) {
    client.empty().await;
    for key in ["v/a", "v/b", "v/c/d", "v+&e"] {
        client.put(key, b"x", &[]).await;
    }
    let operation = OperationName::ListObjectVersions;
    let list = async |query: &[(&str, &str)]| {
        let mut all = vec![("versions", "")];
        all.extend_from_slice(query);
        client.ask(operation, None, &all, &[]).await
    };
    let all = list(&[]).await;
    assert_eq!(all.fields("Key"), ["v+&e", "v/a", "v/b", "v/c/d"]);
    assert_eq!(all.fields("VersionId"), ["null"; 4]);
    assert_eq!(all.fields("IsLatest"), ["true"; 4]);
    assert_eq!(all.field("IsTruncated"), Some("false".into()));
    let first = [("prefix", "v/"), ("delimiter", "/"), ("max-keys", "2")];
    let page = list(&first).await;
    assert_eq!(page.fields("Key"), ["v/a", "v/b"]);
    assert_eq!(page.field("NextKeyMarker"), Some("v/b".into()));
    assert_eq!(page.field("NextVersionIdMarker"), Some("null".into()));
    let mut second = first.to_vec();
    second.extend([("key-marker", "v/b"), ("version-id-marker", "null")]);
    let page = list(&second).await;
    assert!(page.fields("Key").is_empty(), "{page:?}");
    assert!(
        page.text()
            .contains("<CommonPrefixes><Prefix>v/c/</Prefix></CommonPrefixes>")
    );
    let page = list(&[("encoding-type", "url"), ("max-keys", "1")]).await;
    assert_eq!(page.fields("Key"), ["v%2B%26e"]);
    assert_eq!(page.field("NextKeyMarker"), Some("v%2B%26e".into()));
    for bad in [
        &[("version-id-marker", "null")][..],
        &[("key-marker", "v"), ("version-id-marker", "")],
        &[("max-keys", "-1")],
    ] {
        assert_eq!(
            list(bad).await.refusal(),
            (400, "InvalidArgument"),
            "{bad:?}"
        );
    }
    client.empty().await;
}
