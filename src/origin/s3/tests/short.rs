//! How a request ends whose payload turned out to be wrong, as the store's socket sees it.

use std::io::ErrorKind;

use futures::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn a_payload_that_fails_ends_in_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (s3, _) = connect(Config {
        endpoint: Some(format!("http://{address}")),
        path_style: true,
        credentials: Credentials::Anonymous,
        ..Config::default()
    })
    .await;
    let (read_some, when_read) = tokio::sync::oneshot::channel::<()>();
    let fails =
        stream::once(async { Ok(Frame::data(Bytes::from("he"))) }).chain(stream::once(async {
            when_read.await.expect("the store reads");
            Err(BoxError::from("the hash is wrong"))
        }));
    let payload = Stream {
        body: StreamBody::new(fails).boxed_unsync(),
        ..self::stream(Vec::new(), 5)
    };
    let store = async {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\nhe") {
            seen.push(socket.read_u8().await.expect("a byte"));
        }
        read_some.send(()).expect("the payload waits");
        socket.read_u8().await
    };
    let (answer, end) = futures::join!(s3.call(put(Payload::Stream(payload))), store);
    assert!(answer.is_err());
    let end = end.expect_err("the request is short");
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
}
