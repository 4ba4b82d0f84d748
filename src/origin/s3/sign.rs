//! Signs a forwarded request with the gateway's own credentials (SigV4).

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign as sigv4,
};
use aws_sigv4::sign::v4;
use http::{HeaderName, Request, header};

use crate::types::BoxError;

/// What the signature says about the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signed {
    /// Its SHA-256 in hex.
    Hash(String),
    /// Nothing.
    Unsigned,
    /// Nothing; it is framed, and a checksum follows it.
    UnsignedTrailer,
}

impl Signed {
    /// The value of `x-amz-content-sha256`.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Hash(hash) => hash,
            Self::Unsigned => "UNSIGNED-PAYLOAD",
            Self::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }
}

/// Headers that proxies on the way may change.
const UNSIGNED_HEADERS: [HeaderName; 2] = [header::ACCEPT_ENCODING, header::CONNECTION];

/// Adds the signature's headers to `request`, whose URL is whole and encoded.
///
/// # Errors
/// Where a header's value is not UTF-8, which SigV4 cannot express.
pub(super) fn sign<B>(
    request: &mut Request<B>,
    credentials: &Credentials,
    region: &str,
    signed: &Signed,
    time: SystemTime,
) -> Result<(), BoxError> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(time)
        .settings(settings())
        .build()?
        .into();
    let headers = request
        .headers()
        .iter()
        .filter(|(name, _)| !UNSIGNED_HEADERS.contains(name))
        .map(|(name, value)| Ok((name.as_str(), std::str::from_utf8(value.as_bytes())?)))
        .collect::<Result<Vec<_>, std::str::Utf8Error>>()?;
    let body = match signed {
        Signed::Hash(hash) => SignableBody::Precomputed(hash.clone()),
        Signed::Unsigned => SignableBody::UnsignedPayload,
        Signed::UnsignedTrailer => SignableBody::StreamingUnsignedPayloadTrailer,
    };
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers.into_iter(),
        body,
    )?;
    let (instructions, _) = sigv4(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}
