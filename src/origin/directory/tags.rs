//! Tags of objects and of buckets: which ones S3 takes, in a header and in a document. Pure.
//!
//! Tags are kept as the header `x-amz-tagging` has them: a query of percent-encoded names and values.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::answer::{Code, Fault};
use super::document::Xml;
use super::xml;

/// S3's limits on a tag's key and value, in characters.
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;
/// Tags of this prefix are AWS's own.
const RESERVED: &str = "aws:";

/// What carries the tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Object,
    Bucket,
}

/// Tags in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tags(Vec<(String, String)>);

impl Carrier {
    /// S3's limit on the number of tags.
    fn most(self) -> usize {
        match self {
            Self::Object => 10,
            Self::Bucket => 50,
        }
    }

    fn too_many(self) -> Fault {
        Fault::because(
            Code::BadRequest,
            match self {
                Self::Object => "Object tags cannot be greater than 10",
                Self::Bucket => "Bucket tag count cannot be greater than 50",
            },
        )
    }
}

impl Tags {
    /// Reads `x-amz-tagging`.
    ///
    /// # Errors
    /// `InvalidArgument` where it is no such query or names a tag twice; as [`Tags::of_document`] else.
    pub(super) fn of_header(value: &str) -> Result<Self, Fault> {
        let malformed = || {
            let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
            Fault::argument("x-amz-tagging", value, message)
        };
        let tags = Self::decode(value).ok_or_else(malformed)?;
        match tags.duplicate() {
            Some(_) => Err(malformed()),
            None => tags.checked(Carrier::Object),
        }
    }

    /// Reads a `Tagging` document.
    ///
    /// # Errors
    /// `MalformedXML`; `BadRequest` where there are too many tags; `InvalidTag` where one is too long, has characters that
    /// S3 does not take, comes twice or is AWS's own.
    pub(super) fn of_document(document: &[u8], carrier: Carrier) -> Result<Self, Fault> {
        let malformed = || Fault::new(Code::MalformedXML);
        let root = xml::parse(document, "Tagging")?;
        let set = root.all("TagSet").next().ok_or_else(malformed)?;
        let pair = |tag: &xml::Element| {
            let (key, value) = (tag.get("Key")?, tag.get("Value")?);
            Some((key.to_owned(), value.to_owned()))
        };
        let tags: Option<Vec<_>> = set.all("Tag").map(pair).collect();
        Self(tags.ok_or_else(malformed)?).checked(carrier)
    }

    /// Tags that were checked when they were stored. What cannot be read is no tag.
    pub(super) fn stored(text: &str) -> Self {
        Self::decode(text).unwrap_or_default()
    }

    /// The tags as they are stored; none where there are none.
    pub(super) fn to_stored(&self) -> Option<String> {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let pairs = self.0.iter();
        let pairs: Vec<_> = pairs
            .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("&"))
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The `Tagging` document: by key, as AWS has them.
    pub(super) fn document(&self) -> Xml {
        let mut document = Xml::new("Tagging");
        document.open("TagSet");
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_unstable();
        for (key, value) in sorted {
            document.open("Tag");
            document.text("Key", key);
            document.text("Value", value);
            document.close();
        }
        document.close();
        document
    }

    fn decode(query: &str) -> Option<Self> {
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            let text = percent_decode_str(&text).decode_utf8().ok()?;
            Some(text.into_owned())
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let tags: Option<Vec<_>> = pairs
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((decode(key)?, decode(value)?))
            })
            .collect();
        tags.map(Self)
    }

    fn duplicate(&self) -> Option<&str> {
        let before = |at: usize, key: &str| self.0[..at].iter().any(|(other, _)| other == key);
        let mut keys = self.0.iter().enumerate();
        keys.find_map(|(at, (key, _))| before(at, key).then_some(key.as_str()))
    }

    fn checked(self, carrier: Carrier) -> Result<Self, Fault> {
        if self.0.len() > carrier.most() {
            return Err(carrier.too_many());
        }
        let invalid = |message: &'static str, key: &str| {
            Fault::because(Code::InvalidTag, message).detail("TagKey", key)
        };
        for (key, value) in &self.0 {
            if key.is_empty() || key.chars().count() > MAX_KEY || !key.chars().all(is_allowed) {
                return Err(invalid("The TagKey you have provided is invalid", key));
            }
            if value.chars().count() > MAX_VALUE || !value.chars().all(is_allowed) {
                let fault = invalid("The TagValue you have provided is invalid", key);
                return Err(fault.detail("TagValue", value.as_str()));
            }
            if key.starts_with(RESERVED) {
                let message = "System tags cannot be added/updated by requester";
                return Err(invalid(message, key));
            }
        }
        match self.duplicate() {
            Some(key) => {
                let message = "Cannot provide multiple Tags with the same key";
                Err(invalid(message, key))
            }
            None => Ok(self),
        }
    }
}

/// Letters, digits and spaces of any script, and a few signs.
fn is_allowed(character: char) -> bool {
    character.is_alphanumeric()
        || (character.is_whitespace() && !character.is_control())
        || "_.:/=+-@".contains(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(tags: &[(&str, &str)]) -> Vec<u8> {
        let tags = tags
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()));
        Tags(tags.collect()).document().finish().to_vec()
    }

    #[test]
    fn a_header_is_a_query() {
        let tags = Tags::of_header("a=1&b+c=%C3%BC%2B&d").expect("tags");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(tags.0, [pair("a", "1"), pair("b c", "ü+"), pair("d", "")]);
        for bad in ["a=1&a=2", "a=%FF"] {
            let code = Tags::of_header(bad).map_err(|fault| fault.code);
            assert_eq!(code, Err(Code::InvalidArgument), "{bad}");
        }
    }

    #[test]
    fn what_s3_refuses_is_refused() {
        let key = "k".repeat(129);
        let value = "v".repeat(257);
        for (tags, code) in [
            (vec![("", "v")], Code::InvalidTag),
            (vec![(key.as_str(), "v")], Code::InvalidTag),
            (vec![("k", value.as_str())], Code::InvalidTag),
            (vec![("k", "<v>")], Code::InvalidTag),
            (vec![("k?", "v")], Code::InvalidTag),
            (vec![("aws:k", "v")], Code::InvalidTag),
            (vec![("k", "1"), ("k", "2")], Code::InvalidTag),
            (vec![("k", "v"); 11], Code::BadRequest),
        ] {
            let refused = Tags::of_document(&document(&tags), Carrier::Object);
            assert_eq!(refused.map_err(|fault| fault.code), Err(code), "{tags:?}");
        }
        for bad in [
            "<Tagging/>",
            "<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>",
            "<TagSet/>",
            "",
        ] {
            let refused = Tags::of_document(bad.as_bytes(), Carrier::Object);
            let code = refused.map_err(|fault| fault.code);
            assert_eq!(code, Err(Code::MalformedXML), "{bad}");
        }
    }

    #[test]
    fn the_longest_tags_and_the_most_of_them_are_taken() {
        let (key, value) = ("ключ".repeat(32), "é".repeat(256));
        let tags = document(&[(&key, &value)]);
        assert!(Tags::of_document(&tags, Carrier::Object).is_ok());
        let keys: Vec<_> = (0..50).map(|number| format!("k{number}")).collect();
        let tags: Vec<_> = keys.iter().map(|key| (key.as_str(), "")).collect();
        assert!(Tags::of_document(&document(&tags[..10]), Carrier::Object).is_ok());
        assert!(Tags::of_document(&document(&tags), Carrier::Bucket).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_taken_comes_back(
            pairs in proptest::collection::vec(("[a-z +=é@:/_.-]{1,9}", "[ A-Z0-9+=ü&<]{0,9}"), 0..12),
        ) {
            let tags = Tags(pairs);
            let stored = tags.to_stored().map_or_else(Tags::default, |text| Tags::stored(&text));
            prop_assert_eq!(&stored, &tags);
            if let Ok(read) = Tags::of_document(&tags.document().finish(), Carrier::Bucket) {
                let mut sorted = tags;
                sorted.0.sort_unstable();
                prop_assert_eq!(read, sorted);
            }
        }

        #[test]
        fn reading_never_panics(text in any::<String>()) {
            let _ = Tags::of_header(&text);
            let _ = Tags::of_document(text.as_bytes(), Carrier::Object);
        }
    }
}
