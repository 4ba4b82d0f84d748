//! A form's fields: found by name, and made the headers of the PUT that the form stands for. Pure.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::tagging;
use crate::s3::error::Refusal;
use crate::s3::target::too_long;
use crate::types::ObjectKey;
use crate::types::names::InvalidObjectKey;

/// What a client writes for the name of its file.
const FILE_NAME: &str = "${filename}";

/// Fields that become headers of their own name, besides `x-amz-*`.
const HEADERS: [HeaderName; 7] = [
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    HeaderName::from_static("content-md5"),
    header::CONTENT_TYPE,
    header::EXPIRES,
];
/// Fields that sign the form, and headers that would make the PUT another request.
const NO_HEADERS: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-trailer",
];
const COPY_SOURCE: &str = "x-amz-copy-source";
const METADATA: &str = "x-amz-meta-";

/// What is written as it is in a URL.
pub(super) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The fields before a form's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The fields of a form, with the file's name put in where they ask for it. Several of one name are one, whose value
    /// is theirs with commas in between, as S3 has it.
    pub(super) fn new(parts: Vec<(String, String)>, file_name: Option<&str>) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in parts {
            let value = match file_name {
                Some(file_name) => value.replace(FILE_NAME, last_segment(file_name)),
                None => value,
            };
            let same = |(other, _): &&mut (String, String)| other.eq_ignore_ascii_case(&name);
            match fields.iter_mut().find(same) {
                Some((_, before)) => *before = format!("{before},{value}"),
                None => fields.push((name, value)),
            }
        }
        Self(fields)
    }

    /// The value of the field of that name, in whatever case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let same = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        self.0.iter().find(same).map(|(_, value)| value.as_str())
    }

    /// The value of a field that must be there.
    ///
    /// # Errors
    /// InvalidArgument, naming it.
    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| {
            let message = format!(
                "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the \
                 fields."
            );
            Refusal::argument(name, "", message)
        })
    }

    /// The names, as the client wrote them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The object's key.
    ///
    /// # Errors
    /// InvalidArgument where there is none; KeyTooLongError.
    pub(super) fn key(&self) -> Result<ObjectKey, Refusal> {
        self.need("key")?.parse().map_err(|error| match error {
            InvalidObjectKey::Empty => {
                Refusal::argument("key", "", "User key must have a length greater than 0.")
            }
            InvalidObjectKey::TooLong(length) => too_long(length),
        })
    }

    /// The headers of a PUT that stores the same object.
    ///
    /// # Errors
    /// InvalidArgument for what can be no header; MalformedXML for tags that are none.
    pub(super) fn headers(&self) -> Result<HeaderMap, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.0 {
            let name = name.to_ascii_lowercase();
            let (name, value) = match name.as_str() {
                "acl" => ("x-amz-acl".to_owned(), value.clone()),
                "tagging" => ("x-amz-tagging".to_owned(), tagging::header(value)?),
                _ if is_header(&name) => {
                    let value = if name.starts_with(METADATA) {
                        mail_safe(value)
                    } else {
                        value.clone()
                    };
                    (name, value)
                }
                _ => continue,
            };
            // S3 takes an empty field for one that is not there, but for metadata, which may be empty.
            if value.is_empty() && !name.starts_with(METADATA) {
                continue;
            }
            let refused =
                || Refusal::argument(name.clone(), value.clone(), "The form field is not valid.");
            let header: HeaderName = name.parse().map_err(|_| refused())?;
            let parsed = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| refused())?;
            if headers.insert(header, parsed).is_some() {
                return Err(refused());
            }
        }
        Ok(headers)
    }
}

fn is_header(name: &str) -> bool {
    let is_own = name.starts_with("x-amz-") && !name.starts_with(COPY_SOURCE);
    (is_own && !NO_HEADERS.contains(&name)) || HEADERS.iter().any(|header| header == name)
}

/// A file's name without the folders that some browsers write before it.
fn last_segment(file_name: &str) -> &str {
    let mut segments = file_name.rsplit(['/', '\\']);
    segments.next().unwrap_or_default()
}

/// Metadata as S3 stores it: text that is not ASCII is written as RFC 2047 has it, because a header cannot carry it.
fn mail_safe(value: &str) -> String {
    let is_plain = |character: char| character == '\t' || (' '..='~').contains(&character);
    let odd = value
        .chars()
        .filter(|character| !is_plain(*character))
        .count();
    if odd == 0 {
        return value.to_owned();
    }
    // The shorter of the two codings: letters as they are, or all in base64.
    if odd * 2 >= value.chars().count() {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(value);
        return format!("=?UTF-8?B?{encoded}?=");
    }
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b' ');
    let encoded = utf8_percent_encode(value, KEPT).to_string();
    format!(
        "=?UTF-8?Q?{}?=",
        encoded.replace('%', "=").replace(' ', "_")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::error::Code;

    fn fields(pairs: &[(&str, &str)], file_name: Option<&str>) -> Fields {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Fields::new(pairs.iter().map(owned).collect(), file_name)
    }

    #[test]
    fn the_files_name_is_put_in_without_its_folders() {
        let key = |file_name| {
            let fields = fields(&[("Key", "in/${filename}")], file_name);
            fields.get("key").map(str::to_owned)
        };
        assert_eq!(key(Some("a.txt")).as_deref(), Some("in/a.txt"));
        assert_eq!(key(Some("C:\\dir\\a.txt")).as_deref(), Some("in/a.txt"));
        assert_eq!(key(Some("dir/a b.txt")).as_deref(), Some("in/a b.txt"));
        assert_eq!(key(Some("")).as_deref(), Some("in/"));
        assert_eq!(key(None).as_deref(), Some("in/${filename}"));
    }

    #[test]
    fn fields_of_one_name_are_one() {
        let fields = fields(
            &[("x-amz-meta-tag", "Ninja"), ("X-Amz-Meta-Tag", "Stallman")],
            None,
        );
        assert_eq!(fields.get("x-amz-meta-TAG"), Some("Ninja,Stallman"));
        assert_eq!(fields.names().count(), 1);
    }

    #[test]
    fn a_key_is_needed() {
        let refusal = |pairs| fields(pairs, None).key().expect_err("no key");
        let missing = refusal(&[]);
        assert_eq!(missing.code, Code::InvalidArgument);
        assert!(
            missing
                .message
                .starts_with("Bucket POST must contain a field named 'key'.  If")
        );
        let empty = refusal(&[("key", "")]);
        assert_eq!(empty.message, "User key must have a length greater than 0.");
        let long = "k".repeat(1025);
        assert_eq!(refusal(&[("key", &long)]).code, Code::KeyTooLong);
    }

    #[test]
    fn fields_become_the_headers_of_a_put() {
        let fields = fields(
            &[
                ("key", "k"),
                ("acl", "private"),
                ("Content-Type", "text/plain"),
                ("Content-Disposition", "attachment; filename=ü"),
                ("Expires", ""),
                ("x-amz-meta-Empty", ""),
                ("x-amz-meta-name", "ÄMÄZÕÑ S3"),
                ("x-amz-meta-bytes", "\0\u{1}"),
                (
                    "tagging",
                    "<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag></TagSet></Tagging>",
                ),
                ("x-amz-checksum-crc32", "NhCmhg=="),
                ("x-amz-date", "d"),
                ("x-amz-signature", "s"),
                ("x-amz-copy-source", "/secret/k"),
                ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
                ("range", "bytes=0-1"),
                ("if-match", "e"),
                ("x-ignore-me", "1"),
                ("success_action_status", "201"),
            ],
            None,
        );
        let headers = fields.headers().expect("headers");
        let mut pairs: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str(),
                    std::str::from_utf8(value.as_bytes()).expect("text"),
                )
            })
            .collect();
        pairs.sort_unstable();
        assert_eq!(
            pairs,
            [
                ("content-disposition", "attachment; filename=ü"),
                ("content-type", "text/plain"),
                ("x-amz-acl", "private"),
                ("x-amz-checksum-crc32", "NhCmhg=="),
                ("x-amz-meta-bytes", "=?UTF-8?B?AAE=?="),
                ("x-amz-meta-empty", ""),
                (
                    "x-amz-meta-name",
                    "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?="
                ),
                ("x-amz-tagging", "a%20b=1%262"),
            ]
        );
    }

    #[test]
    fn what_can_be_no_header_is_refused() {
        for pairs in [
            &[("Content-Type", "a\r\nx-amz-acl: public-read")][..],
            &[("x-amz-a b", "1")],
            &[("acl", "private"), ("x-amz-acl", "public-read")],
            &[("Cache-Control", "\u{7f}")],
        ] {
            let refusal = fields(pairs, None).headers().expect_err("no header");
            assert_eq!(refusal.code, Code::InvalidArgument, "{pairs:?}");
        }
    }
}
