//! What a collector of traces gets to see.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::client::Ask;
use crate::support::node::{self, Settings};
use crate::support::origin::TestOrigin;
use crate::support::process::Process;
use crate::support::spawn;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A span as it came over the wire, ids in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    /// Its attributes, as they came.
    attributes: Vec<Bytes>,
}

/// A collector that hands on every batch; takes OTLP over HTTP.
async fn collector() -> (SocketAddr, mpsc::UnboundedReceiver<Bytes>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (batches, collected) = mpsc::unbounded_channel();
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let batches = batches.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let batches = batches.clone();
                async move {
                    assert_eq!(request.uri().path(), "/v1/traces");
                    let batch = request.into_body().collect().await.expect("a batch");
                    drop(batches.send(batch.to_bytes()));
                    Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                }
            });
            let http = hyper::server::conn::http1::Builder::new();
            spawn(async move {
                drop(http.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    (address, collected)
}

/// The length-delimited fields of a protobuf message, by number; others are skipped.
fn fields(mut message: &[u8]) -> Vec<(u64, &[u8])> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => {
                varint(&mut message);
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)).expect("a length"),
            5 => 4,
            kind => panic!("no wire type is {kind}"),
        };
        let (field, rest) = message.split_at(length);
        message = rest;
        if key & 7 == 2 {
            fields.push((key >> 3, field));
        }
    }
    fields
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().expect("more bytes");
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// The parts of `message` under the field `number`.
fn parts(message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    let fields = fields(message).into_iter();
    fields.filter_map(move |(it, part)| (it == number).then_some(part))
}

/// The spans of a batch: resource spans (1), scope spans (2), spans (2).
fn spans(batch: &[u8]) -> Vec<Span> {
    let scopes = parts(batch, 1).flat_map(|resource| parts(resource, 2));
    let spans = scopes.flat_map(|scope| parts(scope, 2));
    let text = |span, number| parts(span, number).next().unwrap_or_default();
    spans
        .map(|span| Span {
            trace: hex::encode(text(span, 1)),
            id: hex::encode(text(span, 2)),
            parent: hex::encode(text(span, 4)),
            name: String::from_utf8(text(span, 5).to_vec()).expect("text"),
            attributes: parts(span, 9).map(Bytes::copy_from_slice).collect(),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_request_is_in_the_trace_of_the_request_that_caused_it() {
    let origin = TestOrigin::start().await;
    origin.put("train/k", 1, 32 << 20);
    let (address, mut collected) = collector().await;
    let settings = Settings {
        more: format!("[telemetry]\notlp_endpoint = \"http://{address}\""),
        ..Settings::default()
    };
    let process = Process::start(&node::configuration(origin.address, &settings)).await;
    let traced = Ask::get("/train/k").header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    assert_eq!(process.client.send(&traced).await.status, 200);
    let untraced = process.client.get("/train/k").await;
    assert_eq!(untraced.source(), "memory");
    process.terminate();
    assert_eq!(process.ended().await.code(), Some(0));
    collected.close();
    let mut all = Vec::new();
    while let Some(batch) = collected.recv().await {
        all.extend(spans(&batch));
    }

    let requests: Vec<_> = all.iter().filter(|span| span.name == "request").collect();
    assert_eq!(requests.len(), 2, "{all:#?}");
    let ours = requests.iter().find(|span| span.trace == TRACE);
    let ours = ours.expect("the caller's trace goes on");
    assert_eq!(ours.parent, PARENT);
    for word in ["operation", "GetObject", "http.response.status_code"] {
        let told = |it: &Bytes| it.windows(word.len()).any(|part| part == word.as_bytes());
        assert!(ours.attributes.iter().any(told), "{word}: {ours:?}");
    }
    let get = all.iter().find(|span| span.name == "origin.get");
    let get = get.expect("the origin was asked");
    assert_eq!(get.trace, TRACE);
    let ancestors =
        std::iter::successors(Some(get), |span| all.iter().find(|it| it.id == span.parent));
    let path: Vec<_> = ancestors.map(|span| span.name.as_str()).collect();
    assert_eq!(path, ["origin.get", "metadata flight", "request"]);
    let hit = requests.iter().find(|span| span.trace != TRACE);
    let hit = hit.expect("a trace of its own");
    assert_eq!(hit.parent, "");
    assert!(
        all.iter().all(|span| span.parent != hit.id),
        "a hit asks nobody: {all:#?}"
    );
}
