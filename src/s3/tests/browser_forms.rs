//! Forms at the door: what they become for the gateway, and what is refused before it is asked.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::support::{Case, HOST, SECRET, World, now};
use super::*;
use crate::types::{Extra, body};

const TYPE: &str = "multipart/form-data; boundary=\"-B\"";

/// The body of a form with these fields and a file of five bytes.
fn form(fields: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        form +=
            &format!("---B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    form + "---B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n---B--\r\n"
}

fn request(target: &str, form: String) -> Request<Body> {
    let request = Request::post(target)
        .header("host", HOST)
        .header("content-type", TYPE)
        .header("content-length", form.len());
    request.body(body::full(form)).expect("a request")
}

/// The fields that sign a form for an hour, of which each is allowed to have any value.
fn sign(fields: &[(&'static str, &str)], secret: &str) -> Vec<(&'static str, String)> {
    let time = jiff::Timestamp::try_from(now()).expect("a time");
    let date = time.strftime("%Y%m%d").to_string();
    let mut all: Vec<(&str, String)> = fields
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    all.push(("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()));
    all.push((
        "X-Amz-Credential",
        format!("FB/{date}/mars-1/s3/aws4_request"),
    ));
    all.push(("X-Amz-Date", time.strftime("%Y%m%dT%H%M%SZ").to_string()));
    let conditions: Vec<String> = all
        .iter()
        .map(|(name, _)| format!("[\"starts-with\", \"${name}\", \"\"]"))
        .collect();
    let expiration = (time + jiff::SignedDuration::from_hours(1)).strftime("%Y-%m-%dT%H:%M:%SZ");
    let policy = format!(
        "{{\"expiration\": \"{expiration}\", \"conditions\": [{{\"bucket\": \"train\"}}, {}]}}",
        conditions.join(", ")
    );
    let policy = BASE64.encode(policy);
    let key = generate_signing_key(secret, now(), "mars-1", "s3");
    all.push((
        "X-Amz-Signature",
        calculate_signature(key, policy.as_bytes()),
    ));
    all.push(("Policy", policy));
    all
}

fn signed(target: &str, fields: &[(&'static str, &str)]) -> Request<Body> {
    let fields = sign(fields, SECRET);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    request(target, form(&fields))
}

#[tokio::test]
async fn a_form_becomes_a_put() {
    let world = World::all();
    let fields = [
        ("key", "in/${filename}"),
        ("acl", "private"),
        ("x-amz-meta-a", "1"),
        ("Content-Type", "text/plain"),
        (
            "tagging",
            "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>",
        ),
        ("x-amz-copy-source", "/secret/a"),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ];
    let (status, headers, text) = world.ask(signed("/train", &fields)).await;
    assert_eq!((status, text.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(
        headers["location"],
        format!("http://{HOST}/train/in%2Fa.txt")
    );
    assert_eq!(headers["x-forebay-cache"], "bypass");
    let forwarded = world.last_forwarded();
    assert_eq!(forwarded.operation.name, OperationName::PutObject);
    let target = Target::Object(
        "train".parse().expect("a bucket"),
        "in/a.txt".parse().expect("a key"),
    );
    assert_eq!(
        (forwarded.operation.target, forwarded.operation.extras),
        (target, vec![Extra::Tags])
    );
    assert_eq!(
        (forwarded.length, &*forwarded.bytes),
        (Some(5), &b"hello"[..])
    );
    let mut names: Vec<&str> = forwarded
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["content-type", "x-amz-acl", "x-amz-meta-a", "x-amz-tagging"]
    );
}

#[tokio::test]
async fn a_host_may_name_the_bucket_of_a_form() {
    let world = World::all();
    let mut request = signed("/", &[("key", "a/b"), ("success_action_status", "201")]);
    let host = "train.s3.example.org:9000";
    request
        .headers_mut()
        .insert("host", HeaderValue::from_static(host));
    let (status, headers, text) = world.ask(request).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    assert_eq!(headers["location"], format!("http://{host}/a%2Fb"));
    assert_eq!(
        response::element(text.as_bytes(), "Key").as_deref(),
        Some("a/b")
    );
}

#[tokio::test]
async fn a_forms_rights_are_those_of_its_put() {
    let world = World::new(&["s3:PutObject"], &["train/in/*"]);
    assert_eq!(world.code(signed("/train", &[("key", "in/a")])).await, "");
    assert_eq!(
        world.code(signed("/train", &[("key", "out/a")])).await,
        "AccessDenied"
    );
    let tags = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    let tagged = signed("/train", &[("key", "in/b"), ("tagging", tags)]);
    assert_eq!(world.code(tagged).await, "AccessDenied");
    let anonymous = request("/train", form(&[("key", "in/b")]));
    assert_eq!(world.code(anonymous).await, "AccessDenied");
    assert_eq!(world.gateway.forwarded.lock().expect("a lock").len(), 1);
}

#[tokio::test]
async fn forms_with_mistakes_get_amazons_errors() {
    let world = World::all();
    let raw = |text: &str| request("/train", text.to_owned());
    let part = |name: &str| {
        format!("---B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nx\r\n")
    };
    let long = "x".repeat(20_480);
    for (request, code) in [
        (raw("key=k&file=x"), "MalformedPOSTRequest"),
        (raw(""), "MalformedPOSTRequest"),
        (raw(&(part("key") + "---B--\r\n")), "InvalidArgument"),
        (raw(&(part("key") + &part("file"))), "AccessDenied"),
        (raw(&form(&[])), "InvalidArgument"),
        (
            raw(&form(&[("x-ignore-me", &long)])),
            "MaxPostPreDataLengthExceeded",
        ),
        (
            raw(&form(&[
                ("key", "k"),
                ("AWSAccessKeyId", "FB"),
                ("signature", "s"),
            ])),
            "InvalidRequest",
        ),
        (
            raw(&form(&[
                ("key", "k"),
                ("policy", "e30="),
                ("x-amz-signature", "s"),
            ])),
            "InvalidArgument",
        ),
        (signed("/train", &[("key", "")]), "InvalidArgument"),
        (
            signed("/train", &[("key", "k"), ("tagging", "no XML")]),
            "MalformedXML",
        ),
        (signed("/other", &[("key", "k")]), "AccessDenied"),
    ] {
        assert_eq!(world.code(request).await, code);
    }
    let fields = sign(&[("key", "k")], "another secret");
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(
        world.code(raw(&form(&fields))).await,
        "SignatureDoesNotMatch"
    );
    let truncated = form(&[]).replace("\r\n---B--\r\n", "");
    let fields = form(&fields).replace(&form(&[]), &truncated);
    assert_eq!(world.code(raw(&fields)).await, "SignatureDoesNotMatch");
    assert!(world.gateway.forwarded.lock().expect("a lock").is_empty());
}

#[tokio::test]
async fn only_a_bucket_takes_forms() {
    let world = World::all();
    let (status, _, text) = world.ask(signed("/train/a", &[("key", "k")])).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(
        text.contains("<Method>POST</Method><ResourceType>OBJECT</ResourceType>"),
        "{text}"
    );
    let mut other = signed("/train", &[("key", "k")]);
    other
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("text/plain"));
    let (status, _, text) = world.ask(other).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
    assert!(
        text.contains("Bucket POST must be of the enclosure-type multipart/form-data"),
        "{text}"
    );
    let mut boundless = signed("/train", &[("key", "k")]);
    boundless.headers_mut().insert(
        "content-type",
        HeaderValue::from_static("multipart/form-data"),
    );
    assert_eq!(world.code(boundless).await, "MalformedPOSTRequest");
    let mut endless = signed("/train", &[("key", "k")]);
    endless.headers_mut().remove("content-length");
    assert_eq!(world.code(endless).await, "MissingContentLength");
    let mut twice = signed("/train", &[("key", "k")]);
    let header = HeaderValue::from_static(
        "AWS4-HMAC-SHA256 Credential=FB/20261123/x/s3/aws4_request, SignedHeaders=host, Signature=a",
    );
    twice.headers_mut().insert("authorization", header);
    assert_eq!(world.code(twice).await, "InvalidArgument");
    assert!(world.gateway.forwarded.lock().expect("a lock").is_empty());
    // With a sub-resource it is no form, whatever its type.
    assert_eq!(world.code(signed("/train?delete", &[])).await, "");
    let name = world.last_forwarded().operation.name;
    assert_eq!(name, OperationName::DeleteObjects);
}

#[tokio::test]
async fn an_object_may_have_the_type_of_a_form() {
    let world = World::all();
    let create = Case::new(Method::POST, "/train/a?uploads").header("content-type", TYPE);
    assert_eq!(world.code(create.sign()).await, "");
    assert_eq!(world.last_forwarded().headers["content-type"], TYPE);
}

#[tokio::test]
async fn version_2_of_signatures_is_refused_in_amazons_words() {
    let world = World::all();
    let by_header = Request::get("/train/a").header("authorization", "AWS FB:c2lnbmF0dXJl");
    let by_query =
        Request::get("/train/a?AWSAccessKeyId=FB&Expires=9999999999&Signature=c2lnbmF0dXJl");
    for request in [by_header, by_query] {
        let request = request.header("host", HOST).body(body::empty());
        let (status, _, text) = world.ask(request.expect("a request")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let error = "<Code>InvalidRequest</Code><Message>The authorization mechanism you have provided is not supported. \
            Please use AWS4-HMAC-SHA256.</Message>";
        assert!(text.contains(error), "{text}");
    }
}
