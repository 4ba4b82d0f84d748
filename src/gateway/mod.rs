//! The gateway: reads go through the cache, writes through to the origin.
//!
//! The doors hand over requests that are parsed, authenticated and authorised; [`Gateway::read`] answers GetObject and
//! HeadObject, [`Gateway::forward`] everything else. Operators have [`Gateway::purge`] and [`Gateway::place`].

pub mod error;
pub mod forward;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod list;
pub mod multipart;
pub mod place;
pub mod purge;
pub mod read;
pub mod write;

use std::sync::Arc;
use std::{fmt, mem};

use http::HeaderMap;
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;

use crate::auth::Auth;
use crate::cache::Tiers;
use crate::cache::disk::Disks;
use crate::cache::small::Small;
use crate::clock::Clock;
use crate::memory::{Memory, Pool, Reservation};
use crate::per_core::Copies;
use crate::records::Records;
use crate::routes::Routes;
use crate::tasks::{Tasks, Threads};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Gauge;
use crate::types::outcome::MemoryUse;
use crate::types::{Body, Operation, Principal, Source};

pub use error::Error;

/// The node's knowledge and means, and every request that passes between clients and origins.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) routes: Copies<Routes>,
    pub(crate) records: Arc<Records>,
    pub(crate) memory: Memory,
    pub(crate) tiers: Arc<Tiers>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Tasks,
    /// For what asks origins and disks so that reads are answered; see [`Gateway::filling_on`].
    fills: Tasks,
    pub(crate) clock: Clock,
    bodies: Arc<read::Bodies>,
    flights: Arc<read::Flights>,
    pins: Arc<read::Pins>,
    not_kept: read::NotKept,
    not_modified: read::NotModified,
    bypass_lane: Arc<Semaphore>,
    pub(crate) buckets: forward::Buckets,
}

impl Gateway {
    /// A gateway over `routes` whose bytes are all on `memory`'s account.
    pub fn new(
        routes: &Routes,
        records: Arc<Records>,
        memory: Memory,
        metrics: Arc<Metrics>,
        tasks: Tasks,
        clock: Clock,
    ) -> Self {
        Self {
            routes: Copies::new(routes),
            records,
            tiers: Arc::new(Tiers::new(
                memory.tier_capacity(),
                Disks::none(),
                Small::none(),
            )),
            memory,
            metrics,
            fills: tasks.clone(),
            tasks,
            not_kept: read::NotKept::new(clock.clone()),
            not_modified: read::NotModified::default(),
            clock,
            bodies: Arc::default(),
            flights: Arc::default(),
            pins: Arc::default(),
            bypass_lane: read::bypass_lane(),
            buckets: forward::Buckets::default(),
        }
    }

    /// The same gateway with `disks` below its memory, and what is `small` kept there too.
    #[must_use]
    pub fn with_disks(self, disks: Arc<Disks>, small: Arc<Small>) -> Self {
        let tiers = Tiers::new(self.memory.tier_capacity(), disks, small);
        Self {
            tiers: Arc::new(tiers),
            ..self
        }
    }

    /// The same gateway, which fills on `threads`, so that a hit does not queue behind the fills of others.
    #[must_use]
    pub fn filling_on(self, threads: &Threads) -> Self {
        let fills = self.tasks.on(threads);
        Self { fills, ..self }
    }

    /// Copies what the gateway knows of its own state into the metrics' gauges; to be called before they are read.
    pub fn observe(&self) {
        let metrics = &self.metrics.cache;
        let set = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&metrics.fills_running, self.bodies.running_fills() as u64);
        set(&metrics.flights, self.flights.flying() as u64);
        set(&metrics.blocks, self.tiers.memory.entries());
        set(&metrics.records, self.records.count());
        set(&metrics.open_bodies, self.memory.open_bodies() as u64);
        set(&metrics.memory_limit, self.memory.limit());
        for (place, gauge) in MemoryUse::ALL.into_iter().zip(&metrics.memory) {
            set(
                gauge,
                match place {
                    MemoryUse::Tier => self.memory.tier(),
                    MemoryUse::Entry => self.memory.used(Pool::Entry),
                    MemoryUse::Fill => self.memory.used(Pool::Fill),
                    MemoryUse::Upload => self.memory.used(Pool::Upload),
                },
            );
        }
    }

    /// Puts a new table of routes in place; requests under way go on with the old one.
    pub fn reroute(&self, routes: &Routes) {
        self.routes.store(routes);
    }
}

/// On whose behalf a request is served. Travels with every internal call.
#[derive(Debug, Clone)]
pub struct Context {
    pub principal: Arc<Principal>,
    /// For the rights over resources that only a request's body names (DeleteObjects, ListBuckets).
    pub auth: Arc<Auth>,
    /// `x-amz-request-id` of the answer and of the log line.
    pub request_id: Arc<str>,
}

/// A request in S3's own shape, under the names that the client used.
#[derive(Debug)]
pub struct Request {
    pub operation: Operation,
    pub method: http::Method,
    /// The decoded query in the client's order, without what signed it.
    pub query: Vec<(String, String)>,
    /// The client's headers, without those of the transport and of the signature, but with `x-amz-trailer`.
    pub headers: HeaderMap,
    pub upload: Upload,
}

/// A request's body, decoded from aws-chunked where it was.
pub struct Upload {
    /// Ends in an error where the signed payload hash or a chunk's signature does not match.
    pub body: Body,
    /// The decoded length in bytes, where the client declared one.
    pub length: Option<u64>,
    /// The SHA-256 in hex of the whole body, where the client signed it.
    pub sha256: Option<String>,
    /// Gives the trailers once the body has ended; none where the client announced none.
    pub trailers: Option<Trailers>,
}

/// Reads the trailers of a body that has ended.
pub type Trailers = Box<dyn Fn() -> Option<HeaderMap> + Send + Sync>;

impl Upload {
    /// No body.
    pub fn none() -> Self {
        Self {
            body: crate::types::body::empty(),
            length: Some(0),
            sha256: None,
            trailers: None,
        }
    }

    /// Keeps the memory of what is under way until the body has been read or given up, wherever it is by then: a write
    /// goes on when its client has left.
    fn hold(&mut self, room: Option<Reservation>) {
        let body = mem::replace(&mut self.body, crate::types::body::empty());
        let held = body.map_frame(move |frame| {
            let _held_with_the_body = &room;
            frame
        });
        self.body = held.boxed_unsync();
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// What a client gets: status, headers and body, and where they came from.
#[derive(Debug)]
pub struct Answer {
    pub response: http::Response<Body>,
    pub source: Source,
}
