//! The lean lane: verifies the signatures of plain reads without s3s.
//!
//! It judges only a request that is its own canonical form: a GET or HEAD, signed in `Authorization`, whose path, query and
//! signed headers are hashed as they came, with the signing key at hand from the request before. Whatever looks different,
//! and whatever does not hold, is left to [`super::auth`]: no refusal is worded here, and nothing is let through here that
//! would be refused there (`tests` and the fuzz target `lane` hold it to that).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{self, SHA256};
use hashbrown::HashMap;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use percent_encoding::percent_decode_str;

use super::claim::{ALGORITHM, CONTENT_SHA256, Signed};
use super::signing::{self, Key};
use crate::auth::{Auth, Identity};
use crate::clock::Clock;
use crate::types::Secret;
use crate::types::names::MAX_KEY_BYTES;

/// Signing keys that are remembered of each access key. There is one a day and region; clients whose clocks differ sign for two
/// days about midnight.
const MOST_KEYS: usize = 8;

/// The longest region whose keys are remembered, and the longest path, in bytes; s3s has its own limits.
const MOST_REGION: usize = 64;
const MOST_PATH: usize = MAX_KEY_BYTES;

/// What a read may say of its payload: that it is not signed, or that it is empty.
const PAYLOADS: [&str; 2] = ["UNSIGNED-PAYLOAD", signing::EMPTY_SHA256];

/// Headers that s3s reads besides those that are signed; a plain read has none of them.
const OTHER_FORMS: [&str; 3] = [
    "transfer-encoding",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
];

/// Verifies plain reads.
pub(super) struct Lane {
    keys: ArcSwap<Keys>,
    skew: Duration,
    clock: Clock,
}

/// By access key. Whoever inserts does so to a copy: that happens once a day for each of them.
type Keys = HashMap<String, Vec<Arc<Known>>>;

struct Known {
    date: String,
    region: String,
    /// Of which the key was made: a reload may have changed it.
    secret: Secret,
    key: Key,
}

impl Lane {
    /// A lane that bears clocks that differ by `skew`.
    pub(super) fn new(skew: Duration, clock: Clock) -> Self {
        Self {
            keys: ArcSwap::default(),
            skew,
            clock,
        }
    }

    /// The identity that signed the request; none where this lane cannot tell.
    pub(super) fn verify<'a>(
        &self,
        parts: &Parts,
        signed: &Signed,
        auth: &'a Auth,
    ) -> Option<&'a Identity> {
        let fields = Fields::of(&parts.headers);
        if !is_plain(parts, &fields, signed) || !self.is_timely(signed) {
            return None;
        }
        let identity = auth.identity(&signed.access_key_id)?;
        let text = string_to_sign(parts, &fields, signed)?;
        let signs = |key: &Key| signing::signs(key, &text, &signed.signature);
        match self.with_key(signed, &identity.secret, signs) {
            Some(holds) => holds.then_some(identity),
            None => {
                let key = signing::key(&identity.secret, &signed.date, &signed.region);
                signs(&key).then(|| {
                    self.remember(signed, &identity.secret, key);
                    identity
                })
            }
        }
    }

    fn is_timely(&self, signed: &Signed) -> bool {
        let Some(time) = signed.moment else {
            return false;
        };
        let now = self.clock.wall();
        let apart = now
            .duration_since(time)
            .or_else(|_| time.duration_since(now));
        apart.is_ok_and(|apart| apart <= self.skew)
    }

    /// What `judge` says of the key that is remembered; none where there is none. It is lent: references are counted on a
    /// line of memory that all cores would share.
    fn with_key<T>(
        &self,
        signed: &Signed,
        secret: &Secret,
        judge: impl FnOnce(&Key) -> T,
    ) -> Option<T> {
        let keys = self.keys.load();
        let mut known = keys.get(&signed.access_key_id)?.iter();
        let known = known.find(|it| it.date == signed.date && it.region == signed.region)?;
        (known.secret == *secret).then(|| judge(&known.key))
    }

    /// Keeps the key of a signature that held, in the place of the oldest where its access key has many.
    fn remember(&self, signed: &Signed, secret: &Secret, key: Key) {
        let known = Arc::new(Known {
            date: signed.date.clone(),
            region: signed.region.clone(),
            secret: secret.clone(),
            key,
        });
        self.keys.rcu(|keys| {
            let mut keys = Keys::clone(keys);
            let own = keys.entry(signed.access_key_id.clone()).or_default();
            own.retain(|other| other.date != known.date || other.region != known.region);
            if own.len() == MOST_KEYS {
                own.remove(0);
            }
            own.push(Arc::clone(&known));
            keys
        });
    }
}

/// The headers of a request. They are looked at by name several times, and are few: to look at each takes less than to hash
/// the name.
pub(super) struct Fields<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> Fields<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let fields = headers.iter();
        let fields = fields.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let mut all = Vec::with_capacity(headers.len());
        all.extend(fields);
        Self(all)
    }

    /// The values of a name.
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.0.iter().filter(move |(other, _)| *other == name);
        named.map(|(_, value)| *value)
    }

    /// The header's value, where it is there once.
    fn only(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.all(name);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }
}

/// What is signed; none where a signed header is not its own canonical form, or the signed headers are not in order.
pub(super) fn string_to_sign(
    parts: &Parts,
    fields: &Fields<'_>,
    signed: &Signed,
) -> Option<String> {
    let hash = canonical_hash(parts, fields, signed)?;
    let (time, date, region) = (&signed.time, &signed.date, &signed.region);
    let digits = signing::digits(hash);
    let hash = std::str::from_utf8(&digits).expect("digits are text");
    let parts = [
        ALGORITHM,
        "\n",
        time,
        "\n",
        date,
        "/",
        region,
        "/s3/aws4_request\n",
        hash,
    ];
    Some(parts.concat())
}

/// Whether the request is its own canonical form, but for its headers.
fn is_plain(parts: &Parts, fields: &Fields<'_>, signed: &Signed) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    matches!(parts.method, Method::GET | Method::HEAD)
        && signed.presigned.is_none()
        && parts.uri.authority().is_none()
        && is_canonical_path(parts.uri.path())
        && is_canonical_query(query)
        && !OTHER_FORMS
            .iter()
            .any(|name| fields.all(name).next().is_some())
        && fields
            .all(header::CONTENT_LENGTH.as_str())
            .all(|length| length == b"0")
        && is_strict(fields, signed)
}

/// Whether `Authorization` and `x-amz-date` are written in the one way that every reader understands alike. A signature that
/// holds is written so: it is compared with digits in lower case.
fn is_strict(fields: &Fields<'_>, signed: &Signed) -> bool {
    let Signed {
        access_key_id,
        date,
        region,
        signature,
        ..
    } = signed;
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let is_region = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let written = fields.only(header::AUTHORIZATION.as_str());
    let pieces = [
        ALGORITHM,
        " Credential=",
        access_key_id,
        "/",
        date,
        "/",
        region,
        "/s3/aws4_request,",
        " SignedHeaders=",
        signed.header_names(),
        ",",
        " Signature=",
        signature,
    ];
    written.is_some_and(|written| is_made_of(written, &pieces))
        && !access_key_id.is_empty()
        && access_key_id.bytes().all(is_id)
        && (1..=MOST_REGION).contains(&region.len())
        && region.bytes().all(is_region)
        && date.len() == 8
        && signed.time.starts_with(date.as_str())
        && fields.only("x-amz-date") == Some(signed.time.as_bytes())
        && fields
            .only(CONTENT_SHA256.as_str())
            .is_some_and(|it| PAYLOADS.iter().any(|one| one.as_bytes() == it))
}

/// Whether `text` is the `pieces` one after the other; after a comma a blank may be missing.
fn is_made_of(text: &[u8], pieces: &[&str]) -> bool {
    let mut rest = text;
    let mut after_comma = false;
    for piece in pieces {
        let piece = piece.as_bytes();
        let piece = match piece {
            [b' ', piece @ ..] if after_comma && !rest.starts_with(b" ") => piece,
            piece => piece,
        };
        let Some(after) = rest.strip_prefix(piece) else {
            return false;
        };
        after_comma = piece.ends_with(b",");
        rest = after;
    }
    rest.is_empty()
}

/// The SHA-256 of the canonical request; none as for [`string_to_sign`].
fn canonical_hash(parts: &Parts, fields: &Fields<'_>, signed: &Signed) -> Option<[u8; 32]> {
    let mut request = Vec::with_capacity(1024);
    let mut put = |pieces: &[&[u8]]| {
        pieces
            .iter()
            .for_each(|piece| request.extend_from_slice(piece))
    };
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let (method, path) = (
        parts.method.as_str().as_bytes(),
        parts.uri.path().as_bytes(),
    );
    put(&[method, b"\n", path, b"\n", query, b"\n"]);
    let mut before = "";
    for name in signed.names() {
        let value = fields.only(name)?;
        if name <= before || name == header::AUTHORIZATION.as_str() || !is_canonical_value(value) {
            return None;
        }
        put(&[name.as_bytes(), b":", value, b"\n"]);
        before = name;
    }
    let payload = fields.only(CONTENT_SHA256.as_str())?;
    put(&[b"\n", signed.header_names().as_bytes(), b"\n", payload]);
    let hash = digest::digest(&SHA256, &request);
    Some(hash.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
}

/// Visible characters, and single blanks between them.
fn is_canonical_value(value: &[u8]) -> bool {
    // Without a way out in the middle, compilers look at many bytes at a time.
    let (visible, blank) = value.iter().fold((true, false), |(visible, blank), byte| {
        (
            visible & (b' '..=b'~').contains(byte),
            blank | (*byte == b' '),
        )
    });
    let single = || {
        !value.starts_with(b" ")
            && !value.ends_with(b" ")
            && !value.windows(2).any(|pair| pair == b"  ")
    };
    visible && (!blank || single())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether everything that has to be encoded is, in upper case, and nothing else (RFC 3986, section 2.3), and is text.
fn is_canonical_path(path: &str) -> bool {
    let is_text = |path: &str| percent_decode_str(path).decode_utf8().is_ok();
    let is_clear = |all, byte| all & (is_unreserved(byte) | (byte == b'/'));
    if path.len() <= MOST_PATH && path.starts_with('/') && path.bytes().fold(true, is_clear) {
        return true;
    }
    if path.len() > MOST_PATH || !is_text(path) {
        return false;
    }
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let canonical = match byte {
            b'%' => {
                let digit = |byte: Option<u8>| match byte {
                    Some(byte @ b'0'..=b'9') => Some(byte - b'0'),
                    Some(byte @ b'A'..=b'F') => Some(byte - b'A' + 10),
                    Some(_) | None => None,
                };
                let decoded = digit(bytes.next()).zip(digit(bytes.next()));
                decoded.is_some_and(|(high, low)| {
                    let decoded = high << 4 | low;
                    !is_unreserved(decoded) && decoded != b'/'
                })
            }
            byte => is_unreserved(byte) || byte == b'/',
        };
        if !canonical {
            return false;
        }
    }
    path.starts_with('/')
}

/// Whether the query is empty or made of `name=value` in order of their names, of characters that need no encoding.
fn is_canonical_query(query: &str) -> bool {
    let mut before = "";
    query.is_empty()
        || query.split('&').all(|pair| {
            let Some((name, value)) = pair.split_once('=') else {
                return false;
            };
            let in_order = name > before;
            before = name;
            in_order && name.bytes().chain(value.bytes()).all(is_unreserved)
        })
}
