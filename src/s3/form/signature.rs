//! Who signed a form: SigV4 over its policy, in fields of its own.
//!
//! AWS S3 API Reference, "Authenticating Requests in Browser-Based Uploads Using POST (AWS Signature Version 4)". The text
//! that is signed is the policy's base64 as the form carries it. How long a signature holds is its policy's to say.

use std::time::{Duration, SystemTime};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::fields::Fields;
use crate::auth::{Auth, Identity};
use crate::s3::claim::{ALGORITHM, Signed, wrong_mechanism};
use crate::s3::error::{Code, Refusal};
use crate::s3::signing;

const SIGNATURE: &str = "X-Amz-Signature";
const CREDENTIAL: &str = "X-Amz-Credential";
const DATE: &str = "X-Amz-Date";
/// The fields of a signature, in the order in which S3 misses them.
const FIELDS: [&str; 4] = [SIGNATURE, "X-Amz-Algorithm", CREDENTIAL, DATE];

/// The identity that signed the form, and its policy; none where nobody did.
///
/// # Errors
/// S3's refusal of a signature that is incomplete, malformed or wrong, of an unknown key, and of version 2.
pub(super) fn verify<'a>(
    fields: &'a Fields,
    auth: &Auth,
    now: SystemTime,
    skew: Duration,
) -> Result<Option<(Identity, &'a str)>, Refusal> {
    if FIELDS.iter().all(|name| fields.get(name).is_none()) {
        let by_version_2 = ["AWSAccessKeyId", "signature"]
            .iter()
            .any(|name| fields.get(name).is_some());
        return if by_version_2 {
            Err(wrong_mechanism())
        } else {
            Ok(None)
        };
    }
    for name in FIELDS {
        fields.need(name)?;
    }
    let policy = fields.need("policy")?;
    let signed = claim(fields)?;
    let date = fields.need(DATE)?;
    check_date(date, &signed, now, skew)?;
    let identity = auth.identity(&signed.access_key_id).ok_or_else(|| {
        Refusal::new(Code::InvalidAccessKeyId).with("AWSAccessKeyId", &signed.access_key_id)
    })?;
    let key = signing::key(&identity.secret, &signed.date, &signed.region);
    if signing::signs(&key, policy, &signed.signature) {
        Ok(Some((identity.clone(), policy)))
    } else {
        let bytes: Vec<String> = policy.bytes().map(|byte| format!("{byte:02x}")).collect();
        Err(Refusal::new(Code::SignatureDoesNotMatch)
            .with("AWSAccessKeyId", &signed.access_key_id)
            .with("StringToSign", policy)
            .with("SignatureProvided", &signed.signature)
            .with("StringToSignBytes", bytes.join(" ")))
    }
}

fn claim(fields: &Fields) -> Result<Signed, Refusal> {
    let algorithm = fields.need("X-Amz-Algorithm")?;
    if algorithm != ALGORITHM {
        let message = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
        return Err(Refusal::argument("X-Amz-Algorithm", algorithm, message));
    }
    let credential = fields.need(CREDENTIAL)?;
    let refused = |message| Refusal::argument(CREDENTIAL, credential, message);
    let signed = Signed::from_form(credential, fields.need(SIGNATURE)?).ok_or_else(|| {
        refused("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
    })?;
    if signed.access_key_id.is_empty() {
        return Err(refused(
            "a non-empty Access Key (AKID) must be provided in the credential.",
        ));
    }
    Ok(signed)
}

/// Checks that the form's date is one, is that of the credential, and does not lie in the future.
fn check_date(text: &str, signed: &Signed, now: SystemTime, skew: Duration) -> Result<(), Refusal> {
    let refused = |message| Refusal::argument(DATE, text, message);
    let date = DateTime::strptime("%Y%m%dT%H%M%SZ", text)
        .and_then(|date| date.to_zoned(TimeZone::UTC))
        .map_err(|_| refused("X-Amz-Date must be formated via ISO8601 Long format".to_owned()))?;
    if text.get(..8) != Some(&signed.date) {
        let day = text.get(..8).unwrap_or(text);
        return Err(refused(format!(
            "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{day}\".",
            signed.date
        )));
    }
    if SystemTime::from(date.timestamp()) > now + skew {
        return Err(Refusal::new(Code::RequestTimeTooSkewed));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::{Principal, Secret};

    /// The example of "Examples: Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)".
    const POLICY: &str = "{ \"expiration\": \"2015-12-30T12:00:00.000Z\",\r\n  \"conditions\": [\r\n    \
        {\"bucket\": \"sigv4examplebucket\"},\r\n    [\"starts-with\", \"$key\", \"user/user1/\"],\r\n    \
        {\"acl\": \"public-read\"},\r\n    \
        {\"success_action_redirect\": \"http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html\"},\r\n    \
        [\"starts-with\", \"$Content-Type\", \"image/\"],\r\n    {\"x-amz-meta-uuid\": \"14365123651274\"},\r\n    \
        {\"x-amz-server-side-encryption\": \"AES256\"},\r\n    [\"starts-with\", \"$x-amz-meta-tag\", \"\"],\r\n\r\n    \
        {\"x-amz-credential\": \"AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request\"},\r\n    \
        {\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"},\r\n    {\"x-amz-date\": \"20151229T000000Z\" }\r\n  ]\r\n}";
    const EXAMPLE: &str = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e";
    const CREDENTIAL_OF_EXAMPLE: &str = "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request";

    fn auth() -> Auth {
        let identity = Identity {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            principal: Arc::new(Principal::anonymous()),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        };
        Auth::new(vec![(identity, vec![])], vec![])
    }

    /// Verifies the example with fields exchanged (or, where empty, left out).
    fn verified(changes: &[(&str, &str)]) -> Result<bool, Refusal> {
        use base64::Engine as _;
        let policy = base64::engine::general_purpose::STANDARD.encode(POLICY);
        let mut pairs = vec![
            ("X-Amz-Credential", CREDENTIAL_OF_EXAMPLE),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Date", "20151229T000000Z"),
            ("Policy", policy.as_str()),
            ("X-Amz-Signature", EXAMPLE),
        ];
        for (name, value) in changes {
            pairs.retain(|(other, _)| other != name);
            pairs.extend((!value.is_empty()).then_some((*name, *value)));
        }
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let fields = Fields::new(pairs.into_iter().map(owned).collect(), None);
        let now = "2015-12-29T00:00:00Z"
            .parse::<jiff::Timestamp>()
            .expect("a time");
        let skew = Duration::from_secs(900);
        verify(&fields, &auth(), now.into(), skew).map(|signer| signer.is_some())
    }

    #[test]
    fn amazons_example_is_signed() {
        assert_eq!(verified(&[]), Ok(true));
    }

    #[test]
    fn a_form_that_nobody_signed_is_nobodys() {
        let unsigned = FIELDS.map(|name| (name, ""));
        assert_eq!(verified(&unsigned), Ok(false));
    }

    #[test]
    fn signatures_that_do_not_hold_are_refused() {
        let day = "AKIAIOSFODNN7EXAMPLE/20151228/us-east-1/s3/aws4_request";
        let service = "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/ec2/aws4_request";
        let stranger = "STRANGER/20151229/us-east-1/s3/aws4_request";
        let region = "AKIAIOSFODNN7EXAMPLE/20151229/mars-1/s3/aws4_request";
        let reversed: String = EXAMPLE.chars().rev().collect();
        for (name, value, code) in [
            (
                "X-Amz-Signature",
                reversed.as_str(),
                Code::SignatureDoesNotMatch,
            ),
            ("X-Amz-Signature", "8afd", Code::SignatureDoesNotMatch),
            ("Policy", "e30=", Code::SignatureDoesNotMatch),
            ("X-Amz-Credential", region, Code::SignatureDoesNotMatch),
            ("X-Amz-Credential", stranger, Code::InvalidAccessKeyId),
            ("X-Amz-Credential", day, Code::InvalidArgument),
            ("X-Amz-Credential", service, Code::InvalidArgument),
            (
                "X-Amz-Credential",
                "/20151229/us-east-1/s3/aws4_request",
                Code::InvalidArgument,
            ),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA1", Code::InvalidArgument),
            ("X-Amz-Date", "2015-12-29T00:00:00Z", Code::InvalidArgument),
            ("X-Amz-Date", "20151229T001501Z", Code::RequestTimeTooSkewed),
        ] {
            let refusal = verified(&[(name, value)]).expect_err(value);
            assert_eq!(refusal.code, code, "{name}: {value}");
        }
    }

    #[test]
    fn a_field_of_the_signature_that_is_missing_is_named() {
        for name in [FIELDS.as_slice(), &["Policy"]].concat() {
            let refusal = verified(&[(name, "")]).expect_err(name);
            assert_eq!(refusal.code, Code::InvalidArgument);
            assert_eq!(refusal.fields[0].1.to_lowercase(), name.to_lowercase());
        }
    }

    #[test]
    fn version_2_is_refused() {
        let mut changes = FIELDS.map(|name| (name, "")).to_vec();
        changes.push(("AWSAccessKeyId", "AKIAIOSFODNN7EXAMPLE"));
        changes.push(("signature", "0RavWzkygo6QX9caELEqKi9kDbU="));
        let refusal = verified(&changes).expect_err("version 2");
        assert_eq!(refusal.code, Code::InvalidRequest);
        assert!(refusal.message.contains("Please use AWS4-HMAC-SHA256."));
    }
}
