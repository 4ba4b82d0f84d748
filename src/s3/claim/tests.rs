use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

#[test]
fn a_credential_has_a_date_of_eight_digits() {
    let signed = |date| Signed::new(&format!("FB/{date}/r/s3/aws4_request"), "host", "s");
    assert!(signed("20261123").is_some());
    for date in ["-DxAamTE", "2026112", "202611231", "2026-1-1", ""] {
        assert!(signed(date).is_none(), "{date}");
    }
}

const CREDENTIAL: &str = "Credential=FB/20261123/mars-1/s3/aws4_request";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let parse = |(name, value): &(&'static str, &str)| {
        let value = http::HeaderValue::from_str(value).expect("a value");
        (http::HeaderName::from_static(name), value)
    };
    pairs.iter().map(parse).collect()
}

fn claim(pairs: &[(&'static str, &str)], query: &str) -> Result<Claim, Code> {
    let query = Query::parse(query).expect("a query");
    Claim::parse(&headers(pairs), &query).map_err(|refusal| refusal.code)
}

#[test]
fn a_header_claim_is_read() {
    let value = format!(
        "AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=abc"
    );
    let pairs = [
        ("authorization", value.as_str()),
        ("host", "h"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-date", "20261123T000000Z"),
    ];
    let Ok(Claim::Signed(signed)) = claim(&pairs, "") else {
        panic!("a signed claim")
    };
    assert_eq!(signed.access_key_id, "FB");
    assert_eq!(signed.region, "mars-1");
    assert_eq!(signed.signature, "abc");
    assert_eq!(signed.time, "20261123T000000Z");
    assert_eq!(claim(&[("host", "h")], "prefix=a"), Ok(Claim::Anonymous));
}

#[test]
fn other_mechanisms_are_refused() {
    for (value, code) in [
        ("AWS FB:signature", Code::InvalidRequest),
        ("Basic Zm9v", Code::InvalidArgument),
        ("AWS4-ECDSA-P256-SHA256 x", Code::NotImplemented),
        (
            "AWS4-HMAC-SHA256 nonsense",
            Code::AuthorizationHeaderMalformed,
        ),
        (
            "AWS4-HMAC-SHA256 Credential=FB/20261123/x/sts/aws4_request, SignedHeaders=host, Signature=a",
            Code::AuthorizationHeaderMalformed,
        ),
    ] {
        assert_eq!(
            claim(&[("authorization", value), ("host", "h")], ""),
            Err(code),
            "{value}"
        );
    }
    let v2 = "AWSAccessKeyId=FB&Expires=1&Signature=x";
    assert_eq!(claim(&[("host", "h")], v2), Err(Code::InvalidRequest));
    let both = [("authorization", "AWS4-HMAC-SHA256 x"), ("host", "h")];
    assert_eq!(
        claim(&both, "X-Amz-Signature=x"),
        Err(Code::InvalidArgument)
    );
}

#[test]
fn unsigned_and_missing_headers_are_refused() {
    let value = format!(
        "AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=abc"
    );
    let base = [
        ("authorization", value.as_str()),
        ("host", "h"),
        ("x-amz-date", "20261123T000000Z"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ];
    let mut more = base.to_vec();
    more.push(("x-amz-acl", "public-read"));
    assert_eq!(claim(&more, ""), Err(Code::AccessDenied));
    let missing = [base[0], base[2], base[3]];
    assert_eq!(claim(&missing, ""), Err(Code::SignatureDoesNotMatch));
    let mut hosts = headers(&base);
    hosts.append("host", http::HeaderValue::from_static("other"));
    let mut opaque = headers(&base);
    opaque.append(
        "x-amz-date",
        http::HeaderValue::from_bytes(b"\xff").expect("a value"),
    );
    for map in [hosts, opaque] {
        let refusal = Claim::parse(&map, &Query::default()).expect_err("not signed");
        assert_eq!(refusal.code, Code::SignatureDoesNotMatch);
    }
    let mut fine = base.to_vec();
    fine.push(("accept-encoding", "identity"));
    assert!(claim(&fine, "").is_ok());
}

const NAMES: [&str; 5] = ["host", "x-amz-date", "x-amz-acl", "range", "content-type"];

proptest! {
    #[test]
    fn who_is_let_through_signs_the_host_and_all_that_steers(
        present in subsequence(&NAMES[..], 0..=NAMES.len()),
        signed in subsequence(&NAMES[..], 0..=NAMES.len()),
    ) {
        let list = signed.join(";");
        let value = format!(
            "AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=x-amz-content-sha256;{list}, Signature=abc"
        );
        let value = value.replace(";,", ",");
        let mut pairs = vec![("authorization", value.as_str()), ("x-amz-content-sha256", "v")];
        pairs.extend(present.iter().map(|name| (*name, "20261123T000000Z")));
        let complete = signed.iter().all(|name| present.contains(name));
        let steers = |name: &&&str| **name == "host" || name.starts_with("x-amz-");
        let covered = present.iter().filter(steers).all(|name| signed.contains(name));
        let timed = present.contains(&"x-amz-date");
        let expected = complete && covered && timed && signed.contains(&"host");
        prop_assert_eq!(claim(&pairs, "").is_ok(), expected);
    }

    #[test]
    fn reading_a_claim_never_panics(
        value in "(AWS4-HMAC-SHA256 )?[ -~]{0,60}",
        query in "(X-Amz-[A-Za-z]{1,10}=[a-z/%0-9]{0,8}&){0,4}",
    ) {
        if let Ok(query) = Query::parse(&query) {
            let headers = headers(&[("authorization", value.as_str()), ("host", "h")]);
            let _ = Claim::parse(&headers, &query);
        }
    }
}

#[test]
fn version_2_is_refused_whatever_stands_beside_it() {
    let host = [("host", "h")];
    let second = "AWSAccessKeyId=FB&Expires=9999999999&Signature=abc";
    assert_eq!(claim(&host, second), Err(Code::InvalidRequest));
    let fourth = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=FB%2F20261123%2Fx%2Fs3%2Faws4_request\
                  &X-Amz-Date=20261123T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=a";
    for both in [
        format!("{second}&{fourth}"),
        format!("{fourth}&Signature=abc"),
    ] {
        assert_eq!(claim(&host, &both), Err(Code::InvalidArgument), "{both}");
    }
}

#[test]
fn a_presigned_url_lives_a_week_at_most() {
    let query = |expires: &str| {
        format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=FB%2F20261123%2Fx%2Fs3%2Faws4_request\
             &X-Amz-Date=20261123T000000Z&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=a"
        )
    };
    let host = [("host", "h")];
    assert!(claim(&host, &query("604800")).is_ok());
    for bad in ["604801", "soon", "-1"] {
        assert_eq!(
            claim(&host, &query(bad)),
            Err(Code::AuthorizationQueryParametersError),
            "{bad}"
        );
    }
    let unsigned = [("host", "h"), ("x-amz-acl", "private")];
    assert_eq!(claim(&unsigned, &query("60")), Err(Code::AccessDenied));
}
