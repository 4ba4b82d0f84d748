//! The table of buckets: which origin, bucket and prefix stand behind a bucket that clients name, and under which rules.
//!
//! Immutable: a reload builds a new table, of which each core has a copy.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::origin::Origin;
use crate::types::{BucketName, CanonicalObject, ObjectKey, OriginFingerprint, OriginName};

/// How long a record may answer for its object without the origin being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// For ever: the object never changes under its key.
    Immutable,
    /// This long after the origin was last asked.
    MaxAge(Duration),
    /// Not at all: every read asks.
    Always,
}

impl Default for Freshness {
    fn default() -> Self {
        Self::MaxAge(Duration::from_secs(60))
    }
}

/// How objects are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keeping {
    pub freshness: Freshness,
    /// Whether objects that the origin encrypts under a KMS key are kept too: then whoever may read them here needs no
    /// right over that key.
    pub kms: bool,
    /// Whether their blocks stay on the disks when others ask for room.
    pub pinned: bool,
}

impl From<Freshness> for Keeping {
    fn from(freshness: Freshness) -> Self {
        Self {
            freshness,
            ..Self::default()
        }
    }
}

/// What holds for the keys of a bucket that begin with a prefix. The first rule that matches wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Of the key as clients see it.
    pub prefix: String,
    pub keeping: Keeping,
}

/// What is true of a bucket at its origin, whatever its objects are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// The account that owns it: reads that expect this owner (`x-amz-expected-bucket-owner`) may be answered here.
    pub owner: Option<Arc<str>>,
    /// Whether who asks pays: the gateway's own requests say so, and reads that do not say so are the origin's to refuse.
    pub requester_pays: bool,
}

/// A configured origin.
#[derive(Debug, Clone)]
pub struct NamedOrigin {
    pub name: OriginName,
    pub origin: Arc<dyn Origin>,
}

/// What stands behind one bucket.
#[derive(Debug, Clone)]
#[repr(align(128))]
pub struct Route {
    /// The bucket as clients see it.
    pub bucket: BucketName,
    pub origin: NamedOrigin,
    /// The bucket at the origin.
    pub origin_bucket: BucketName,
    /// Joined before every key, raw. Empty for none.
    pub prefix: String,
    /// Ends with a rule of empty prefix, so that one always matches.
    pub rules: Vec<Rule>,
    pub terms: Terms,
    pub fingerprint: OriginFingerprint,
}

/// No key at the origin stands for the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    /// The prefix of the route and the key make more than S3's 1,024 bytes.
    #[error("the key is too long")]
    TooLong,
    /// The origin would take the key for another one.
    #[error("the key has a segment that is \".\" or \"..\"")]
    DotSegment,
}

impl Route {
    /// A route; `rules` are followed by one for all keys with the bucket's own `keeping`. It comes without terms.
    pub fn new(
        bucket: BucketName,
        origin: NamedOrigin,
        origin_bucket: BucketName,
        prefix: String,
        mut rules: Vec<Rule>,
        keeping: impl Into<Keeping>,
    ) -> Self {
        rules.push(Rule {
            prefix: String::new(),
            keeping: keeping.into(),
        });
        let fingerprint = origin.origin.fingerprint(&origin_bucket);
        Self {
            bucket,
            origin,
            origin_bucket,
            prefix,
            rules,
            terms: Terms::default(),
            fingerprint,
        }
    }

    /// The route of a bucket with these terms.
    #[must_use]
    pub fn with_terms(self, terms: Terms) -> Self {
        Self { terms, ..self }
    }

    /// The key at the origin of the client's `key`.
    ///
    /// # Errors
    /// [`UnusableKey`].
    pub fn origin_key(&self, key: &ObjectKey) -> Result<ObjectKey, UnusableKey> {
        let key = match self.prefix.as_str() {
            "" => key.clone(),
            prefix => format!("{prefix}{key}")
                .parse()
                .map_err(|_| UnusableKey::TooLong)?,
        };
        if self.origin.origin.keeps_dot_segments() || !has_dot_segment(key.as_str()) {
            Ok(key)
        } else {
            Err(UnusableKey::DotSegment)
        }
    }

    /// The prefix at the origin of the keys that begin with the client's `prefix`.
    ///
    /// # Errors
    /// [`UnusableKey::DotSegment`] where all of them would have such a segment.
    pub fn origin_prefix(&self, prefix: &str) -> Result<String, UnusableKey> {
        let prefix = format!("{}{prefix}", self.prefix);
        // What follows the last slash is not yet a segment: ".git" begins with a dot.
        let closed = prefix.rfind(SEPARATORS).map_or("", |at| &prefix[..at]);
        if self.origin.origin.keeps_dot_segments() || !has_dot_segment(closed) {
            Ok(prefix)
        } else {
            Err(UnusableKey::DotSegment)
        }
    }

    /// The object that the client's `key` names, whatever the bucket is called.
    ///
    /// # Errors
    /// As [`Route::origin_key`].
    pub fn canonical(&self, key: &ObjectKey) -> Result<CanonicalObject, UnusableKey> {
        Ok(CanonicalObject {
            origin: self.fingerprint,
            key: self.origin_key(key)?,
        })
    }

    /// The first rule that matches the client's `key`.
    pub fn rule(&self, key: &ObjectKey) -> &Rule {
        let matches = |rule: &&Rule| key.as_str().starts_with(&rule.prefix);
        self.rules
            .iter()
            .find(matches)
            .expect("the last rule matches every key")
    }
}

/// What stores on file systems separate the segments of a path with.
const SEPARATORS: [char; 2] = ['/', '\\'];

/// Whether a store that makes a path of the text would go to another place than the text says.
pub fn has_dot_segment(text: &str) -> bool {
    // As bytes, since every key is looked at in every read: both separators are ASCII.
    let mut segments = text.as_bytes().split(|byte| b"/\\".contains(byte));
    segments.any(|segment| matches!(segment, b"." | b".."))
}

/// All buckets of one origin under their own names (`[bucket."*"]`).
#[derive(Debug, Clone)]
pub struct Wildcard {
    pub origin: NamedOrigin,
    pub rules: Vec<Rule>,
    pub keeping: Keeping,
    pub terms: Terms,
}

impl Wildcard {
    fn route(&self, bucket: &BucketName) -> Route {
        let Self {
            origin,
            rules,
            keeping,
            terms,
        } = self.clone();
        let (name, prefix) = (bucket.clone(), String::new());
        Route::new(name, origin, bucket.clone(), prefix, rules, keeping).with_terms(terms)
    }
}

/// The table.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Routes {
    named: BTreeMap<BucketName, Arc<Route>>,
    wildcard: Option<Wildcard>,
    /// Routes of the wildcard's buckets that were asked for: each read asks, and to make one takes a dozen allocations.
    made: Mutex<HashMap<BucketName, Arc<Route>>>,
    origins: HashMap<OriginName, NamedOrigin>,
}

/// The most routes of a wildcard's buckets that are remembered, whether there are such buckets or not.
pub const MOST_MADE: usize = 1024;

/// Shares no route with the original: [`Copies`](crate::per_core::Copies) are made of it.
impl Clone for Routes {
    fn clone(&self) -> Self {
        let named = self.named.iter();
        let apart = |(name, route): (&BucketName, &Arc<Route>)| {
            (name.clone(), Arc::new(Route::clone(route)))
        };
        Self {
            named: named.map(apart).collect(),
            wildcard: self.wildcard.clone(),
            made: Mutex::default(),
            origins: self.origins.clone(),
        }
    }
}

impl Routes {
    /// Builds the table.
    pub fn new(origins: Vec<NamedOrigin>, routes: Vec<Route>, wildcard: Option<Wildcard>) -> Self {
        Self {
            named: routes
                .into_iter()
                .map(|route| (route.bucket.clone(), Arc::new(route)))
                .collect(),
            wildcard,
            made: Mutex::default(),
            origins: origins
                .into_iter()
                .map(|origin| (origin.name.clone(), origin))
                .collect(),
        }
    }

    /// The route of a bucket; none where nothing stands behind the name.
    pub fn find(&self, bucket: &BucketName) -> Option<Arc<Route>> {
        if let Some(route) = self.named.get(bucket) {
            return Some(Arc::clone(route));
        }
        let wildcard = self.wildcard.as_ref()?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = made.get(bucket) {
            return Some(Arc::clone(route));
        }
        if made.len() == MOST_MADE {
            made.clear();
        }
        let route = Arc::new(wildcard.route(bucket));
        made.insert(bucket.clone(), Arc::clone(&route));
        Some(route)
    }

    /// The buckets that are routed by name, in order.
    pub fn named(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.named.values()
    }

    /// The origin whose buckets are all served, where there is one.
    pub fn wildcard(&self) -> Option<&Wildcard> {
        self.wildcard.as_ref()
    }

    /// Every configured origin.
    pub fn origins(&self) -> impl Iterator<Item = &NamedOrigin> {
        self.origins.values()
    }
}
