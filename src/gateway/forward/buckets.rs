//! Operations on buckets: ListBuckets, HeadBucket, GetBucketLocation.
//!
//! The list of buckets is the table of routes, joined by the list of the wildcard's origin. HeadBucket and
//! GetBucketLocation are the origin's until it has answered once with success; from then on they are answered here.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as TOKEN;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::Event;

use super::{Forward, exchange, whole};
use crate::gateway::{Error, Request};
use crate::origin::{self, Call, Payload};
use crate::routes::{NamedOrigin, Wildcard};
use crate::types::body::full;
use crate::types::{Body, BucketName, OperationName, OriginFingerprint};

/// A wildcard route serves any number of names; what exceeds this is asked for again.
const MAX_REMEMBERED: usize = 4096;
/// The date of a bucket of which only the table knows: S3 names one for every bucket.
const UNKNOWN_DATE: &str = "1970-01-01T00:00:00.000Z";
/// S3's bound on `max-buckets`.
const MAX_BUCKETS: usize = 10_000;

/// The origins' successful answers about buckets. They hold until the bucket is made, deleted or set up through this process:
/// its region never changes.
#[derive(Debug, Default)]
pub struct Buckets(Mutex<Answers>);

type Key = (OriginFingerprint, OperationName);

#[derive(Debug, Default)]
struct Answers {
    known: HashMap<Key, Response<Bytes>>,
    /// How often a bucket was forgotten: what was asked for before then is not remembered after it.
    forgotten: u64,
}

impl Buckets {
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer where one is known, else what [`Buckets::remember`] takes with the origin's.
    fn find(&self, key: &Key) -> Result<Response<Bytes>, u64> {
        let answers = self.answers();
        answers.known.get(key).cloned().ok_or(answers.forgotten)
    }

    fn remember(&self, key: Key, answer: Response<Bytes>, asked_at: u64) {
        let mut answers = self.answers();
        if answers.known.len() < MAX_REMEMBERED && answers.forgotten == asked_at {
            answers.known.insert(key, answer);
        }
    }

    /// Drops what is known of a bucket, and what is being asked.
    pub(super) fn forget(&self, bucket: OriginFingerprint) {
        let mut answers = self.answers();
        answers.forgotten += 1;
        answers.known.retain(|(other, _), _| *other != bucket);
    }
}

impl Forward<'_> {
    pub(super) async fn look_at_bucket(
        &self,
        mut request: Request,
    ) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let key = (route.fingerprint, request.operation.name);
        // A condition on the bucket's owner is the origin's to judge.
        let is_conditional = request.headers.contains_key("x-amz-expected-bucket-owner");
        let asked_at = match self.buckets.find(&key) {
            Ok(answer) if !is_conditional => return Ok(answer.map(full)),
            Ok(_) => None,
            Err(now) => Some(now),
        };
        let call = Self::call(&route, &mut request, Payload::Whole(Bytes::new()))?;
        let response = exchange(&route, call).await?;
        let mut answer = whole(&route, response).await?;
        answer.headers_mut().remove(header::DATE);
        if let Some(asked_at) = asked_at {
            self.buckets.remember(key, answer.clone(), asked_at);
        }
        Ok(answer.map(full))
    }

    pub(super) async fn list_buckets(&self, request: Request) -> Result<Response<Body>, Error> {
        let page = Page::of(&request.query)?;
        let owned = match self.routes.wildcard() {
            Some(Wildcard { origin, .. }) => dates(origin).await?,
            None => BTreeMap::new(),
        };
        let mut shown: BTreeMap<BucketName, String> = BTreeMap::new();
        for route in self.routes.named() {
            let wildcard = self.routes.wildcard();
            let same = wildcard.is_some_and(|all| all.origin.name == route.origin.name);
            let date = owned.get(&route.origin_bucket).filter(|_| same);
            let date = date.map_or(UNKNOWN_DATE, String::as_str);
            shown.insert(route.bucket.clone(), date.to_owned());
        }
        for (bucket, date) in owned {
            shown.entry(bucket).or_insert(date);
        }
        let principal = &self.context.principal;
        shown.retain(|bucket, _| self.context.auth.visible(principal, bucket));
        let mut response = Response::new(full(page.render(shown, &principal.name)));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/xml"),
        );
        Ok(response)
    }
}

/// The part of the list that a request asks for.
#[derive(Debug, Default)]
struct Page {
    prefix: String,
    /// The last name of the page before.
    after: Option<String>,
    limit: Option<usize>,
}

impl Page {
    fn of(query: &[(String, String)]) -> Result<Self, Error> {
        let mut page = Self::default();
        for (name, value) in query {
            match name.as_str() {
                "prefix" => page.prefix.clone_from(value),
                "continuation-token" => page.after = Some(token(value)?),
                "max-buckets" => page.limit = Some(limit(value)?),
                _ => {}
            }
        }
        Ok(page)
    }

    fn render(&self, shown: BTreeMap<BucketName, String>, owner: &str) -> String {
        let after = self.after.as_deref().unwrap_or_default();
        let mut names = shown.into_iter().filter(|(bucket, _)| {
            bucket.as_str().starts_with(&self.prefix) && bucket.as_str() > after
        });
        let owner = escape(owner);
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ListAllMyBucketsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Owner><ID>{owner}</ID><DisplayName>{owner}</DisplayName></Owner><Buckets>"
        );
        let mut last = None;
        for (bucket, date) in names.by_ref().take(self.limit.unwrap_or(usize::MAX)) {
            xml.push_str(&format!(
                "<Bucket><Name>{bucket}</Name><CreationDate>{}</CreationDate></Bucket>",
                escape(date)
            ));
            last = Some(bucket);
        }
        xml.push_str("</Buckets>");
        if let (Some(last), Some(_)) = (last, names.next()) {
            let token = TOKEN.encode(last.as_str());
            xml.push_str(&format!("<ContinuationToken>{token}</ContinuationToken>"));
        }
        if !self.prefix.is_empty() {
            xml.push_str(&format!("<Prefix>{}</Prefix>", escape(&self.prefix)));
        }
        xml.push_str("</ListAllMyBucketsResult>");
        xml
    }
}

fn token(value: &str) -> Result<String, Error> {
    let name = TOKEN.decode(value).ok();
    name.and_then(|name| String::from_utf8(name).ok())
        .ok_or(Error::InvalidArgument {
            name: "continuation-token",
            message: "The continuation token provided is incorrect",
        })
}

fn limit(value: &str) -> Result<usize, Error> {
    let limit = value.parse().ok();
    limit
        .filter(|limit| (1..=MAX_BUCKETS).contains(limit))
        .ok_or(Error::InvalidArgument {
            name: "max-buckets",
            message: "Argument max-buckets must be an integer between 1 and 10000",
        })
}

/// An origin's buckets and the dates of their making.
async fn dates(origin: &NamedOrigin) -> Result<BTreeMap<BucketName, String>, Error> {
    let call = Call {
        operation: OperationName::ListBuckets,
        method: http::Method::GET,
        bucket: None,
        key: None,
        query: Vec::new(),
        headers: HeaderMap::new(),
        payload: Payload::Whole(Bytes::new()),
    };
    let response = super::accept(origin.origin.call(call).await?).await?;
    let document = super::collect(response.into_body(), super::MAX_DOCUMENT).await?;
    parse(&document)
        .ok_or_else(|| origin::Error::Nonsense("its list of buckets is not well-formed XML").into())
}

fn parse(document: &[u8]) -> Option<BTreeMap<BucketName, String>> {
    let mut reader = Reader::from_reader(document);
    let mut buckets = BTreeMap::new();
    let (mut name, mut date) = (None, None);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => match start.local_name().as_ref() {
                b"Name" => name = Some(text(&mut reader, &start)?),
                b"CreationDate" => date = Some(text(&mut reader, &start)?),
                _ => {}
            },
            Event::End(end) if end.local_name().as_ref() == b"Bucket" => {
                let date = date.take().unwrap_or_else(|| UNKNOWN_DATE.to_owned());
                // A name that no client could send back is no bucket here.
                if let Some(Ok(name)) = name.take().map(|name| name.parse()) {
                    buckets.insert(name, date);
                }
            }
            Event::Eof => return Some(buckets),
            _ => {}
        }
    }
}

fn text(reader: &mut Reader<&[u8]>, start: &quick_xml::events::BytesStart<'_>) -> Option<String> {
    let text = reader.read_text(start.name()).ok()?;
    Some(unescape(&text).ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_cut_into_pages() {
        let names = ["alpha", "beta-1", "beta-2", "gamma"];
        let shown = || {
            names
                .iter()
                .map(|name| (name.parse().expect("a name"), UNKNOWN_DATE.to_owned()))
                .collect()
        };
        let query = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut asked = vec![query("prefix", "beta"), query("max-buckets", "1")];
        let first = Page::of(&asked).expect("valid").render(shown(), "me & you");
        assert!(first.contains("beta-1") && !first.contains("beta-2"));
        assert!(first.contains("<ID>me &amp; you</ID>"));
        let (_, token) = first.split_once("<ContinuationToken>").expect("a token");
        let (token, _) = token.split_once('<').expect("an end");
        asked.push(query("continuation-token", token));
        let second = Page::of(&asked).expect("valid").render(shown(), "me");
        assert!(second.contains("beta-2") && !second.contains("ContinuationToken"));
        assert!(Page::of(&[query("max-buckets", "0")]).is_err());
    }

    #[test]
    fn an_origins_list_is_read_whatever_its_form() {
        let document = br#"<?xml version="1.0"?>
            <ListAllMyBucketsResult xmlns="x"><Owner><ID>1</ID></Owner><Buckets>
            <Bucket><Name>one</Name><CreationDate>2024-01-01T00:00:00.000Z</CreationDate><BucketRegion>r</BucketRegion></Bucket>
            <Bucket><CreationDate>2025-01-01T00:00:00Z</CreationDate><Name>two</Name></Bucket>
            <Bucket><Name>..</Name></Bucket></Buckets></ListAllMyBucketsResult>"#;
        let buckets = parse(document).expect("a list");
        let dates: Vec<&str> = buckets.values().map(String::as_str).collect();
        assert_eq!(dates, ["2024-01-01T00:00:00.000Z", "2025-01-01T00:00:00Z"]);
        assert!(parse(b"<a><b></a>").is_none());
    }
}
