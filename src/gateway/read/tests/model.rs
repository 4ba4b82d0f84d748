//! A model test: whatever is read, written, overwritten at the origin or broken on the way, what a client gets is a part of
//! one version, never older than the last write through the gateway, and never too short.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::origin::{Fault, pattern};
use super::{World, default_world, get, range};
use crate::types::layout::PAGE;
use crate::types::{CanonicalObject, RangeSpec};

#[derive(Debug, Clone)]
enum Step {
    ReadWhole,
    Read(u64, u64),
    ReadSuffix(u64),
    /// An overwrite through the gateway: the next read sees it.
    Write(u64),
    /// An overwrite past the gateway: reads may see the old version until it is 60 s old.
    OverwriteAtOrigin(u64),
    Wait(u64),
    Break(u64),
    End(u64),
    Down,
}

const LARGEST: u64 = 40 * PAGE;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::ReadWhole),
        6 => (0..LARGEST, 1..4 * PAGE).prop_map(|(start, length)| Step::Read(start, length)),
        2 => (1..4 * PAGE).prop_map(Step::ReadSuffix),
        2 => (1..LARGEST).prop_map(Step::Write),
        2 => (1..LARGEST).prop_map(Step::OverwriteAtOrigin),
        2 => (1..100u64).prop_map(Step::Wait),
        1 => (0..LARGEST).prop_map(Step::Break),
        1 => (0..LARGEST).prop_map(Step::End),
        1 => Just(Step::Down),
    ]
}

/// The versions that a read may show: those since the last write, and since the last that became too old.
struct Model {
    versions: Vec<Bytes>,
    next: u64,
}

impl Model {
    fn new_version(&mut self, world: &World, length: u64) -> Bytes {
        self.next += 1;
        let bytes = pattern(length, self.next);
        world
            .origin
            .put("k", bytes.clone(), &format!("v{}", self.next));
        bytes
    }

    fn allows(&self, asked: Option<RangeSpec>, got: &Bytes) -> bool {
        self.versions.iter().any(|version| {
            let size = version.len() as u64;
            let range = asked.map_or(Some(0..size), |asked| asked.resolve(size).ok());
            let index = |offset: u64| usize::try_from(offset).expect("small");
            range.is_some_and(|range| version.slice(index(range.start)..index(range.end)) == *got)
        })
    }
}

async fn read(world: &World, model: &Model, asked: Option<String>) -> Result<(), TestCaseError> {
    let read = asked
        .as_deref()
        .map_or_else(|| get("k"), |asked| range("k", asked));
    let spec = asked
        .as_deref()
        .map(RangeSpec::parse)
        .and_then(|parsed| match parsed {
            crate::types::range::Parsed::Single(spec) => Some(spec),
            crate::types::range::Parsed::Ignored | crate::types::range::Parsed::Several => None,
        });
    // An error is honest; what looks complete must be right.
    let Ok(answer) = world.answer(read).await else {
        return Ok(());
    };
    if !answer.response.status().is_success() {
        return Ok(());
    }
    if let Ok(body) = answer.response.into_body().collect().await {
        prop_assert!(
            model.allows(spec, &body.to_bytes()),
            "a body that no version has"
        );
    }
    Ok(())
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let world = default_world();
    let mut model = Model {
        versions: Vec::new(),
        next: 0,
    };
    let first = model.new_version(&world, 10 * PAGE + 7);
    model.versions.push(first);
    let bucket = "train".parse().expect("a bucket name");
    let route = world.gateway.routes.load().find(&bucket).expect("a route");
    let object = CanonicalObject {
        origin: route.fingerprint,
        key: "k".parse().expect("a key"),
    };
    for step in steps {
        match step {
            Step::ReadWhole => read(&world, &model, None).await?,
            Step::Read(start, length) => {
                read(
                    &world,
                    &model,
                    Some(format!("bytes={start}-{}", start + length - 1)),
                )
                .await?;
            }
            Step::ReadSuffix(length) => {
                read(&world, &model, Some(format!("bytes=-{length}"))).await?
            }
            Step::Write(length) => {
                let write = world
                    .gateway
                    .records
                    .begin(std::slice::from_ref(&object))
                    .await;
                let version = model.new_version(&world, length);
                write.end().await;
                model.versions = vec![version];
            }
            Step::OverwriteAtOrigin(length) => {
                let version = model.new_version(&world, length);
                model.versions.push(version);
            }
            Step::Wait(seconds) => {
                world.clock.advance(Duration::from_secs(seconds));
                if seconds >= 60 {
                    model.versions.drain(..model.versions.len() - 1);
                }
            }
            Step::Break(after) => world.origin.fail(&[Fault::BreakAfter(after)]),
            Step::End(after) => world.origin.fail(&[Fault::EndAfter(after)]),
            Step::Down => world.origin.fail(&[Fault::Down]),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_what_the_origin_holds(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(run(steps))?;
    }
}
