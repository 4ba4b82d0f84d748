//! The listener as clients see it.

use super::*;
use futures::StreamExt;
use http_body_util::BodyExt;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsConnector;

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: test\r\n\r\n";

struct World {
    address: SocketAddr,
    tasks: Tasks,
    metrics: Arc<Metrics>,
}

impl World {
    /// A listener on which `handler` answers.
    async fn start<H, F>(limits: Limits, tls: Option<Tls>, handler: H) -> Self
    where
        H: Fn(Request<RequestBody>, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start_on(None, limits, tls, handler).await
    }

    /// The same, on `cores`.
    async fn start_on<H, F>(
        cores: Option<Arc<Cores>>,
        limits: Limits,
        tls: Option<Tls>,
        handler: H,
    ) -> Self
    where
        H: Fn(Request<RequestBody>, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let world = Self {
            address: socket.local_addr().unwrap(),
            tasks: Tasks::default(),
            metrics: Arc::default(),
        };
        let listener = Listener {
            socket,
            tls,
            limits,
            metrics: Arc::clone(&world.metrics),
            cores,
        };
        serve(listener, &world.tasks, handler);
        world
    }

    /// A listener that echoes the path.
    async fn echo(limits: Limits) -> Self {
        Self::start(limits, None, echo).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn echo(request: Request<RequestBody>, _peer: SocketAddr) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let _ = request.into_body().collect().await;
    Response::new(crate::types::body::full(path))
}

/// Reads until `end` or the end of the stream.
async fn read_until(stream: &mut (impl tokio::io::AsyncRead + Unpin), end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        match stream.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_on_one_connection() {
    let world = World::echo(Limits::default()).await;
    let mut client = world.connect().await;
    let two = format!("{HELLO}{}", HELLO.replace("/hello", "/again"));
    client.write_all(two.as_bytes()).await.unwrap();
    assert!(
        read_until(&mut client, "/hello")
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        read_until(&mut client, "/again")
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert_eq!(world.metrics.net.accepted.get(), 1);
    assert_eq!(world.metrics.net.open.get(), 1);
}

#[tokio::test]
async fn connections_are_shared_out_over_the_cores_and_each_stays_on_its_own() {
    async fn place(_: Request<RequestBody>, _: SocketAddr) -> Response<Body> {
        let place = crate::per_core::current().map(|core| format!("core {core} "));
        Response::new(crate::types::body::full(place.unwrap_or_default()))
    }
    let cores = Arc::new(Cores::new("some-cores").unwrap());
    let count = cores.count();
    let world = World::start_on(Some(cores), Limits::default(), None, place).await;
    let mut places = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..2 * count {
        let mut client = world.connect().await;
        let mut answers = Vec::new();
        for _ in 0..3 {
            client.write_all(HELLO.as_bytes()).await.unwrap();
            let answer = read_until(&mut client, " ").await;
            let head = read_until(&mut client, "core ").await;
            assert!((answer + &head).starts_with("HTTP/1.1 200"));
            answers.push(read_until(&mut client, " ").await);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        places.append(&mut answers);
        clients.push(client);
    }
    places.sort_unstable();
    let expected = (0..count).flat_map(|core| [format!("{core} "), format!("{core} ")]);
    let mut expected: Vec<_> = expected.collect();
    expected.sort_unstable();
    assert_eq!(places, expected);
}

#[tokio::test]
async fn a_connection_of_age_says_that_it_ends_and_ends() {
    let age = Duration::ZERO;
    let world = World::echo(Limits {
        age,
        ..Limits::default()
    })
    .await;
    let mut client = world.connect().await;
    client.write_all(HELLO.as_bytes()).await.unwrap();
    let answer = read_until(&mut client, "never").await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("/hello"), "{answer}");
    let young = World::echo(Limits::default()).await;
    let mut client = young.connect().await;
    client.write_all(HELLO.as_bytes()).await.unwrap();
    let answer = read_until(&mut client, "/hello").await;
    assert!(!answer.contains("connection:"), "{answer}");
}

#[tokio::test]
async fn headers_beyond_the_limit_are_answered_431() {
    let world = World::echo(Limits {
        header_bytes: 8 << 10,
        ..Limits::default()
    })
    .await;
    let mut client = world.connect().await;
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(16 << 10));
    client.write_all(long.as_bytes()).await.unwrap();
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_one_to_end() {
    let world = World::echo(Limits {
        connections: 1,
        ..Limits::default()
    })
    .await;
    let mut first = world.connect().await;
    first.write_all(HELLO.as_bytes()).await.unwrap();
    read_until(&mut first, "/hello").await;

    let mut second = world.connect().await;
    second.write_all(HELLO.as_bytes()).await.unwrap();
    first.write_all(HELLO.as_bytes()).await.unwrap();
    read_until(&mut first, "/hello").await;
    assert_eq!(world.metrics.net.accepted.get(), 1);
    assert_eq!(world.metrics.net.full.get(), 1);

    drop(first);
    assert!(read_until(&mut second, "/hello").await.ends_with("/hello"));
}

#[tokio::test]
async fn stopping_waits_for_a_running_body_and_accepts_no_more() {
    let (page, pages) = mpsc::channel::<bytes::Bytes>(1);
    let pages = Arc::new(std::sync::Mutex::new(Some(pages)));
    let world = World::start(Limits::default(), None, move |_request, _peer| {
        let mut pages = pages.lock().unwrap().take().expect("one request");
        async move {
            let frames = futures::stream::poll_fn(move |cx| pages.poll_recv(cx))
                .map(|page| Ok(http_body::Frame::data(page)));
            Response::new(http_body_util::StreamBody::new(frames).boxed_unsync())
        }
    })
    .await;
    let mut client = world.connect().await;
    client.write_all(HELLO.as_bytes()).await.unwrap();
    page.send("first".into()).await.unwrap();
    read_until(&mut client, "first").await;

    let body = async {
        world.tasks.stopping().await;
        page.send("second".into()).await.unwrap();
        drop(page);
        read_until(&mut client, "second").await;
        read_until(&mut client, "never").await
    };
    let (cancelled, end) = tokio::join!(world.tasks.drain(Duration::from_secs(30)), body);
    assert!(end.ends_with("0\r\n\r\n"), "{end:?}");
    assert_eq!(cancelled, 0);
    assert!(TcpStream::connect(world.address).await.is_err());
}

/// A body without an end, that tells when it is dropped.
fn endless(dropped: Arc<Notify>) -> Body {
    struct Dropped(Arc<Notify>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let dropped = Dropped(dropped);
    let frames = futures::stream::repeat_with(move || {
        let _held = &dropped;
        Ok(http_body::Frame::data(bytes::Bytes::from_static(
            &[b'x'; 4096],
        )))
    });
    BodyExt::boxed_unsync(http_body_util::StreamBody::new(frames))
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_answer() {
    let dropped = Arc::new(Notify::new());
    let tell = Arc::clone(&dropped);
    let world = World::start(Limits::default(), None, move |_request, _peer| {
        let answer = Response::new(endless(Arc::clone(&tell)));
        async move { answer }
    })
    .await;
    let mut client = world.connect().await;
    client.write_all(HELLO.as_bytes()).await.unwrap();
    read_until(&mut client, "x").await;
    drop(client);
    dropped.notified().await;
}

#[tokio::test]
async fn only_connections_are_cut_off_at_the_end() {
    let world = World::start(Limits::default(), None, |_request, _peer| async {
        Response::new(endless(Arc::default()))
    })
    .await;
    let mut client = world.connect().await;
    client.write_all(HELLO.as_bytes()).await.unwrap();
    read_until(&mut client, "x").await;
    assert_eq!(world.tasks.drain(Duration::from_secs(1)).await, 1);
}

#[tokio::test]
async fn a_client_that_has_ended_its_side_is_answered() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_begun, hear) = (Arc::clone(&begun), Arc::clone(&go_on));
    let world = World::start(Limits::default(), None, move |request, peer| {
        let (begun, go_on) = (Arc::clone(&tell_begun), Arc::clone(&hear));
        async move {
            begun.notify_one();
            go_on.notified().await;
            echo(request, peer).await
        }
    })
    .await;
    let mut client = world.connect().await;
    client.write_all(HELLO.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    begun.notified().await;
    go_on.notify_one();
    let answer = read_until(&mut client, "/hello").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_sends_all_before_it_reads_hears_the_answer() {
    let world = World::start(Limits::default(), None, |_request, _peer| async {
        Response::new(crate::types::body::full("refused"))
    })
    .await;
    let mut client = world.connect().await;
    let head = format!(
        "PUT /k HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n",
        8 << 20
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&vec![b'x'; 8 << 20]).await.unwrap();
    let answer = read_until(&mut client, "refused").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    // The connection is in step: the next request is answered too.
    client.write_all(HELLO.as_bytes()).await.unwrap();
    read_until(&mut client, "refused").await;
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_is_not_made_to_send() {
    let world = World::start(Limits::default(), None, |_request, _peer| async {
        Response::new(crate::types::body::full("refused"))
    })
    .await;
    let mut client = world.connect().await;
    let head = "PUT /k HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut client, "\0").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    assert!(
        answer.ends_with("refused"),
        "then the connection ends: {answer:?}"
    );
}

#[tokio::test]
async fn stopping_does_not_wait_for_what_nobody_wants() {
    let world = World::start(Limits::default(), None, |_request, _peer| async {
        Response::new(crate::types::body::full("refused"))
    })
    .await;
    let mut client = world.connect().await;
    let head = "PUT /k HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut client, "refused").await;
    assert_eq!(world.tasks.drain(Duration::from_secs(30)).await, 0);
}

/// Writes a new self-signed certificate; returns it in DER.
fn new_certificate(folder: &Path) -> rustls::pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// The answer to a request over TLS by a client that trusts `certificate` alone.
async fn ask(
    address: SocketAddr,
    certificate: &rustls::pki_types::CertificateDer<'static>,
) -> io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = "localhost".try_into().unwrap();
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(HELLO.as_bytes()).await?;
    Ok(read_until(&mut stream, "/hello").await)
}

#[tokio::test]
async fn a_new_certificate_is_taken_into_use_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = new_certificate(folder.path());
    let tls = Tls::load(TlsFiles {
        cert: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    })
    .unwrap();
    let world = World::start(Limits::default(), Some(tls.clone()), echo).await;
    assert!(
        ask(world.address, &first)
            .await
            .unwrap()
            .ends_with("/hello")
    );
    assert_eq!(tls.reload().unwrap(), tls::Reload::Unchanged);

    let second = new_certificate(folder.path());
    assert_eq!(tls.reload().unwrap(), tls::Reload::Changed);
    assert!(ask(world.address, &second).await.is_ok());
    assert!(ask(world.address, &first).await.is_err());

    // The key of another certificate.
    let cert = std::fs::read(folder.path().join("cert.pem")).unwrap();
    new_certificate(folder.path());
    std::fs::write(folder.path().join("cert.pem"), cert).unwrap();
    tls.reload().expect_err("the key is not the certificate's");
    assert_eq!(tls.reload().unwrap(), tls::Reload::Unchanged);
    assert!(ask(world.address, &second).await.is_ok());

    std::fs::remove_file(folder.path().join("cert.pem")).unwrap();
    tls.reload().expect_err("it is gone");
    assert_eq!(tls.reload().unwrap(), tls::Reload::Unchanged);
    let third = new_certificate(folder.path());
    assert_eq!(tls.reload().unwrap(), tls::Reload::Changed);
    assert!(ask(world.address, &third).await.is_ok());
}

#[test]
fn a_file_that_is_no_certificate_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    new_certificate(folder.path());
    let files = TlsFiles {
        cert: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.cert, "nonsense").unwrap();
    assert!(matches!(
        Tls::load(files),
        Err(tls::Error::NoCertificate(_))
    ));
}
