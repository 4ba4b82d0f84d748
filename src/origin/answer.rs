//! What an answer says: its headers taken apart, and checked against what was asked. Pure.

use std::ops::Range;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, StatusCode, header};

use super::{Error, ObjectHead};
use crate::types::{ETag, RangeSpec};

/// Headers of the transport, of the range and of the moment, which are not the object's.
const NOT_THE_OBJECTS: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::DATE,
    HeaderName::from_static("keep-alive"),
    header::SERVER,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("x-amz-id-2"),
    HeaderName::from_static("x-amz-request-id"),
    HeaderName::from_static("x-ratelimit-remaining"),
];

/// The object that an answer describes.
pub(crate) fn describe(mut headers: HeaderMap, size: u64) -> ObjectHead {
    for name in &NOT_THE_OBJECTS {
        headers.remove(name);
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let etag = ETag::new(text("etag").unwrap_or(""));
    // Stores without versions, and objects older than versioning, say "null".
    let version_id = text("x-amz-version-id").filter(|id| !id.is_empty() && *id != "null");
    ObjectHead {
        size,
        etag,
        version_id: version_id.map(Arc::from),
        headers,
    }
}

/// The answer's Content-Length.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    number(headers.get(header::CONTENT_LENGTH)?.to_str().ok()?)
}

/// Which bytes of the body follow, and the size of the whole.
///
/// # Errors
/// [`Error::Nonsense`] where the answer contradicts itself or what was asked.
pub(crate) fn placed(
    status: StatusCode,
    headers: &HeaderMap,
    asked: Option<RangeSpec>,
) -> Result<(Range<u64>, u64), Error> {
    let (range, size) = match (status, asked) {
        // A store may ignore a range: the answer is the whole body.
        (StatusCode::OK, _) => {
            let size = content_length(headers).ok_or(Error::Nonsense("no Content-Length"))?;
            return Ok((0..size, size));
        }
        (StatusCode::PARTIAL_CONTENT, Some(asked)) => {
            let (range, size) =
                content_range(headers).ok_or(Error::Nonsense("a bad Content-Range"))?;
            let asked = asked
                .resolve(size)
                .map_err(|_| Error::Nonsense("bytes of a range outside of the body"))?;
            if range.start != asked.start || range.end > asked.end {
                return Err(Error::Nonsense("other bytes than those asked for"));
            }
            (range, size)
        }
        (StatusCode::PARTIAL_CONTENT, None) => {
            return Err(Error::Nonsense("a part where the whole was asked for"));
        }
        _ => return Err(Error::Nonsense("a status that no read has")),
    };
    match content_length(headers) {
        Some(length) if length != range.end - range.start => Err(Error::Nonsense(
            "a Content-Length other than the Content-Range's",
        )),
        _ => Ok((range, size)),
    }
}

/// Where the part lies that an answer to `partNumber` is about, and the size of the whole; none where it does not say so.
pub(crate) fn part_placed(status: StatusCode, headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let (range, size) = content_range(headers).filter(|_| status == StatusCode::PARTIAL_CONTENT)?;
    let length = content_length(headers)?;
    (length == range.end - range.start).then_some((range, size))
}

/// Takes `bytes FIRST-LAST/SIZE` apart.
fn content_range(headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let value = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, size) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size) = (number(first)?, number(last)?, number(size)?);
    (first <= last && last < size).then(|| (first..last + 1, size))
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let parse = |(name, value): &(&'static str, &str)| {
            (
                HeaderName::from_static(name),
                value.parse().expect("a value"),
            )
        };
        pairs.iter().map(parse).collect()
    }

    fn part(range: &str, length: &str, asked: RangeSpec) -> Result<(Range<u64>, u64), Error> {
        let headers = headers(&[("content-range", range), ("content-length", length)]);
        placed(StatusCode::PARTIAL_CONTENT, &headers, Some(asked))
    }

    #[test]
    fn a_part_is_what_was_asked_for() {
        let closed = |first, last| RangeSpec::Closed { first, last };
        let good = |range, length, asked| part(range, length, asked).expect(range);
        assert_eq!(good("bytes 2-5/10", "4", closed(2, 5)), (2..6, 10));
        assert_eq!(good("bytes 2-9/10", "8", closed(2, 99)), (2..10, 10));
        assert_eq!(good("bytes 2-3/10", "2", closed(2, 5)), (2..4, 10));
        assert_eq!(
            good("bytes 2-9/10", "8", RangeSpec::Open { first: 2 }),
            (2..10, 10)
        );
        assert_eq!(
            good("bytes 7-9/10", "3", RangeSpec::Suffix { length: 3 }),
            (7..10, 10)
        );
    }

    #[test]
    fn lies_about_a_range_are_nonsense() {
        let asked = RangeSpec::Closed { first: 2, last: 5 };
        for (range, length) in [
            ("bytes 1-5/10", "5"),
            ("bytes 3-5/10", "3"),
            ("bytes 2-6/10", "5"),
            ("bytes 2-5/10", "3"),
            ("bytes 2-5/10", "5"),
            ("bytes 2-5/5", "4"),
            ("bytes 2-5/*", "4"),
            ("bytes */10", "0"),
            ("bytes 5-2/10", "4"),
            ("bytes +2-5/10", "4"),
            ("bytes 2-18446744073709551615/18446744073709551615", "4"),
            ("bytes 2-5", "4"),
            ("2-5/10", "4"),
            ("", "4"),
        ] {
            let error = part(range, length, asked).expect_err(range);
            assert!(matches!(error, Error::Nonsense(_)), "{range}");
        }
        let whole = placed(StatusCode::PARTIAL_CONTENT, &headers(&[]), None);
        assert!(whole.is_err());
    }

    #[test]
    fn a_part_by_its_number_lies_where_the_answer_says() {
        let pairs = [("content-range", "bytes 5-8/10"), ("content-length", "4")];
        let partial = StatusCode::PARTIAL_CONTENT;
        assert_eq!(part_placed(partial, &headers(&pairs)), Some((5..9, 10)));
        assert_eq!(part_placed(StatusCode::OK, &headers(&pairs)), None);
        assert_eq!(part_placed(partial, &headers(&pairs[1..])), None);
        assert_eq!(
            part_placed(partial, &headers(&[pairs[0], ("content-length", "10")])),
            None
        );
    }

    #[test]
    fn a_whole_answer_to_a_range_is_the_whole_body() {
        let headers = headers(&[("content-length", "10")]);
        let asked = Some(RangeSpec::Open { first: 5 });
        let (range, size) = placed(StatusCode::OK, &headers, asked).expect("a whole body");
        assert_eq!((range, size), (0..10, 10));
        assert!(placed(StatusCode::OK, &HeaderMap::new(), None).is_err());
        assert!(placed(StatusCode::NO_CONTENT, &headers, None).is_err());
    }

    #[test]
    fn a_description_leaves_the_transport_out() {
        let head = describe(
            headers(&[
                ("etag", "\"e\""),
                ("x-amz-version-id", "null"),
                ("server", "s"),
                ("x-amz-meta-a", "b"),
                ("content-length", "3"),
            ]),
            3,
        );
        assert_eq!(
            (head.size, head.etag.as_str(), head.version_id),
            (3, "\"e\"", None)
        );
        let names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["etag", "x-amz-version-id", "x-amz-meta-a"]);
        assert_eq!(describe(HeaderMap::new(), 0).etag.as_str(), "");
    }
}
