//! `s3://bucket/key`, as the commands about objects take it.

use std::str::FromStr;

use crate::types::BucketName;

/// A bucket, and a key or the beginning of keys in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) bucket: BucketName,
    /// What follows the slash after the bucket, as it is. Empty for the whole bucket.
    pub(super) key: String,
}

/// The text is no location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write s3://BUCKET/KEY, with the bucket's name as clients write it")]
pub(super) struct InvalidLocation;

impl FromStr for Location {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        let path = text.strip_prefix("s3://").ok_or(InvalidLocation)?;
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        Ok(Self {
            bucket: bucket.parse().map_err(|_| InvalidLocation)?,
            key: key.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_has_a_bucket_and_a_key_that_is_left_as_it_is() {
        for (text, bucket, key) in [
            ("s3://train", "train", ""),
            ("s3://train/", "train", ""),
            ("s3://train//a%20b/../c d", "train", "/a%20b/../c d"),
        ] {
            let location: Location = text.parse().expect("a location");
            assert_eq!((location.bucket.as_str(), &*location.key), (bucket, key));
        }
        for bad in ["train/k", "s3:/train", "s3://", "s3:///k", "S3://a b/k"] {
            assert_eq!(bad.parse::<Location>(), Err(InvalidLocation), "{bad}");
        }
    }
}
