//! Validated names: buckets, keys, origins.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

macro_rules! display_as_str {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// A bucket's name, as clients or as an origin see it.
///
/// 3 to 63 characters of lower-case letters, digits, dots and hyphens that begin and end with a letter or a digit
/// (AWS, "General purpose bucket naming rules"); upper case and `_`, and up to 255 characters, are let through,
/// because buckets made before 2018 in us-east-1 and buckets of other stores have them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Arc<str>);

display_as_str!(BucketName);

/// The text is no bucket name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a bucket name")]
pub struct InvalidBucketName(pub String);

impl FromStr for BucketName {
    type Err = InvalidBucketName;

    fn from_str(name: &str) -> Result<Self, InvalidBucketName> {
        let bytes = name.as_bytes();
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let valid = (3..=255).contains(&bytes.len())
            && edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(inside)
            && !name.contains("..");
        if valid {
            Ok(Self(name.into()))
        } else {
            Err(InvalidBucketName(name.to_owned()))
        }
    }
}

/// An object's key: 1 to 1,024 bytes of UTF-8, nothing else is asked of it (`//`, `..` and `a/` are ordinary keys).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<str>);

display_as_str!(ObjectKey);

/// The longest key that S3 takes, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// The text is no object key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidObjectKey {
    #[error("a key has at least one byte")]
    Empty,
    #[error("a key has at most {MAX_KEY_BYTES} bytes, this one has {0}")]
    TooLong(usize),
}

impl FromStr for ObjectKey {
    type Err = InvalidObjectKey;

    fn from_str(key: &str) -> Result<Self, InvalidObjectKey> {
        match key.len() {
            0 => Err(InvalidObjectKey::Empty),
            1..=MAX_KEY_BYTES => Ok(Self(key.into())),
            length => Err(InvalidObjectKey::TooLong(length)),
        }
    }
}

/// The name of an origin in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginName(Arc<str>);

display_as_str!(OriginName);

impl From<&str> for OriginName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bucket_names_are_checked() {
        for good in ["abc", "train-data", "a.b.c", "Legacy_Bucket", "123"] {
            assert!(good.parse::<BucketName>().is_ok(), "{good}");
        }
        for bad in [
            "", "ab", "-abc", "abc-", "a..b", "a/b", "a b", "..", "bücket",
        ] {
            assert!(bad.parse::<BucketName>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bucket_name_leads_out_of_a_path_or_a_host(name in "[a-zA-Z0-9._/-]{0,12}|.{0,12}") {
            if let Ok(bucket) = name.parse::<BucketName>() {
                prop_assert_eq!(bucket.as_str(), &name);
                prop_assert!(name.is_ascii() && !name.contains(['/', '\\', ':', '@', '%', '\0']));
                prop_assert!(!name.starts_with('.') && !name.contains(".."));
            }
        }
    }

    #[test]
    fn any_utf8_of_1_to_1024_bytes_is_a_key() {
        for good in [
            "a",
            "//",
            "..",
            "a/../b",
            "ключ",
            "a+b%20=c",
            &"k".repeat(1024),
        ] {
            assert!(good.parse::<ObjectKey>().is_ok(), "{good}");
        }
        assert_eq!("".parse::<ObjectKey>(), Err(InvalidObjectKey::Empty));
        assert_eq!(
            "k".repeat(1025).parse::<ObjectKey>(),
            Err(InvalidObjectKey::TooLong(1025))
        );
    }
}
