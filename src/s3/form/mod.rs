//! POST Object: a file that a browser uploads with a form.
//!
//! The form is read up to its file, within S3's bound; then all is known that a PUT of the same object would say in its
//! headers, and from there on it is that PUT: the same rights, headers, memory and write. Forms never reach s3s, which would
//! hold their files in memory.

mod answer;
mod delimiter;
mod fields;
mod file;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod head;
mod parameters;
mod policy;
mod signature;
mod tagging;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, header};
use http_body_util::BodyExt;

use self::answer::Base;
use self::delimiter::Delimiter;
use self::fields::Fields;
use self::file::LOOK_AHEAD;
use self::head::{Head, Mistake, Reader};
use self::parameters::Parameters;
use self::policy::Policy;
use super::access::Entry;
use super::backend::Backend;
use super::error::{Code, Failure, Refusal};
use super::patience::{PATIENCE, Patient};
use super::payload::{content_length, incomplete, next_data};
use super::query::Query;
use super::{Door, authorize, claim, headers, operation};
use crate::gateway::{self, Answer, Context, Upload};
use crate::types::{Body, BoxError, BucketName, Target};

/// The bucket that a form is sent to; none where the request is no form.
///
/// # Errors
/// S3's refusal of a form to an object, and of a POST to a bucket that is neither a form nor anything else.
pub(super) fn bucket(
    parts: &Parts,
    target: &Target,
    query: &Query,
) -> Result<Option<BucketName>, Refusal> {
    // A sub-resource makes it another operation, whose document may be of any type. `x-` is for clients' own logs.
    let is_plain = query.0.iter().all(|(name, _)| name.starts_with("x-"));
    if parts.method != Method::POST || !is_plain {
        return Ok(None);
    }
    match (target, is_form(parts)) {
        (Target::Bucket(bucket), true) => Ok(Some(bucket.clone())),
        (Target::Bucket(_), false) => Err(Refusal::new(Code::PreconditionFailed).with(
            "Condition",
            "Bucket POST must be of the enclosure-type multipart/form-data",
        )),
        (Target::Object(..), true) => Err(Refusal::new(Code::MethodNotAllowed)
            .with("Method", "POST")
            .with("ResourceType", "OBJECT")),
        (Target::Object(..), false) | (Target::Service, _) => Ok(None),
    }
}

/// Whether a request's body is said to be a form.
pub(super) fn is_form(parts: &Parts) -> bool {
    content_type(parts).is_some_and(|media| media.value == "multipart/form-data")
}

fn content_type(parts: &Parts) -> Option<Parameters> {
    let value = parts.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media = value.split(';').next().unwrap_or_default();
    let whole = Parameters::parse(value);
    // A form is one whatever is wrong with its boundary.
    whole.or_else(|| Parameters::parse(media))
}

impl<G: Backend> Door<G> {
    /// Answers a form that was sent to `bucket`.
    pub(super) async fn post(
        &self,
        parts: &Parts,
        bucket: BucketName,
        body: Body,
        entry: &mut Entry,
    ) -> Result<Answer, Failure> {
        if let Some(claimed) = parts.headers.get(header::AUTHORIZATION) {
            let by_version_2 = claimed.as_bytes().starts_with(b"AWS ");
            return Err(match by_version_2 {
                true => claim::wrong_mechanism().into(),
                false => claim::too_many_mechanisms().into(),
            });
        }
        let boundary = content_type(parts).and_then(|media| Delimiter::new(media.get("boundary")?));
        let delimiter = boundary.ok_or_else(malformed)?;
        let length = content_length(&parts.headers)?
            .ok_or_else(|| Refusal::new(Code::MissingContentLength))?;
        let mut body = Patient::new(body.map_err(|_| incomplete()).boxed_unsync()).boxed_unsync();
        let (head, begun) = read_head(&mut body, delimiter.clone(), PATIENCE).await?;
        let rest = length.saturating_sub(head.length);
        let fields = Fields::new(head.fields, head.file_name.as_deref());
        // S3 misses the key before it judges the rest.
        let key = fields.key()?;
        let (context, policy) = self.caller(&bucket, &fields, entry)?;
        let mut headers = fields.headers()?;
        let target = Target::Object(bucket.clone(), key.clone());
        let operation = operation(&Method::PUT, target, &mut Query::default(), &mut headers)?;
        entry.target(&operation.target);
        entry.operation(&operation);
        authorize(&context.auth, &context.principal, &operation, entry)?;
        headers::refuse_boundless(&headers)?;
        let headers = headers::meaningful(&headers);
        let (length, file) = file::open(body, begun, rest, LOOK_AHEAD, delimiter)
            .await
            .map_err(clients)?;
        if let Some(policy) = policy {
            policy.check_length(length)?;
        }
        let request = gateway::Request {
            operation,
            method: Method::PUT,
            query: Vec::new(),
            headers,
            upload: Upload {
                body: file,
                length: Some(length),
                sha256: None,
                trailers: None,
            },
        };
        let stored = self.gateway.forward(&context, request).await?;
        let base = Base::of(&parts.uri, &parts.headers, &bucket, self.secure);
        Ok(Answer {
            response: answer::answer(stored.response, &base, (&bucket, &key), &fields),
            source: stored.source,
        })
    }

    /// Who sends the form, and the policy that the form keeps to, where somebody signed one.
    fn caller(
        &self,
        bucket: &BucketName,
        fields: &Fields,
        entry: &mut Entry,
    ) -> Result<(Context, Option<Policy>), Refusal> {
        let (auth, now) = (self.auth.load_full(), self.clock.wall());
        let signer = signature::verify(fields, &auth, now, self.skew)?;
        let (principal, policy) = match signer {
            Some((identity, document)) => (identity.principal, Some(document)),
            None => (Arc::clone(self.anonymous.own()), None),
        };
        entry.caller(&principal);
        let policy = policy.map(Policy::parse).transpose()?;
        if let Some(policy) = &policy {
            policy.check(bucket, fields, now)?;
        }
        let context = Context {
            principal,
            auth,
            request_id: Arc::clone(&entry.request_id),
        };
        Ok((context, policy))
    }
}

/// Reads a form of `length` bytes: its fields, the file's name and length, and the file.
#[cfg(feature = "fuzzing")]
pub(super) async fn read(
    boundary: &str,
    mut body: Body,
    length: u64,
    look_ahead: u64,
) -> Result<(Vec<(String, String)>, Option<String>, u64, Body), Failure> {
    let delimiter = Delimiter::new(boundary).ok_or_else(malformed)?;
    let (head, begun) = read_head(&mut body, delimiter.clone(), PATIENCE).await?;
    let file = file::open(body, begun, length - head.length, look_ahead, delimiter).await;
    let (length, file) = file.map_err(clients)?;
    Ok((head.fields, head.file_name, length, file))
}

/// Reads a form up to its file, of which the first bytes may have come with it.
async fn read_head(
    body: &mut Body,
    delimiter: Delimiter,
    patience: Duration,
) -> Result<(Head, Bytes), Failure> {
    let mut reader = Reader::new(delimiter);
    let reading = async {
        let mut before = 0;
        loop {
            let bytes = next_data(body).await.map_err(clients)?;
            let mut bytes = bytes.ok_or_else(malformed)?;
            if let Some(head) = reader.read(&bytes).map_err(refusal)? {
                let in_these = usize::try_from(head.length - before).expect("a piece's length");
                let begun = bytes.split_off(in_these);
                return Ok((head, begun));
            }
            before += bytes.len() as u64;
        }
    };
    match tokio::time::timeout(patience, reading).await {
        Ok(read) => read,
        Err(_) => Err(gateway::Error::RequestTimeout.into()),
    }
}

fn refusal(mistake: Mistake) -> Refusal {
    match mistake {
        Mistake::Malformed => malformed(),
        Mistake::TooLong => Refusal::new(Code::MaxPostPreDataLengthExceeded)
            .with("MaxPostPreDataLengthBytes", head::MAX_BYTES.to_string()),
        Mistake::NoFile => Refusal::argument(
            "file",
            "0",
            "POST requires exactly one file upload per request.",
        ),
    }
}

fn malformed() -> Refusal {
    Refusal::new(Code::MalformedPostRequest)
}

/// The client's mistake that a body ended in.
fn clients(error: BoxError) -> Failure {
    match error.downcast::<gateway::Error>() {
        Ok(error) => (*error).into(),
        Err(_) => gateway::Error::IncompleteBody.into(),
    }
}
