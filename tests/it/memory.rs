//! How much memory a node takes, as the operating system counts it.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::support::client::Ask;
use crate::support::node::{self, Settings};
use crate::support::origin::TestOrigin;
use crate::support::process::Process;
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
