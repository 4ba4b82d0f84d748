//! The kinds of values that a key can have: how each is read, and what to tell somebody who wrote something else.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use toml::Value;

use crate::types::{BucketName, ByteSize, Class, Span};

/// A kind of value.
pub(super) trait Setting: Sized {
    /// What it is, as in "a duration".
    const KIND: &'static str;
    /// One that is good, with the shape in words.
    const EXAMPLE: &'static str;

    /// The value, or none where what is written is of another kind.
    fn read(value: &Value) -> Option<Self>;

    /// How a value that cannot be read is repeated in the message about it.
    fn repeated(value: &Value) -> String {
        value.to_string()
    }
}

impl Setting for String {
    const KIND: &'static str = "a text";
    const EXAMPLE: &'static str = "a text in quotes that is not empty";

    fn read(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// A text that may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl Setting for Text {
    const KIND: &'static str = "a text";
    const EXAMPLE: &'static str = "a text in quotes";

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(|text| Self(text.to_owned()))
    }
}

impl Setting for Vec<String> {
    const KIND: &'static str = "a list of texts";
    const EXAMPLE: &'static str = "a list, as in [\"one\", \"two\"]";

    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(String::read).collect()
    }
}

impl Setting for bool {
    const KIND: &'static str = "true or false";
    const EXAMPLE: &'static str = "true or false, without quotes";

    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Setting for NonZeroUsize {
    const KIND: &'static str = "a whole number of at least 1";
    const EXAMPLE: &'static str = "a whole number of at least 1, without quotes";

    fn read(value: &Value) -> Option<Self> {
        usize::try_from(value.as_integer()?).ok()?.try_into().ok()
    }
}

impl Setting for ByteSize {
    const KIND: &'static str = "a size";
    const EXAMPLE: &'static str = "a whole number and a unit, as in \"4GiB\" or \"512MiB\"";

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(bytes) => u64::try_from(*bytes).ok().map(Self),
            other => other.as_str()?.parse().ok(),
        }
    }
}

impl Setting for Duration {
    const KIND: &'static str = "a duration";
    const EXAMPLE: &'static str = "a number and a unit, as in \"60s\", \"250ms\" or \"2h\"";

    fn read(value: &Value) -> Option<Self> {
        let span: Span = value.as_str()?.parse().ok()?;
        Some(span.0)
    }
}

/// A time that something is given: none at all would refuse everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience(pub(super) Duration);

impl Setting for Patience {
    const KIND: &'static str = "a duration above zero";
    const EXAMPLE: &'static str = Duration::EXAMPLE;

    fn read(value: &Value) -> Option<Self> {
        let time = Duration::read(value)?;
        (!time.is_zero()).then_some(Self(time))
    }
}

/// The most that can be under way at a time of anything: beyond every limit of an operating system.
const MOST_AT_A_TIME: usize = 1_000_000;

/// How many of something may be under way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AtATime(pub(super) NonZeroUsize);

impl Setting for AtATime {
    const KIND: &'static str = "a whole number from 1 to 1,000,000";
    const EXAMPLE: &'static str = "a whole number from 1 to 1000000, without quotes";

    fn read(value: &Value) -> Option<Self> {
        let count = NonZeroUsize::read(value)?;
        (count.get() <= MOST_AT_A_TIME).then_some(Self(count))
    }
}

impl Setting for SocketAddr {
    const KIND: &'static str = "an IP address and a port";
    const EXAMPLE: &'static str =
        "an IP address and a port, as in \"127.0.0.1:9000\", \"0.0.0.0:9000\" or \"[::]:9000\"";

    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }
}

impl Setting for PathBuf {
    const KIND: &'static str = "a path";
    const EXAMPLE: &'static str = "a path in quotes";

    fn read(value: &Value) -> Option<Self> {
        String::read(value).map(Self::from)
    }
}

impl Setting for BucketName {
    const KIND: &'static str = "a bucket's name";
    const EXAMPLE: &'static str = "3 to 255 letters, digits, dots, hyphens and underscores that begin and end with a letter or a digit";

    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }
}

impl Setting for Class {
    const KIND: &'static str = "a class";
    const EXAMPLE: &'static str = "\"training\", \"batch\" or \"warmup\"";

    fn read(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        [Self::Training, Self::Batch, Self::Warmup]
            .into_iter()
            .find(|class| class.as_str() == text)
    }
}

/// An `http://` or `https://` URL with a host, perhaps with a path, without query and credentials.
impl Setting for Uri {
    const KIND: &'static str = "an HTTP URL";
    const EXAMPLE: &'static str = "a URL, as in \"https://host:9000\"";

    fn read(value: &Value) -> Option<Self> {
        let uri: Self = value.as_str()?.parse().ok()?;
        let good = matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.authority().is_some_and(|it| !it.as_str().contains('@'))
            && uri.query().is_none();
        good.then_some(uri)
    }

    fn repeated(value: &Value) -> String {
        match value.as_str() {
            // What stands before the @ may be a password.
            Some(text) if text.contains('@') => "a URL with credentials".to_owned(),
            _ => value.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::from(value)
    }

    #[test]
    fn good_values_are_read() {
        assert_eq!(
            Duration::read(&text("250ms")),
            Some(Duration::from_millis(250))
        );
        assert_eq!(ByteSize::read(&Value::from(7)), Some(ByteSize(7)));
        assert_eq!(Class::read(&text("batch")), Some(Class::Batch));
        assert!(SocketAddr::read(&text("[::]:9000")).is_some());
        assert!(Uri::read(&text("http://127.0.0.1:7070")).is_some());
    }

    #[test]
    fn values_of_another_kind_are_not() {
        assert_eq!(String::read(&text("")), None);
        assert_eq!(String::read(&Value::from(1)), None);
        assert_eq!(NonZeroUsize::read(&Value::from(0)), None);
        assert_eq!(NonZeroUsize::read(&Value::from(-1)), None);
        assert_eq!(ByteSize::read(&Value::from(-1)), None);
        assert_eq!(Duration::read(&Value::from(60)), None);
        assert_eq!(Patience::read(&text("0s")), None);
        assert_eq!(AtATime::read(&Value::from(1_000_001)), None);
        assert_eq!(SocketAddr::read(&text("localhost:9000")), None);
        assert_eq!(Class::read(&text("Batch")), None);
        for bad in [
            "store:9000",
            "ftp://store",
            "http://",
            "https://me:secret@store",
            "http://store/?a=b",
        ] {
            assert_eq!(Uri::read(&text(bad)), None, "{bad}");
        }
    }
}
