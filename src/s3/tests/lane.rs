//! The lean lane beside s3s: what the one lets through, the other does too, and takes for the same caller's.

use http::request::Parts;
use proptest::prelude::*;

use super::support::now;
use super::*;
use crate::auth::{Grant, Identity};
use crate::per_core::Copies;
use crate::s3::auth::Verifier;
use crate::s3::claim::Claim;
use crate::s3::signing::EMPTY_SHA256;
use crate::types::Secret;

const SKEW: Duration = Duration::from_secs(900);

fn auth(secrets: &[(&str, &str)]) -> Arc<Auth> {
    let identities = secrets.iter().map(|(id, secret)| {
        let identity = Identity {
            access_key_id: (*id).to_owned(),
            principal: Arc::new(Principal::anonymous()),
            secret: Secret::new(secret),
        };
        (identity, Vec::<Grant>::new())
    });
    Arc::new(Auth::new(identities.collect(), Vec::new()))
}

fn verifier(auth: &Arc<Auth>) -> Verifier {
    let swapped = Arc::new(Copies::new(&**auth));
    Verifier::new(swapped, SKEW, Clock::system())
}

/// Whom the lane takes the request to be from.
fn lean(verifier: &Verifier, auth: &Auth, parts: &Parts) -> Option<String> {
    let query = Query::parse(parts.uri.query().unwrap_or_default()).expect("a query");
    let Claim::Signed(signed) = Claim::parse(&parts.headers, &query).expect("a claim") else {
        return None;
    };
    let identity = verifier.lane().verify(parts, &signed, auth);
    identity.map(|identity| identity.access_key_id.clone())
}

fn signed(case: Case<'_>) -> Parts {
    case.sign().into_parts().0
}

#[test]
fn plain_reads_as_sdks_send_them_are_for_the_lane() {
    let auth = auth(&[("FB", SECRET)]);
    let verifier = verifier(&auth);
    for (method, target) in [
        (Method::GET, "/train/data/part-00001.parquet"),
        (Method::HEAD, "/train/a%20b%2B%D0%BA"),
        (Method::GET, "/train/a?x-id=GetObject"),
        (Method::GET, "/train/a?partNumber=2&versionId=v_1.~-"),
    ] {
        for payload in [SignableBody::Bytes(b""), SignableBody::UnsignedPayload] {
            let case = Case::new(method.clone(), target).header("content-length", "0");
            let mut case = case.header("range", "bytes=0-9, 20-29");
            case.payload = payload;
            // Twice: with a key made for it, and with the key of before.
            let parts = signed(case);
            for _ in 0..2 {
                assert_eq!(
                    lean(&verifier, &auth, &parts).as_deref(),
                    Some("FB"),
                    "{target}"
                );
            }
        }
    }
}

#[test]
fn whatever_is_not_plain_or_does_not_hold_is_left_to_s3s() {
    let auth = auth(&[("FB", SECRET)]);
    let verifier = verifier(&auth);
    let get = || Case::new(Method::GET, "/train/a");
    let mut forged = signed(get());
    forged.uri = "/train/b".parse().expect("a path");
    let mut late = get();
    late.time = now() - SKEW - Duration::from_secs(1);
    let mut presigned = get();
    presigned.expires = Some(Duration::from_secs(60));
    let mut stranger = get();
    stranger.key = ("FC", SECRET);
    let mut wrong = get();
    wrong.key = ("FB", "another");
    let mut twice = signed(get().header("x-amz-meta-a", "1"));
    twice
        .headers
        .append("x-amz-meta-a", HeaderValue::from_static("2"));
    for (what, parts) in [
        ("forged", forged),
        ("late", signed(late)),
        ("presigned", signed(presigned)),
        ("stranger", signed(stranger)),
        ("wrong secret", signed(wrong)),
        ("repeated", twice),
        ("a write", signed(Case::new(Method::DELETE, "/train/a"))),
        ("odd path", signed(Case::new(Method::GET, "/train/a+b"))),
        (
            "odd query",
            signed(Case::new(Method::GET, "/train?prefix=a%2Fb")),
        ),
        ("inner blanks", signed(get().header("x-amz-meta-a", "a  b"))),
        ("a body", signed(get().header("content-length", "1"))),
    ] {
        assert_eq!(lean(&verifier, &auth, &parts), None, "{what}");
    }
    let parts = signed(get());
    assert_eq!(lean(&verifier, &auth, &parts).as_deref(), Some("FB"));
}

#[test]
fn a_new_secret_holds_at_once() {
    let (old, new) = (auth(&[("FB", SECRET)]), auth(&[("FB", "changed")]));
    let verifier = verifier(&old);
    let parts = signed(Case::new(Method::GET, "/train/a"));
    assert!(lean(&verifier, &old, &parts).is_some());
    assert_eq!(lean(&verifier, &new, &parts), None);
    let mut case = Case::new(Method::GET, "/train/a");
    case.key = ("FB", "changed");
    let parts = signed(case);
    assert!(lean(&verifier, &new, &parts).is_some());
    assert_eq!(lean(&verifier, &old, &parts), None);
}

fn piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "a", "B9", "/", "//", ".", "..", "-_~", "%20", "%2F", "%2f", "%2B", "+", "%41", "%C3%BC",
        "%ff", "%FF", "=", "&", "*", "'", ":", "@", "%25", "%", "?", ";", ",", "!",
    ])
}

fn header_value() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "a",
        " ",
        "  ",
        "\t",
        ",",
        "bytes=0-1",
        "\"e\"",
        "=",
        "%20",
        "\u{fc}",
    ]);
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    /// Requests near the lane's edges, signed as the lane has it.
    #[test]
    fn the_lane_lets_through_nothing_that_s3s_does_not(
        head in any::<bool>(),
        path in proptest::collection::vec(piece(), 0..6),
        query in proptest::option::of(proptest::collection::vec(piece(), 0..6)),
        headers in proptest::collection::vec((0..6usize, header_value()), 0..4),
        payload in proptest::sample::select(vec![EMPTY_SHA256, "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD", "x"]),
        region in proptest::sample::select(vec!["us-east-1", "auto", "", "-", "a b", "EU"]),
        separator in proptest::sample::select(vec![", ", ", ", ",", ",  "]),
        age in -1000i64..1000,
        sorted in any::<bool>(),
    ) {
        const NAMES: [&str; 6] = ["range", "x-amz-meta-a", "if-match", "x-amz-date2", "content-type", "accept"];
        let target = format!("/train{}{}", path.concat(), query.map_or(String::new(), |query| format!("?{}", query.concat())));
        let Ok(uri) = target.parse::<http::Uri>() else { return Ok(()) };
        let method = if head { Method::HEAD } else { Method::GET };
        let time = jiff::Timestamp::try_from(now()).expect("now") - jiff::SignedDuration::from_secs(age);
        let time = time.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut request = Request::builder().method(method).uri(uri)
            .header("host", HOST).header("x-amz-date", &time).header("x-amz-content-sha256", payload);
        let mut names = vec!["host", "x-amz-content-sha256", "x-amz-date"];
        for (name, value) in &headers {
            let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { return Ok(()) };
            request = request.header(NAMES[*name], value);
            names.push(NAMES[*name]);
        }
        if sorted { names.sort_unstable(); names.dedup(); }
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=FB/{}/{region}/s3/aws4_request{separator}SignedHeaders={}{separator}Signature=@",
            &time[..8], names.join(";"),
        );
        let Ok(request) = request.header("authorization", authorization).body(()) else { return Ok(()) };
        let mut parts = request.into_parts().0;
        let auth = auth(&[("FB", SECRET)]);
        let verifier = verifier(&auth);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let both = runtime.block_on(verifier.both(&mut parts, &auth, &Secret::new(SECRET)));
        if let Some([Some(lean), full]) = both {
            prop_assert_eq!(Some(lean), full);
        }
    }
}
