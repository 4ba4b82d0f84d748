//! What a request claims about its signature, read before the signature is verified.
//!
//! Refuses what the verifier would let through or does not know: other mechanisms than SigV4, two at once, signed headers
//! that are missing, and `host` or `x-amz-*` headers that are present but not signed.

mod pieces;
#[cfg(test)]
mod tests;
pub(super) mod time;

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::error::{Code, Refusal};
use super::query::Query;

use pieces::{cut, cut_last, pieces};
use time::{moment, signing_time};

/// The only algorithm that is spoken.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The longest life of a presigned URL, in seconds: a week.
const MAX_EXPIRES: u64 = 604_800;

pub(super) static CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

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
    /// When it was signed, as SigV4 writes it.
    pub(super) time: String,
    /// The same; a presigned URL may say what is no time.
    pub(super) moment: Option<SystemTime>,
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
            (false, Some(value)) => Signed::from_header(text(value).unwrap_or_default(), headers)?,
            (false, None) => return Ok(Self::Anonymous),
        };
        signed.check_headers(headers)?;
        Ok(Self::Signed(signed))
    }
}

impl Signed {
    fn from_header(value: &str, present: &HeaderMap) -> Result<Self, Refusal> {
        let (algorithm, rest) = cut(value, b' ').unwrap_or((value, ""));
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
        // To look at a few names takes less than to hash one.
        if !present.keys().any(|name| *name == CONTENT_SHA256) {
            return Err(Refusal::because(
                Code::InvalidRequest,
                "Missing required header for this request: x-amz-content-sha256",
            ));
        }
        let (time, moment) = signing_time(present)?;
        Ok(Self {
            time,
            moment: Some(moment),
            ..signed
        })
    }

    /// Reads what follows the algorithm; the first of two parts with the same name counts.
    fn from_parts(text: &str) -> Option<Self> {
        let (mut credential, mut headers, mut signature) = (None, None, None);
        for part in pieces(text, b',') {
            let (name, value) = cut(part.trim_ascii(), b'=').unwrap_or_default();
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

    /// The same, one by one.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        pieces(&self.headers, b';')
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
            moment: moment(time),
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
        let (rest, terminator) = cut_last(credential, b'/')?;
        let (rest, service) = cut_last(rest, b'/')?;
        let (rest, region) = cut_last(rest, b'/')?;
        let (access_key_id, date) = cut_last(rest, b'/')?;
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
            moment: None,
            presigned: None,
            headers: headers.to_ascii_lowercase(),
        })
    }

    fn check_headers(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let opaque = |value: &HeaderValue| {
            let bytes = value.as_bytes();
            !bytes.is_ascii() && std::str::from_utf8(bytes).is_err()
        };
        // A second host would be signed with the first, and a value that is no text not at all.
        if headers.get_all(header::HOST).iter().count() > 1 || headers.values().any(opaque) {
            return Err(Refusal::new(Code::SignatureDoesNotMatch));
        }
        let mut names = Vec::with_capacity(16);
        names.extend(self.names());
        let is_missing = |name: &&&str| !headers.keys().any(|other| other == **name);
        if let Some(missing) = names.iter().find(is_missing) {
            return Err(Refusal::new(Code::SignatureDoesNotMatch).with("MissingHeader", *missing));
        }
        let must = |name: &&str| *name == header::HOST.as_str() || name.starts_with("x-amz-");
        let is_signed = |name: &str| names.contains(&name);
        let unsigned: Vec<&str> = headers
            .keys()
            .map(HeaderName::as_str)
            .filter(must)
            .filter(|name| !is_signed(name))
            .collect();
        if unsigned.is_empty() && is_signed(header::HOST.as_str()) {
            return Ok(());
        }
        Err(Refusal::because(
            Code::AccessDenied,
            "There were headers present in the request which were not signed",
        )
        .with("HeadersNotSigned", unsigned.join(", ")))
    }
}

/// The value where it is ASCII. Control characters are in no value, so that this is what `to_str` gives, not byte by byte.
fn text(value: &HeaderValue) -> Option<&str> {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes).ok().filter(|it| it.is_ascii())
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
