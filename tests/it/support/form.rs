//! Forms as browsers send them, with a policy that the tests' client signs.

use std::time::{Duration, SystemTime};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;

use super::node::{ACCESS_KEY, SECRET};

/// What closes a form.
pub(crate) const END: &str = "\r\n--FORM--\r\n";

/// A form before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    time: SystemTime,
    expiration: SystemTime,
    secret: &'static str,
    fields: Vec<(&'static str, String)>,
    conditions: Vec<String>,
}

impl Form {
    /// A form for an object of bucket `train`, signed at `time` for an hour.
    pub(crate) fn new(time: SystemTime, key: &str) -> Self {
        let form = Self {
            time,
            expiration: time + Duration::from_secs(3600),
            secret: SECRET,
            fields: Vec::new(),
            conditions: vec!["{\"bucket\": \"train\"}".to_owned()],
        };
        form.field("key", key)
    }

    /// A field that the policy lets have any value.
    pub(crate) fn field(self, name: &'static str, value: &str) -> Self {
        let any = format!("[\"starts-with\", \"${name}\", \"\"]");
        self.condition(&any).uncovered(name, value)
    }

    /// A field that the policy does not know.
    pub(crate) fn uncovered(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    /// A condition of the policy.
    pub(crate) fn condition(mut self, condition: &str) -> Self {
        self.conditions.push(condition.to_owned());
        self
    }

    /// The policy has expired.
    pub(crate) fn expired(mut self) -> Self {
        self.expiration = self.time - Duration::from_secs(1);
        self
    }

    /// Signed with another secret.
    pub(crate) fn forged(mut self) -> Self {
        self.secret = "another secret";
        self
    }

    /// The body up to the file's first byte, signed.
    pub(crate) fn signed(self) -> String {
        let text = |time: SystemTime, form: &str| {
            let time = Timestamp::try_from(time).expect("a time");
            time.strftime(form).to_string()
        };
        let date = text(self.time, "%Y%m%d");
        let (time, expiration, secret) = (self.time, self.expiration, self.secret);
        let form = self
            .field("x-amz-algorithm", "AWS4-HMAC-SHA256")
            .field(
                "x-amz-credential",
                &format!("{ACCESS_KEY}/{date}/us-east-1/s3/aws4_request"),
            )
            .field("x-amz-date", &text(time, "%Y%m%dT%H%M%SZ"));
        let policy = BASE64.encode(format!(
            "{{\"expiration\": \"{}\", \"conditions\": [{}]}}",
            text(expiration, "%Y-%m-%dT%H:%M:%SZ"),
            form.conditions.join(", ")
        ));
        let key = generate_signing_key(secret, time, "us-east-1", "s3");
        let signature = calculate_signature(key, policy.as_bytes());
        form.uncovered("policy", &policy)
            .uncovered("x-amz-signature", &signature)
            .unsigned()
    }

    /// The body up to the file's first byte, as the fields are.
    pub(crate) fn unsigned(self) -> String {
        let part = |name: &str, more: &str, value: &str| {
            format!(
                "--FORM\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}"
            )
        };
        let fields = self.fields.iter();
        let fields: String = fields
            .map(|(name, value)| part(name, "", value) + "\r\n")
            .collect();
        fields + &part("file", "; filename=\"dir/a.bin\"", "")
    }
}

/// The head of a request that sends a form of this many bytes to bucket `train`.
pub(crate) fn head(host: impl std::fmt::Display, length: usize) -> String {
    format!(
        "POST /train HTTP/1.1\r\nhost: {host}\r\ncontent-type: multipart/form-data; boundary=FORM\r\n\
         content-length: {length}\r\n\r\n"
    )
}
