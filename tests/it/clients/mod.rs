//! What real clients send, byte for byte where it matters, through a node to an origin. One test for each thing that one of
//! them does; the versions are those whose traffic was recorded.
//!
//! | client | versions |
//! | --- | --- |
//! | boto3, AWS CLI v1, s3fs, s3transfer over CRT | 1.43.117, 1.46.3, 2026.9.0, awscrt 0.38.0 |
//! | s3torchconnector, torch DCP, mosaicml-streaming, webdataset | 1.5.0, 2.15.0, 0.13.0, 1.0.2 |
//! | PyArrow, Polars, DuckDB, Hugging Face datasets | 26.0.1, 2.1.0, 1.5.5, 5.2.0 |
//! | obstore, zarr, tensorstore, runai-model-streamer | 0.12.1, 3.1.6, 0.1.86, 0.17.0 |
//! | s5cmd, minio-py | 2.3.0, 7.2.20 |

mod arrays;
mod crt;
mod dialects;
mod others;
mod python;
mod tables;
mod torch;

use bytes::Bytes;

use crate::support::content;
use crate::support::node::{Settings, TestNode};
use crate::support::origin::{TestOrigin, base64_of};
use crate::support::speaker::{Dialect, Say, Speaker};
use crate::support::wire::Said;

const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;
/// The objects that clients were recorded with.
const SMALL: u64 = 100 * KIB;
const BIG: u64 = 64 * MIB;

/// An origin and a node.
struct World {
    origin: TestOrigin,
    node: TestNode,
}

impl World {
    async fn new() -> Self {
        let origin = TestOrigin::start().await;
        let node = TestNode::before(&origin, Settings::default()).await;
        Self { origin, node }
    }

    async fn speaker(&self, dialect: Dialect) -> Speaker {
        Speaker::to(&self.node, dialect).await
    }

    /// The requests that the origin has got, as `METHOD path query`, and forgets them. Fails where it got anything that S3
    /// does not know.
    fn asked(&self) -> Vec<String> {
        assert_eq!(self.origin.strangers(), Vec::<String>::new());
        let mut seen = self.origin.seen();
        // The AWS SDK, with which the node reads, adds a parameter that means nothing.
        seen.iter_mut()
            .for_each(|seen| seen.query.retain(|(name, _)| name != "x-id"));
        seen.iter()
            .map(|seen| match seen.query().as_str() {
                "" => format!("{} {}", seen.method, seen.path),
                query => format!("{} {}?{query}", seen.method, seen.path),
            })
            .collect()
    }
}

/// The ETag of what an origin was given as a seed.
fn etag(seed: u64) -> String {
    format!("\"{seed:032x}\"")
}

/// Fails unless the answer is `first..end` of the object of `seed` that has `size` bytes.
fn assert_part(said: &Said, seed: u64, (first, end): (u64, u64), size: u64) {
    assert_eq!(said.status(), 206, "{}", said.head);
    let range = format!("bytes {first}-{}/{size}", end - 1);
    assert_eq!(said.header("content-range"), range);
    assert_eq!(said.body.len() as u64, end - first);
    assert_eq!(content::differs(seed, first, &said.body), None);
    assert_eq!(said.header("x-amz-checksum-crc32"), "", "{}", said.head);
}

/// Fails unless the answer is the whole object of `seed`.
fn assert_whole(said: &Said, seed: u64, size: u64) {
    assert_eq!(said.status(), 200, "{}", said.head);
    assert_eq!(said.body.len() as u64, size);
    assert_eq!(content::differs(seed, 0, &said.body), None);
}

/// The value of the first element `name`.
fn element(said: &Said, name: &str) -> String {
    let text = said.text();
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let found = text
        .split_once(&open)
        .and_then(|(_, rest)| rest.split_once(&close));
    found
        .map(|(value, _)| value.to_owned())
        .unwrap_or_else(|| panic!("no {name}: {text}"))
}

/// Reads `ranges` at once, each over a connection of its own, and checks the bytes.
async fn read_at_once(world: &World, dialect: Dialect, ranges: &[Say]) -> Vec<Said> {
    let reads = ranges.iter().map(|say| async {
        let mut speaker = world.speaker(dialect).await;
        speaker.say(say).await
    });
    futures::future::join_all(reads).await
}

/// An upload in parts. `part` makes the request of a part from its target and bytes; `order` is that in which parts are
/// sent.
async fn upload(
    world: &World,
    dialect: Dialect,
    create: Say,
    (data, size, order): (&Bytes, usize, &[usize]),
    part: impl Fn(&str, Bytes) -> Say,
) -> (String, Vec<Said>) {
    let mut speaker = world.speaker(dialect).await;
    let created = speaker.say(&create).await;
    assert_eq!(created.status(), 200, "{}", created.text());
    let id = element(&created, "UploadId");
    let pieces: Vec<Bytes> = data.chunks(size).map(|it| data.slice_ref(it)).collect();
    assert_eq!(pieces.len(), order.len());
    let mut answers: Vec<Option<Said>> = pieces.iter().map(|_| None).collect();
    let path = create_path(&create);
    for number in order {
        let target = format!("{path}?partNumber={number}&uploadId={id}");
        let said = speaker
            .say(&part(&target, pieces[number - 1].clone()))
            .await;
        assert_eq!(said.status(), 200, "{}", said.text());
        answers[number - 1] = Some(said);
    }
    let answers = answers
        .into_iter()
        .map(|it| it.expect("every part was sent"));
    (id, answers.collect())
}

fn create_path(create: &Say) -> &str {
    let target = create.target();
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// The document of a CompleteMultipartUpload; `extra` adds to each part.
fn completion(parts: &[Said], extra: impl Fn(&Said) -> String) -> String {
    let parts = parts.iter().enumerate().map(|(index, part)| {
        format!(
            "<Part><ETag>{}</ETag>{}<PartNumber>{}</PartNumber></Part>",
            part.header("etag").replace('"', "&quot;"),
            extra(part),
            index + 1
        )
    });
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{}</CompleteMultipartUpload>",
        parts.collect::<String>()
    )
}

fn crc32(data: &[u8]) -> String {
    base64_of("crc32", data)
}
