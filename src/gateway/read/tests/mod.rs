//! The read path over an origin in memory: what each contract promises, one test a promise.

mod answers;
mod conditions;
mod disks;
mod ends;
mod fidelity;
mod fills;
mod forwarded;
mod model;
mod names;
mod origin;
mod parts;
mod purges;
mod recall;
mod stress;
mod terms;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;

use self::origin::FakeOrigin;
use super::{Conditions, Demand, Read, ReadMethod};
use crate::auth::Auth;
use crate::clock::Clock;
use crate::gateway::{Answer, Context, Error, Gateway};
use crate::memory::{self, Memory};
use crate::records::{self, Records};
use crate::routes::{Freshness, Keeping, NamedOrigin, Route, Routes, Terms};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::types::{Principal, RangeSpec, Source};

const MIB: u64 = 1 << 20;

struct World {
    origin: FakeOrigin,
    gateway: Arc<Gateway>,
    clock: Clock,
}

fn world(freshness: Freshness, limit: u64) -> World {
    world_with(freshness, Terms::default(), limit)
}

fn world_with(keeping: impl Into<Keeping>, terms: Terms, limit: u64) -> World {
    world_on(FakeOrigin::default(), keeping.into(), terms, limit)
}

fn world_on(origin: FakeOrigin, keeping: Keeping, terms: Terms, limit: u64) -> World {
    let named = NamedOrigin {
        name: "fake".into(),
        origin: Arc::new(origin.clone()),
    };
    let bucket: crate::types::BucketName = "train".parse().expect("a bucket name");
    let route = Route::new(
        bucket.clone(),
        named.clone(),
        bucket,
        String::new(),
        Vec::new(),
        keeping,
    )
    .with_terms(terms);
    let (memory, clock) = (Memory::new(memory::Config { limit }), Clock::manual());
    let records = Records::new(
        records::Config {
            capacity: memory.records_capacity(),
        },
        clock.clone(),
    );
    let routes = Routes::new(vec![named], vec![route], None);
    let metrics = Arc::new(Metrics::default());
    let gateway = Gateway::new(
        &routes,
        records,
        memory,
        metrics,
        Tasks::default(),
        clock.clone(),
    );
    World {
        origin,
        gateway: Arc::new(gateway),
        clock,
    }
}

fn default_world() -> World {
    world(Freshness::MaxAge(Duration::from_secs(60)), 1 << 30)
}

fn get(key: &str) -> Read {
    Read {
        method: ReadMethod::Get,
        bucket: "train".parse().expect("a bucket name"),
        key: key.parse().expect("a key"),
        range: None,
        conditions: Conditions::default(),
        checksum_mode: false,
        part_number: None,
        version_id: None,
        freshness: Demand::Normal,
        is_clear: true,
        query: Vec::new(),
        headers: http::HeaderMap::new(),
    }
}

fn range(key: &str, range: &str) -> Read {
    let mut read = Read {
        range: Some(RangeSpec::parse(range)),
        ..get(key)
    };
    read.headers
        .insert("range", range.parse().expect("a header"));
    read
}

fn head(key: &str) -> Read {
    Read {
        method: ReadMethod::Head,
        ..get(key)
    }
}

fn context() -> Context {
    Context {
        principal: Arc::new(Principal::anonymous()),
        auth: Arc::new(Auth::default()),
        request_id: "test".into(),
    }
}

fn part(key: &str, number: &str) -> Read {
    Read {
        part_number: Some(number.parse().expect("a part's number")),
        query: vec![("partNumber".to_owned(), number.to_owned())],
        ..get(key)
    }
}

fn version(key: &str, id: &str) -> Read {
    Read {
        version_id: Some(id.to_owned()),
        query: vec![("versionId".to_owned(), id.to_owned())],
        ..get(key)
    }
}

impl World {
    /// A write to a key, which changes the origin by `change`.
    async fn write(&self, key: &str, change: impl FnOnce(&FakeOrigin)) {
        let bucket = "train".parse().expect("a bucket name");
        let route = self.gateway.routes.load().find(&bucket).expect("a route");
        let object = route
            .canonical(&key.parse().expect("a key"))
            .expect("a key");
        let write = self.gateway.records.begin(&[object]).await;
        change(&self.origin);
        write.end().await;
    }

    async fn answer(&self, read: Read) -> Result<Answer, Error> {
        self.gateway.read(&context(), read).await
    }

    async fn read(&self, read: Read) -> (StatusCode, Source, Bytes) {
        let Answer { response, source } = self.answer(read).await.expect("an answer");
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        (head.status, source, bytes)
    }
}
