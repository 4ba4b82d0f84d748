//! The answer to a form whose file is stored: empty, a document, or a redirect, as the form asks. Pure.

use http::header::{self, HeaderValue};
use http::uri::Scheme;
use http::{HeaderMap, Response, StatusCode, Uri};
use percent_encoding::utf8_percent_encode;

use super::fields::{ENCODED, Fields};
use crate::s3::response::escape_text;
use crate::types::{Body, BucketName, ObjectKey, body};

/// Headers of the origin's answer to a PUT that are not the form's.
const EXCHANGED: [header::HeaderName; 4] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::LOCATION,
    header::TRANSFER_ENCODING,
];

/// Where the form was sent to: the object's URL as the client would write it, up to its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base(String);

impl Base {
    /// The place that a request with this target and these headers names. `secure` tells that it came over TLS.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap, bucket: &BucketName, secure: bool) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        // A load balancer in front may speak TLS where the node does not.
        let forwarded = text("x-forwarded-proto").map(str::trim);
        let is_https = secure
            || forwarded.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
            || uri.scheme() == Some(&Scheme::HTTPS);
        let scheme = if is_https { "https" } else { "http" };
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let host = text("host").or(authority).unwrap_or_default();
        // In virtual-host style the host names the bucket, and the path is bare.
        if uri.path() == "/" {
            Self(format!("{scheme}://{host}/"))
        } else {
            Self(format!("{scheme}://{host}/{bucket}/"))
        }
    }

    /// The object's URL; S3 encodes the slashes of the key too.
    fn object(&self, key: &ObjectKey) -> String {
        format!("{}{}", self.0, utf8_percent_encode(key.as_str(), ENCODED))
    }
}

/// Makes the answer to the form of the origin's answer to the PUT.
pub(super) fn answer(
    stored: Response<Body>,
    base: &Base,
    (bucket, key): (&BucketName, &ObjectKey),
    fields: &Fields,
) -> Response<Body> {
    let (mut parts, _) = stored.into_parts();
    for name in &EXCHANGED {
        parts.headers.remove(name);
    }
    let etag = parts.headers.get(header::ETAG);
    let etag = etag.and_then(|etag| etag.to_str().ok()).unwrap_or_default();
    let location = base.object(key);
    let mut content = body::empty();
    let (status, place) = match redirect(fields, bucket, key, etag) {
        Some(place) => (StatusCode::SEE_OTHER, Some(place)),
        None => {
            let status = match fields.get("success_action_status") {
                Some("200") => StatusCode::OK,
                Some("201") => StatusCode::CREATED,
                Some(_) | None => StatusCode::NO_CONTENT,
            };
            if status == StatusCode::CREATED {
                content = body::full(document(&location, bucket, key, etag));
                let xml = HeaderValue::from_static("application/xml");
                parts.headers.insert(header::CONTENT_TYPE, xml);
            }
            (status, HeaderValue::from_str(&location).ok())
        }
    };
    if let Some(place) = place {
        parts.headers.insert(header::LOCATION, place);
    }
    parts.status = status;
    Response::from_parts(parts, content)
}

/// Where the form wants its sender to go; none where it says nothing, or nothing that is an URL.
fn redirect(
    fields: &Fields,
    bucket: &BucketName,
    key: &ObjectKey,
    etag: &str,
) -> Option<HeaderValue> {
    let wanted = ["success_action_redirect", "redirect"];
    let mut wanted = wanted.iter().filter_map(|name| fields.get(name));
    let url = wanted.find(|url| is_url(url))?;
    let (url, fragment) = match url.split_once('#') {
        Some((url, fragment)) => (url, format!("#{fragment}")),
        None => (url, String::new()),
    };
    let separator = if url.contains('?') { '&' } else { '?' };
    let encode = |text: &str| {
        let encoded = utf8_percent_encode(text, ENCODED).to_string();
        encoded.replace("%20", "+")
    };
    let (key, etag) = (encode(key.as_str()), encode(etag));
    let whole = format!("{url}{separator}bucket={bucket}&key={key}&etag={etag}{fragment}");
    HeaderValue::from_str(&whole).ok()
}

/// Whether a browser can be sent there. What would split a header is none.
fn is_url(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| lower.strip_prefix(scheme));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    host.is_some_and(|host| !host.is_empty() && !host.contains(' '))
        && HeaderValue::from_str(text).is_ok()
}

fn document(location: &str, bucket: &BucketName, key: &ObjectKey, etag: &str) -> String {
    let mut document = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse>");
    for (name, text) in [
        ("Location", location),
        ("Bucket", bucket.as_str()),
        ("Key", key.as_str()),
        ("ETag", etag),
    ] {
        // Quotes need no escape in a text, and there are clients that look for S3's own.
        let text = escape_text(text).replace("&quot;", "\"");
        document.push_str(&format!("<{name}>{text}</{name}>"));
    }
    document + "</PostResponse>"
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn base(path: &str, pairs: &[(&'static str, &str)], secure: bool) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().expect("a value"));
        }
        let bucket = "train".parse().expect("a bucket");
        let uri = path.parse().expect("a target");
        let base = Base::of(&uri, &headers, &bucket, secure);
        base.object(&"a/b c+ü".parse().expect("a key"))
    }

    #[test]
    fn an_object_is_where_the_client_sees_it() {
        let host = ("host", "s3.example.org:9000");
        let plain = base("/train", &[host], false);
        assert_eq!(plain, "http://s3.example.org:9000/train/a%2Fb%20c%2B%C3%BC");
        assert_eq!(
            base("/", &[("host", "train.s3.example.org")], true),
            "https://train.s3.example.org/a%2Fb%20c%2B%C3%BC"
        );
        let behind = base("/train/", &[host, ("x-forwarded-proto", "https")], false);
        assert_eq!(behind, plain.replace("http:", "https:"));
    }

    async fn asked(pairs: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let fields = Fields::new(pairs.iter().map(owned).collect(), None);
        let stored = Response::builder()
            .header("etag", "\"e\"")
            .header("x-amz-version-id", "v")
            .header("content-length", "0")
            .header("content-type", "text/plain")
            .body(body::empty())
            .expect("an answer");
        let (bucket, key) = ("train".parse(), "a b/<c>".parse());
        let (bucket, key) = (bucket.expect("a bucket"), key.expect("a key"));
        let base = Base("http://h/train/".to_owned());
        let (parts, body) = answer(stored, &base, (&bucket, &key), &fields).into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        (parts.status.as_u16(), parts.headers, text)
    }

    #[tokio::test]
    async fn a_form_gets_the_status_that_it_asks_for() {
        for (asked_for, status) in [("200", 200), ("204", 204), ("404", 204), ("", 204)] {
            let (got, headers, text) = asked(&[("success_action_status", asked_for)]).await;
            assert_eq!((got, text.as_str()), (status, ""), "{asked_for}");
            assert_eq!(headers["location"], "http://h/train/a%20b%2F%3Cc%3E");
            assert_eq!(
                (&headers["etag"], &headers["x-amz-version-id"]),
                (
                    &HeaderValue::from_static("\"e\""),
                    &HeaderValue::from_static("v")
                )
            );
            assert!(
                !headers.contains_key("content-type") && !headers.contains_key("content-length")
            );
        }
        let (status, headers, text) = asked(&[("success_action_status", "201")]).await;
        assert_eq!(
            (status, &headers["content-type"]),
            (201, &HeaderValue::from_static("application/xml"))
        );
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>http://h/train/a%20b%2F%3Cc%3E</Location>\
             <Bucket>train</Bucket><Key>a b/&lt;c&gt;</Key><ETag>\"e\"</ETag></PostResponse>"
        );
    }

    #[tokio::test]
    async fn a_form_may_send_its_sender_on() {
        let query = "bucket=train&key=a+b%2F%3Cc%3E&etag=%22e%22";
        for (url, place) in [
            (
                "https://example.com/done",
                format!("https://example.com/done?{query}"),
            ),
            (
                "http://example.com/?a=b c",
                format!("http://example.com/?a=b c&{query}"),
            ),
            (
                "HTTP://example.com#top",
                format!("HTTP://example.com?{query}#top"),
            ),
        ] {
            let fields = [
                ("success_action_redirect", url),
                ("success_action_status", "201"),
            ];
            let (status, headers, text) = asked(&fields).await;
            assert_eq!((status, text.as_str()), (303, ""), "{url}");
            assert_eq!(headers["location"], *place);
        }
        let (status, headers, _) = asked(&[("redirect", "http://old.example.com")]).await;
        assert_eq!(status, 303);
        assert_eq!(
            headers["location"],
            format!("http://old.example.com?{query}")
        );
        for no_url in [
            "/relative",
            "ftp://example.com/",
            "http://",
            "http://a\r\nset-cookie: b",
            "javascript:alert(1)",
        ] {
            let (status, headers, _) = asked(&[("success_action_redirect", no_url)]).await;
            assert_eq!(status, 204, "{no_url}");
            assert_eq!(headers["location"], "http://h/train/a%20b%2F%3Cc%3E");
        }
    }
}
