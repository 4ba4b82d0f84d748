//! What a request claims about its signature, read before the signature is verified.
//!
//! Refuses what the verifier would let through or does not know: other mechanisms than SigV4, two at once, signed headers
//! that are missing, and `host` or `x-amz-*` headers that are present but not signed.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::error::{Code, Refusal};
use super::query::Query;

/// The only algorithm that is spoken.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The longest life of a presigned URL, in seconds: a week.
const MAX_EXPIRES: u64 = 604_800;

pub(super) static CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
static DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// How SigV4 writes a time.
pub(super) const TIME: &str = "%Y%m%dT%H%M%SZ";

/// Who a request says it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    Anonymous,
    Signed(Signed),
}

/// A SigV4 signature, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) access_key_id: String,
    /// `YYYYMMDD`.
    pub(super) date: String,
    pub(super) region: String,
    pub(super) signature: String,
    /// When it was signed, as [`TIME`].
    pub(super) time: String,
    /// Where the signature is in the query.
    pub(super) presigned: Option<Presigned>,
    /// The names of the signed headers in lower case, between `;`.
    headers: String,
}

/// What only a presigned URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Presigned {
    /// Seconds.
    pub(super) expires: u64,
    /// `X-Amz-Content-Sha256` in the query, or else as a header.
    pub(super) payload: Option<String>,
}

impl Claim {
    /// Reads the claim.
    ///
    /// # Errors
    /// The refusals that need no secret.
    pub(super) fn parse(headers: &HeaderMap, query: &Query) -> Result<Self, Refusal> {
        let presigned = query.has("X-Amz-Signature");
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        let authorization = authorizations.next();
        // Whatever is beside it: a verifier of version 2 would look at nothing else.
        if ["Signature", "AWSAccessKeyId"]
            .iter()
            .any(|name| query.has(name))
        {
            return Err(if presigned || authorization.is_some() {
                too_many_mechanisms()
            } else {
                wrong_mechanism()
            });
        }
        if authorizations.next().is_some() || (presigned && authorization.is_some()) {
            return Err(too_many_mechanisms());
        }
        let signed = match (presigned, authorization) {
            (true, _) => Signed::from_query(query, headers)?,
            (false, Some(value)) => {
                Signed::from_header(value.to_str().unwrap_or_default(), headers)?
            }
            (false, None) => return Ok(Self::Anonymous),
        };
        signed.check_headers(headers)?;
        Ok(Self::Signed(signed))
    }
}

impl Signed {
    fn from_header(value: &str, present: &HeaderMap) -> Result<Self, Refusal> {
        let (algorithm, rest) = value.split_once(' ').unwrap_or((value, ""));
        match algorithm {
            ALGORITHM => {}
            "AWS" => return Err(wrong_mechanism()),
            "AWS4-ECDSA-P256-SHA256" => return Err(Refusal::not_implemented(algorithm)),
            _ => {
                return Err(Refusal::because(
                    Code::InvalidArgument,
                    "Unsupported Authorization Type",
                )
                .with("ArgumentName", "Authorization"));
            }
        }
        let signed = Self::from_parts(rest)
            .ok_or_else(|| Refusal::new(Code::AuthorizationHeaderMalformed))?;
        if !present.contains_key(&CONTENT_SHA256) {
            return Err(Refusal::because(
                Code::InvalidRequest,
                "Missing required header for this request: x-amz-content-sha256",
            ));
        }
        Ok(Self {
            time: signing_time(present)?,
            ..signed
        })
    }

    /// Reads what follows the algorithm; the first of two parts with the same name counts.
    fn from_parts(text: &str) -> Option<Self> {
        let (mut credential, mut headers, mut signature) = (None, None, None);
        for part in text.split(',') {
            let (name, value) = part.trim().split_once('=').unwrap_or_default();
            let known = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut headers,
                "Signature" => &mut signature,
                _ => continue,
            };
            known.get_or_insert(value);
        }
        Self::new(credential?, headers?, signature?)
    }

    /// The names of the signed headers in lower case, between `;`.
    pub(super) fn header_names(&self) -> &str {
        &self.headers
    }

    fn from_query(query: &Query, present: &HeaderMap) -> Result<Self, Refusal> {
        let malformed = || Refusal::new(Code::AuthorizationQueryParametersError);
        let value = |name| query.get(name).ok_or_else(malformed);
        if value("X-Amz-Algorithm")? != ALGORITHM {
            return Err(Refusal::because(
                Code::AuthorizationQueryParametersError,
                "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
            ));
        }
        let time = value("X-Amz-Date")?;
        let expires: u64 = value("X-Amz-Expires")?.parse().map_err(|_| malformed())?;
        if expires > MAX_EXPIRES {
            return Err(Refusal::because(
                Code::AuthorizationQueryParametersError,
                "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less \
                 than 604800 seconds",
            ));
        }
        let credential = value("X-Amz-Credential")?;
        let headers = value("X-Amz-SignedHeaders")?;
        let signed = Self::new(credential, headers, value("X-Amz-Signature")?);
        let header = present.get(&CONTENT_SHA256);
        let payload = query
            .get("X-Amz-Content-Sha256")
            .or_else(|| header?.to_str().ok());
        let payload = payload.map(str::to_owned);
        Ok(Self {
            time: time.to_owned(),
            presigned: Some(Presigned { expires, payload }),
            ..signed.ok_or_else(malformed)?
        })
    }

    /// The signature of a form, whose fields have no signed headers; `None` where the credential is malformed.
    pub(super) fn from_form(credential: &str, signature: &str) -> Option<Self> {
        Self::new(credential, "", signature)
    }

    /// `None` where the credential is not `ID/DATE/REGION/s3/aws4_request`, with a date of eight digits.
    fn new(credential: &str, headers: &str, signature: &str) -> Option<Self> {
        let mut scope = credential.rsplitn(5, '/');
        let (terminator, service) = (scope.next()?, scope.next()?);
        let (region, date, access_key_id) = (scope.next()?, scope.next()?, scope.next()?);
        // s3s would panic on a byte below '0' in it, where arithmetic is checked for overflows.
        let is_date = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        if terminator != "aws4_request" || service != "s3" || !is_date {
            return None;
        }
        Some(Self {
            access_key_id: access_key_id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            signature: signature.to_owned(),
            time: String::new(),
            presigned: None,
            headers: headers.to_ascii_lowercase(),
        })
    }

    fn check_headers(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let opaque = |value: &http::HeaderValue| {
            let bytes = value.as_bytes();
            !bytes.is_ascii() && std::str::from_utf8(bytes).is_err()
        };
        // A second host would be signed with the first, and a value that is no text not at all.
        if headers.get_all(header::HOST).iter().count() > 1 || headers.values().any(opaque) {
            return Err(Refusal::new(Code::SignatureDoesNotMatch));
        }
        let names: Vec<&str> = self.headers.split(';').collect();
        let is_missing = |name: &&&str| !headers.keys().any(|other| other == **name);
        if let Some(missing) = names.iter().find(is_missing) {
            return Err(Refusal::new(Code::SignatureDoesNotMatch).with("MissingHeader", *missing));
        }
        let must = |name: &&str| *name == header::HOST.as_str() || name.starts_with("x-amz-");
        let signed = |name: &str| names.contains(&name);
        let unsigned: Vec<&str> = headers
            .keys()
            .map(http::HeaderName::as_str)
            .filter(must)
            .filter(|name| !signed(name))
            .collect();
        if unsigned.is_empty() && signed(header::HOST.as_str()) {
            return Ok(());
        }
        Err(Refusal::because(
            Code::AccessDenied,
            "There were headers present in the request which were not signed",
        )
        .with("HeadersNotSigned", unsigned.join(", ")))
    }
}

/// When a request was signed: `x-amz-date`, or `Date` where that is absent, in SigV4's form or in HTTP's.
fn signing_time(headers: &HeaderMap) -> Result<String, Refusal> {
    let value = headers.get(&DATE).or_else(|| headers.get(header::DATE));
    let time = value.and_then(|value| basic_time(value.to_str().ok()?));
    time.ok_or_else(|| {
        let message = "AWS authentication requires a valid Date or x-amz-date header";
        Refusal::because(Code::AccessDenied, message)
    })
}

/// The moment that SigV4 writes so.
pub(super) fn moment(time: &str) -> Option<SystemTime> {
    let [b'0'..=b'9', .., b'Z'] = time.as_bytes() else {
        return None;
    };
    let number = |from: usize, digits: usize| {
        let digits = time.get(from..from + digits)?;
        let all = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i8>().ok().filter(|_| all)
    };
    let year = time.get(..4)?.parse().ok()?;
    let (month, day) = (number(4, 2)?, number(6, 2)?);
    let (hour, minute, second) = (number(9, 2)?, number(11, 2)?, number(13, 2)?);
    if time.len() != 16 || time.as_bytes()[8] != b'T' {
        return None;
    }
    let date = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().into())
}

fn basic_time(value: &str) -> Option<String> {
    if moment(value).is_some() {
        return Some(value.to_owned());
    }
    let time = Timestamp::try_from(httpdate::parse_http_date(value).ok()?).ok()?;
    Some(time.strftime(TIME).to_string())
}

/// The refusal of a request that is signed in two ways.
pub(super) fn too_many_mechanisms() -> Refusal {
    Refusal::because(
        Code::InvalidArgument,
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or \
         the Authorization header should be specified",
    )
}

/// The refusal of version 2.
pub(super) fn wrong_mechanism() -> Refusal {
    Refusal::because(
        Code::InvalidRequest,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}

#[cfg(test)]
mod tests {
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

    proptest! {
        #[test]
        fn a_moment_is_read_as_jiff_reads_it(year in 1..9999i16, seconds in 0..31_622_400i64, at in 0..16usize, byte in "[ -~]") {
            let start = DateTime::new(year, 1, 1, 0, 0, 0, 0).and_then(|it| it.to_zoned(TimeZone::UTC)).expect("a year");
            let time = start.timestamp().checked_add(jiff::SignedDuration::from_secs(seconds)).expect("a time");
            let written = time.strftime(TIME).to_string();
            prop_assert_eq!(moment(&written), Some(SystemTime::from(time)));
            let mut changed = written.clone();
            changed.replace_range(at..=at, &byte);
            if let Some(other) = moment(&changed) {
                let read = DateTime::strptime(TIME, &changed).and_then(|it| it.to_zoned(TimeZone::UTC)).expect("a time");
                prop_assert_eq!(other, SystemTime::from(read.timestamp()));
            }
            prop_assert_eq!(moment(&format!("{written}Z")), None);
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
}
