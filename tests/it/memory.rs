//! How much memory a node takes, as the operating system counts it.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::support::client::{Ask, Client};
use crate::support::node::{self, Settings};
use crate::support::origin::{Crc32, TestOrigin};
use crate::support::process::Process;
use crate::support::wire::{Wire, head};
use crate::support::{content, spawn};

const MIB: u64 = 1 << 20;
const READERS: u64 = 256;
const SIZE: u64 = 16 * MIB;
/// Contents that the objects share, so that they are quick to make.
const SEEDS: u64 = 16;
/// What a slow client takes in a tick, and the tick: 1 MiB/s.
const SIP: u64 = 64 << 10;
const TICK: Duration = Duration::from_millis(62);
/// How long nothing may come. Longer waits count as a stall.
const STALL: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_readers_of_cold_objects_stay_within_the_limit() {
    let origin = TestOrigin::start().await;
    for reader in 0..READERS {
        origin.put(&format!("train/{reader}"), reader % SEEDS, SIZE);
    }
    let settings = Settings {
        memory: "256MiB",
        ..Settings::default()
    };
    let process = Process::start(&node::configuration(origin.address, &settings)).await;
    let readers = (0..READERS).map(|reader| {
        let ask = Ask::get(&format!("/train/{reader}"));
        let request = process.client.sign(&ask);
        read_slowly(process.client.address(), request, reader % SEEDS)
    });
    let mut readers = std::pin::pin!(futures::future::join_all(readers));
    let mut samples = interval(Duration::from_millis(500));
    let mut trace = Vec::new();
    loop {
        // Cancelling neither loses anything: the readers are pinned outside, a tick is only a tick.
        tokio::select! {
            _ = &mut readers => break,
            _ = samples.tick() => trace.push(process.memory("VmRSS") / MIB),
        }
    }
    let peak = process.memory("VmHWM") / MIB;
    assert!(peak <= 256 + 256, "{peak} MiB at most, over time {trace:?}");
}

/// Reads an object at 1 MiB/s and checks every byte.
async fn read_slowly(
    address: SocketAddr,
    mut request: http::Request<http_body_util::Full<bytes::Bytes>>,
    seed: u64,
) {
    let socket = TcpSocket::new_v4().expect("a socket");
    // What the system takes in on behalf of a slow client would make it a fast one.
    socket.set_recv_buffer_size(64 << 10).expect("a size");
    let stream = socket.connect(address).await.expect("a connection");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("a connection");
    spawn(async move { drop(connection.await) });
    *request.uri_mut() = request.uri().path().parse().expect("a path");
    let answer = timeout(STALL, sender.send_request(request)).await;
    let answer = answer.expect("no stall").expect("an answer");
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut at, mut allowed) = (0, 0);
    while at < SIZE {
        while allowed <= at {
            ticks.tick().await;
            allowed += SIP;
        }
        let frame = timeout(STALL, body.frame()).await.expect("no stall");
        let frame = frame.expect("not yet the end").expect("a whole body");
        let data = frame.into_data().expect("data");
        assert_eq!(content::differs(seed, at, &data), None, "a wrong byte");
        at += data.len() as u64;
    }
    assert!(body.frame().await.is_none(), "no byte more");
}

/// The parts of the large upload, which are sent all at once.
const PARTS: u64 = 16;
/// What a client writes at a time.
const FRAME: u64 = 256 << 10;
/// What a large upload may add to the memory that a node takes.
const EXTRA: u64 = 256 * MIB;

/// How large uploads are: of the one in parts, and of the one in one request. `FOREBAY_TEST_LARGE` asks for S3's own
/// measure, which takes minutes.
fn sizes() -> (u64, u64) {
    match std::env::var_os("FOREBAY_TEST_LARGE") {
        Some(_) => (5 << 30, 1 << 30),
        None => (512 * MIB, 256 * MIB),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_uploads_stream_through_and_take_no_memory_of_their_size() {
    let origin = TestOrigin::start().await;
    origin.keep_digests_only();
    let settings = Settings {
        memory: "256MiB",
        ..Settings::default()
    };
    let process = Process::start(&node::configuration(origin.address, &settings)).await;
    let (many, single) = sizes();
    let client = &process.client;
    // The node has served before: what it takes once is not the upload's.
    let warm = Ask::new("PUT", "/train/warm").body("hello");
    assert_eq!(client.send(&warm).await.status, 200);
    let before = process.memory("VmHWM");

    let created = client.send(&Ask::new("POST", "/train/many?uploads")).await;
    let id = created.text("UploadId");
    let part = many / PARTS;
    let parts = (1..=PARTS).map(|number| {
        let target = format!("/train/many?partNumber={number}&uploadId={id}");
        upload_part(client, target, (number - 1) * part..number * part)
    });
    let (tags, sums): (Vec<String>, Vec<u64>) =
        futures::future::join_all(parts).await.into_iter().unzip();
    let named: String = (1..)
        .zip(&tags)
        .map(|(number, tag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
        })
        .collect();
    let document = format!("<CompleteMultipartUpload>{named}</CompleteMultipartUpload>");
    let complete = Ask::new("POST", &format!("/train/many?uploadId={id}")).body(document);
    let completed = client.send(&complete).await;
    assert!(!completed.text("ETag").is_empty(), "{completed:?}");
    let expected: Vec<(u64, u64)> = sums.into_iter().map(|sum| (part, sum)).collect();
    assert_eq!(origin.digests("train/many"), expected);
    assert_eq!(origin.uploads("train"), []);
    let middle = process.memory("VmHWM");

    let sum = upload_with_trailer(client, single).await;
    assert_eq!(origin.digests("train/single"), [(single, sum)]);
    let after = process.memory("VmHWM");
    let (before, middle, after) = (before / MIB, middle / MIB, after / MIB);
    tell((many, single), (before, middle, after));
    assert!(
        after <= before + EXTRA / MIB,
        "{before} MiB before, {middle} after the parts, {after} at the end"
    );
}

/// Uploads a part; gives the ETag of the answer and the XXH3 of what was sent.
async fn upload_part(
    client: &Client,
    target: String,
    range: std::ops::Range<u64>,
) -> (String, u64) {
    let ask = Ask::new("PUT", &target).payload("UNSIGNED-PAYLOAD");
    let length = range.end - range.start;
    let mut wire = Wire::connect(client.address()).await;
    let lines = format!("\r\ncontent-length: {length}\r\n");
    wire.write(head(&client.sign(&ask)).replacen("\r\n", &lines, 1))
        .await;
    let mut sum = xxhash_rust::xxh3::Xxh3::new();
    for frame in frames(range) {
        sum.update(&frame);
        wire.write(&frame).await;
    }
    let said = wire.read().await;
    assert_eq!(said.status(), 200, "{}", said.text());
    (said.header("etag").replace('"', "&quot;"), sum.digest())
}

/// Uploads an object in one request with a checksum after it; gives the XXH3 of what was sent.
async fn upload_with_trailer(client: &Client, size: u64) -> u64 {
    let ask = Ask::new("PUT", "/train/single")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", size.to_string())
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let mut wire = Wire::connect(client.address()).await;
    let lines = "\r\ntransfer-encoding: chunked\r\n";
    wire.write(head(&client.sign(&ask)).replacen("\r\n", lines, 1))
        .await;
    let (mut sum, mut crc) = (xxhash_rust::xxh3::Xxh3::new(), Crc32::new());
    for frame in frames(0..size) {
        sum.update(&frame);
        crc.update(&frame);
        // A chunk of aws-chunked in a chunk of HTTP's.
        let inner = format!("{:x}\r\n", frame.len());
        let outer = inner.len() + frame.len() + 2;
        wire.write(format!("{outer:x}\r\n{inner}")).await;
        wire.write(&frame).await;
        wire.write("\r\n\r\n").await;
    }
    let end = format!("0\r\nx-amz-checksum-crc32:{}\r\n\r\n", crc.base64());
    wire.write(format!("{:x}\r\n{end}\r\n0\r\n\r\n", end.len()))
        .await;
    let said = wire.read().await;
    assert_eq!(said.status(), 200, "{}", said.text());
    sum.digest()
}

/// The content of `range`, frame by frame.
fn frames(range: std::ops::Range<u64>) -> impl Iterator<Item = bytes::Bytes> {
    let starts = (range.start..range.end).step_by(usize::try_from(FRAME).expect("small"));
    starts.map(move |start| content::bytes(7, start..(start + FRAME).min(range.end)))
}

/// The figures, for who asked for the full size.
fn tell((many, single): (u64, u64), (before, parts, after): (u64, u64, u64)) {
    let (many, single) = (many / MIB, single / MIB);
    eprintln!(
        "VmHWM: {before} MiB before, {parts} MiB after {many} MiB in {PARTS} parts at once, \
         {after} MiB after {single} MiB in one request"
    );
}
