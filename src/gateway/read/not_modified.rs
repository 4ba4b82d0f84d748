//! What an origin's 304s look like, so that the cache's look the same.
//!
//! Stores differ in the headers that they put on a 304: some copy what a cache needs, some hardly any. So the first 304s of
//! a bucket are the origin's own, from which is learnt which of an object's headers it copies; from then on records answer
//! as it would. Whatever has not been seen yet is asked for again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::bodies::lock;
use super::conditions::Cause;
use crate::origin::answer::describe;
use crate::types::{Body, OriginFingerprint, Subject, body};

/// The most header names that are told apart in one bucket, metadata counting as one. S3 has some forty.
const MOST_NAMES: usize = 128;

/// The most habits that are known, a few for each bucket.
const MOST_HABITS: usize = 10_000;

/// Objects from before their bucket had versions have none. Some stores (MinIO) say `null` on a 304 about them, and nothing elsewhere.
const VERSION_ID: &str = "x-amz-version-id";

/// All of an object's own metadata, which a store copies or does not.
const METADATA: &str = "x-amz-meta-";

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct NotModified(Mutex<Habits>);

#[derive(Debug, Default)]
struct Habits {
    known: HashMap<Topic, Arc<Habit>>,
    /// How often a bucket was forgotten: what was asked for before then is not learnt after it.
    forgotten: u64,
}

/// When the origin was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskedAt(u64);

/// What habits are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Topic {
    bucket: OriginFingerprint,
    cause: Cause,
    named: Named,
}

/// Whether the read names a version: some stores tell the id `null` on a 304 only to who has named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Named {
    Nothing,
    Null,
    Version,
}

impl Topic {
    fn of(subject: &Subject, cause: Cause) -> Self {
        let named = match subject.version_id.as_deref() {
            None => Named::Nothing,
            Some("null") => Named::Null,
            Some(_) => Named::Version,
        };
        let bucket = subject.object.origin;
        Self {
            bucket,
            cause,
            named,
        }
    }
}

/// Which headers an origin puts on a 304.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Habit {
    /// Whether the header of that name is copied from the object, for every name that was seen.
    copied: BTreeMap<String, bool>,
    /// What it says instead of the object's own type.
    content_type: Option<HeaderValue>,
    /// What it says, if anything, as the id of an object that tells none; unknown until one was seen.
    no_id: Option<Option<HeaderValue>>,
}

impl NotModified {
    /// The 304 that the origin would give for `subject`, which has these headers; none where that is not known.
    pub(super) fn answer(
        &self,
        subject: &Subject,
        cause: Cause,
        object: &HeaderMap,
    ) -> Option<Response<Body>> {
        let topic = Topic::of(subject, cause);
        let habit = lock(&self.0).known.get(&topic).cloned()?;
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.headers_mut() = habit.headers(object)?;
        Some(response)
    }

    /// To be taken before the origin is asked for what shall be learnt.
    pub(super) fn now(&self) -> AskedAt {
        AskedAt(lock(&self.0).forgotten)
    }

    /// Learns from the origin's own 304 about `subject`, which has these headers.
    pub(super) fn learn(
        &self,
        asked_at: AskedAt,
        subject: &Subject,
        cause: Cause,
        object: &HeaderMap,
        answer: &HeaderMap,
    ) {
        let mut habits = lock(&self.0);
        if habits.forgotten != asked_at.0 {
            return;
        }
        let topic = Topic::of(subject, cause);
        let known = habits.known.get(&topic);
        let known = known.map(|habit| Habit::clone(habit)).unwrap_or_default();
        let Some(habit) = known.seeing(object, answer) else {
            return;
        };
        if habits.known.len() >= MOST_HABITS {
            habits.known.clear();
        }
        habits.known.insert(topic, Arc::new(habit));
    }

    /// Drops what is known of a bucket, and what is being asked, as it may be another or have other settings: with versions
    /// come other 304s.
    pub(crate) fn forget(&self, bucket: OriginFingerprint) {
        let mut habits = lock(&self.0);
        habits.forgotten += 1;
        habits.known.retain(|topic, _| topic.bucket != bucket);
    }
}

impl Habit {
    /// The headers of a 304 about an object with these headers; none where one of them was never seen.
    fn headers(&self, object: &HeaderMap) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in object {
            if *self.copied.get(family(name))? {
                headers.append(name.clone(), value.clone());
            }
        }
        if let Some(content_type) = &self.content_type {
            headers.insert(header::CONTENT_TYPE, content_type.clone());
        }
        if !object.contains_key(VERSION_ID)
            && let Some(id) = self.no_id.as_ref()?
        {
            headers.insert(VERSION_ID, id.clone());
        }
        Some(headers)
    }

    /// What is known after one more answer; none where that one cannot be explained by the object.
    fn seeing(mut self, object: &HeaderMap, answer: &HeaderMap) -> Option<Self> {
        let answer = describe(answer.clone(), 0).headers;
        self.no_id = match (object.contains_key(VERSION_ID), answer.get(VERSION_ID)) {
            (false, None) => Some(None),
            (false, Some(id)) if id == "null" => Some(Some(id.clone())),
            // The id of another state of the object.
            (false, Some(_)) => return None,
            // The first one of a bucket that has versions by now.
            (true, _) if !self.copied.contains_key(VERSION_ID) => None,
            (true, _) => self.no_id,
        };
        for name in object.keys() {
            let copied = !is_checksum(name) && same(object, &answer, name);
            if !copied && answer.contains_key(name) && name != header::CONTENT_TYPE {
                return None;
            }
            self.copied.insert(family(name).to_owned(), copied);
        }
        let is_explained = |name: &HeaderName| {
            object.contains_key(name) || name == header::CONTENT_TYPE || name == VERSION_ID
        };
        if !answer.keys().all(is_explained) {
            return None;
        }
        let other_type = answer.get(header::CONTENT_TYPE);
        let other_type = other_type.filter(|_| !same(object, &answer, &header::CONTENT_TYPE));
        self.content_type = other_type.cloned();
        (self.copied.len() <= MOST_NAMES).then_some(self)
    }
}

fn same(one: &HeaderMap, other: &HeaderMap, name: &HeaderName) -> bool {
    one.get_all(name).iter().eq(other.get_all(name).iter())
}

/// A record has them only if somebody asked for them.
fn is_checksum(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-amz-checksum-")
}

/// The name that stands for all that a store treats alike.
fn family(name: &HeaderName) -> &str {
    if name.as_str().starts_with(METADATA) {
        METADATA
    } else {
        name.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{BucketName, CanonicalObject};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn subject(bucket: &str) -> Subject {
        let bucket: BucketName = bucket.parse().expect("a bucket name");
        let object = CanonicalObject {
            origin: OriginFingerprint::new("s3", "", "", &bucket),
            key: "k".parse().expect("a key"),
        };
        object.into()
    }

    fn object(etag: &'static str) -> HeaderMap {
        headers(&[
            ("etag", etag),
            ("cache-control", "max-age=5"),
            ("content-type", "text/plain"),
            ("x-amz-meta-a", "1"),
            ("x-amz-checksum-crc32", "AAAAAA=="),
        ])
    }

    fn learnt(answer: &[(&'static str, &'static str)]) -> NotModified {
        let known = NotModified::default();
        known.learn(
            known.now(),
            &subject("train"),
            Cause::SameTag,
            &object("\"e\""),
            &headers(answer),
        );
        known
    }

    fn answer(known: &NotModified, object: &HeaderMap) -> Option<HeaderMap> {
        let answer = known.answer(&subject("train"), Cause::SameTag, object);
        answer.map(|response| response.into_parts().0.headers)
    }

    #[test]
    fn what_the_origin_copies_is_copied_of_other_objects() {
        let known = learnt(&[
            ("etag", "\"e\""),
            ("date", "now"),
            ("cache-control", "max-age=5"),
        ]);
        let mut other = object("\"f\"");
        other.insert("x-amz-meta-b", HeaderValue::from_static("2"));
        let expected = headers(&[("etag", "\"f\""), ("cache-control", "max-age=5")]);
        assert_eq!(answer(&known, &other), Some(expected));
        let cause = Cause::SameDate;
        assert!(known.answer(&subject("train"), cause, &other).is_none());
        assert!(
            known
                .answer(&subject("other"), Cause::SameTag, &other)
                .is_none()
        );
    }

    #[test]
    fn versions_by_their_id_are_another_matter() {
        let known = learnt(&[("etag", "\"e\"")]);
        for id in ["null", "v"] {
            let version = Subject {
                version_id: Some(id.into()),
                ..subject("train")
            };
            let answer = known.answer(&version, Cause::SameTag, &object("\"f\""));
            assert!(answer.is_none(), "{id}");
        }
    }

    #[test]
    fn a_bare_answer_is_copied_too() {
        let known = learnt(&[("content-type", "application/xml")]);
        let expected = headers(&[("content-type", "application/xml")]);
        assert_eq!(answer(&known, &object("\"f\"")), Some(expected));
    }

    #[test]
    fn a_header_that_was_never_seen_is_asked_for() {
        let known = learnt(&[("etag", "\"e\"")]);
        let mut other = object("\"f\"");
        other.insert("expires", HeaderValue::from_static("0"));
        assert_eq!(answer(&known, &other), None);
        let copied = headers(&[("etag", "\"f\""), ("expires", "0")]);
        known.learn(
            known.now(),
            &subject("train"),
            Cause::SameTag,
            &other,
            &copied,
        );
        assert_eq!(answer(&known, &other), Some(copied));
    }

    #[test]
    fn what_is_said_of_objects_without_an_id_is_learnt_anew_once_there_are_versions() {
        let same = |known: &NotModified, object: &HeaderMap, told: &HeaderMap| {
            known.learn(known.now(), &subject("train"), Cause::SameTag, object, told);
            assert_eq!(answer(known, object).as_ref(), Some(told));
        };
        let known = NotModified::default();
        let old = headers(&[("etag", "\"e\"")]);
        let new = headers(&[("etag", "\"f\""), ("x-amz-version-id", "v")]);
        let told = headers(&[("etag", "\"e\""), ("x-amz-version-id", "null")]);
        same(&known, &old, &old);
        same(&known, &new, &new);
        assert_eq!(answer(&known, &old), None);
        same(&known, &old, &told);
        assert_eq!(answer(&known, &new), Some(new));
    }

    #[test]
    fn a_bucket_whose_settings_change_is_learnt_anew() {
        let known = learnt(&[("etag", "\"e\"")]);
        known.forget(subject("other").object.origin);
        assert!(answer(&known, &object("\"f\"")).is_some());
        let before = known.now();
        known.forget(subject("train").object.origin);
        assert_eq!(answer(&known, &object("\"f\"")), None);
        let tag = headers(&[("etag", "\"f\"")]);
        known.learn(before, &subject("train"), Cause::SameTag, &tag, &tag);
        assert_eq!(answer(&known, &tag), None, "asked for before");
    }

    #[test]
    fn an_answer_about_something_else_teaches_nothing() {
        for odd in [
            ("etag", "\"other\""),
            ("x-own", "1"),
            ("x-amz-version-id", "another's"),
        ] {
            let known = learnt(&[("cache-control", "max-age=5"), odd]);
            assert_eq!(answer(&known, &object("\"f\"")), None, "{odd:?}");
        }
    }
}
