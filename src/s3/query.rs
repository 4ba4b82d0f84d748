//! The query and the path: decoded once, never normalised.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::error::{Code, Refusal};

/// A decoded query, in the client's order, without what signed the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(pub(super) Vec<(String, String)>);

/// The parameters that sign a request; what is left over is the operation's. `X-Amz-Content-Sha256` stays: it says what the
/// body must be, as its header does.
const SIGNING: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// Parameters that mean nothing: SDKs add `x-id` to tell operations apart in logs.
const MEANINGLESS: [&str; 1] = ["x-id"];

impl Query {
    /// Decodes a raw query.
    ///
    /// # Errors
    /// InvalidURI where it is not percent-encoded UTF-8; InvalidArgument where a name comes twice, because two readers of
    /// such a query may see two different requests.
    pub(super) fn parse(raw: &str) -> Result<Self, Refusal> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (form_decode(name)?, form_decode(value)?);
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(Refusal::argument(
                    name,
                    value,
                    "A query parameter may be given once only.",
                ));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs.find_map(|(other, value)| (other == name).then_some(value.as_str()))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Takes out the parameters whose names satisfy `wanted`.
    pub(super) fn take(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let (taken, kept) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(name, _)| wanted(name));
        self.0 = kept;
        taken
    }

    /// Drops what signed the request and what means nothing.
    pub(super) fn drop_signature(&mut self) {
        self.take(|name| SIGNING.contains(&name) || MEANINGLESS.contains(&name));
    }
}

/// Decodes a path or a copy source: percent-encoding only, once.
///
/// # Errors
/// InvalidURI where a `%` is not followed by two hexadecimal digits, or the bytes are not UTF-8.
pub(super) fn decode(raw: &str) -> Result<Cow<'_, str>, Refusal> {
    if !raw.contains('%') {
        return Ok(raw.into());
    }
    let invalid = || Refusal::new(Code::InvalidUri);
    let bytes = raw.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut escapes = raw.match_indices('%');
    if !escapes.all(|(at, _)| hex(at + 1) && hex(at + 2)) {
        return Err(invalid());
    }
    percent_decode_str(raw).decode_utf8().map_err(|_| invalid())
}

/// As [`decode`], and a `+` is a space, as S3 and HTML forms have it in queries.
fn form_decode(raw: &str) -> Result<String, Refusal> {
    if raw.contains('+') {
        decode(&raw.replace('+', " ")).map(Cow::into_owned)
    } else {
        decode(raw).map(Cow::into_owned)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_is_decoded_in_order() {
        let query = Query::parse("uploads&prefix=a%2Fb+c%2B&x=").expect("a query");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            query.0,
            [pair("uploads", ""), pair("prefix", "a/b c+"), pair("x", "")]
        );
    }

    #[test]
    fn what_signed_the_request_is_dropped() {
        let raw = "X-Amz-Signature=s&versionId=v&X-Amz-Expires=1&x-id=GetObject";
        let mut query = Query::parse(raw).expect("a query");
        query.drop_signature();
        assert_eq!(query.0, [("versionId".to_owned(), "v".to_owned())]);
    }

    #[test]
    fn what_two_readers_may_read_differently_is_refused() {
        let code = |raw| Query::parse(raw).expect_err("a bad query").code;
        assert_eq!(code("prefix=a&prefix=b"), Code::InvalidArgument);
        assert_eq!(code("prefix=%FF"), Code::InvalidUri);
        assert_eq!(code("prefix=%4"), Code::InvalidUri);
    }

    proptest! {
        #[test]
        fn every_pair_can_be_written_and_comes_as_it_is(
            pairs in proptest::collection::btree_map("(?s).{1,12}", "(?s).{0,12}", 0..5),
        ) {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let pair = |(name, value): (&String, &String)| format!("{}={}", encode(name), encode(value));
            let raw: Vec<String> = pairs.iter().map(pair).collect();
            let query = Query::parse(&raw.join("&")).expect("a query");
            prop_assert_eq!(query.0.into_iter().collect::<BTreeMap<_, _>>(), pairs);
        }

        #[test]
        fn no_name_comes_twice(raw in "([a-c]=[%0-9a-f+]{0,6}&?){0,6}") {
            if let Ok(Query(pairs)) = Query::parse(&raw) {
                let names: BTreeMap<_, _> = pairs.iter().cloned().collect();
                prop_assert_eq!(names.len(), pairs.len());
            }
        }
    }

    #[test]
    fn a_path_is_decoded_exactly_once() {
        assert_eq!(
            decode("/b/a%252Fb+c%2B//..").expect("a path"),
            "/b/a%2Fb+c+//.."
        );
        for bad in ["/%", "/%4", "/%zz", "/%C3%28"] {
            assert_eq!(decode(bad).expect_err(bad).code, Code::InvalidUri, "{bad}");
        }
    }
}
