//! A form's file: how long it is, and its bytes as they stream.
//!
//! A store must be told a body's length before its first byte. What is left of a form is read where it is short, so that
//! fields may follow the file, as S3 lets them, and be ignored. Where it is long the file is taken to be the last part,
//! closed as clients close a form: then the length is certain, and a body that turns out to be another ends in an error,
//! upon which nothing is stored.

use bytes::{Bytes, BytesMut};
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::delimiter::{Delimiter, Scanner};
use crate::gateway;
use crate::s3::payload::{incomplete, next_data};
use crate::types::{Body, BoxError, body};

/// The longest rest of a form that is read before its file goes on, in bytes. Less than a connection's own buffers.
pub(super) const LOOK_AHEAD: u64 = 64 << 10;

/// The file of a form of which `rest` bytes are left, the first of them `begun`; the others come from `source`. At most
/// `look_ahead` bytes are read before it goes on. Gives its exact length and its bytes.
///
/// # Errors
/// The client's mistakes, as [`gateway::Error`]; in the body those that show later.
pub(super) async fn open(
    source: Body,
    begun: Bytes,
    rest: u64,
    look_ahead: u64,
    delimiter: Delimiter,
) -> Result<(u64, Body), BoxError> {
    if rest <= look_ahead {
        let bytes = short(source, begun, delimiter).await?;
        return Ok((bytes.len() as u64, body::full(bytes)));
    }
    let close = delimiter.close();
    let length = rest.checked_sub(close.len() as u64).ok_or_else(malformed)?;
    let file = File {
        source,
        pending: begun,
        scanner: Scanner::new(delimiter),
        length,
        left: length,
        close,
        tail: Vec::new(),
    };
    Ok((length, file.into_body()))
}

/// Reads all that is left and gives back the file; what follows its delimiter is ignored.
async fn short(mut source: Body, begun: Bytes, delimiter: Delimiter) -> Result<Bytes, BoxError> {
    let mut rest = BytesMut::from(begun);
    while let Some(bytes) = next_data(&mut source).await? {
        rest.extend_from_slice(&bytes);
    }
    let end = Scanner::new(delimiter).look(&rest).ok_or_else(malformed)?;
    rest.truncate(usize::try_from(end).expect("it is in memory"));
    Ok(rest.freeze())
}

/// A file that streams.
struct File {
    source: Body,
    /// Bytes that came before anybody asked.
    pending: Bytes,
    scanner: Scanner,
    length: u64,
    /// Bytes of the file still to come.
    left: u64,
    /// What must follow the file.
    close: Vec<u8>,
    /// What does.
    tail: Vec<u8>,
}

impl File {
    fn into_body(self) -> Body {
        let frames = stream::try_unfold(self, |mut file| async move {
            let bytes = file.next().await?;
            Ok(bytes.map(|bytes| (Frame::data(bytes), file)))
        });
        BodyExt::boxed_unsync(StreamBody::new(frames))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BoxError> {
        loop {
            let mut bytes = std::mem::take(&mut self.pending);
            if bytes.is_empty() {
                let Some(next) = next_data(&mut self.source).await? else {
                    return self.finish();
                };
                bytes = next;
            }
            let end = self.scanner.look(&bytes);
            if end.is_some_and(|end| end < self.length) {
                return Err(malformed());
            }
            let take = usize::try_from(self.left).unwrap_or(usize::MAX);
            let file = bytes.split_to(take.min(bytes.len()));
            self.left -= file.len() as u64;
            self.tail.extend_from_slice(&bytes);
            if self.tail.len() > self.close.len() {
                return Err(malformed());
            }
            if !file.is_empty() {
                return Ok(Some(file));
            }
        }
    }

    fn finish(&self) -> Result<Option<Bytes>, BoxError> {
        if self.left > 0 {
            Err(incomplete())
        } else if self.tail == self.close {
            Ok(None)
        } else {
            Err(malformed())
        }
    }
}

fn malformed() -> BoxError {
    gateway::Error::MalformedForm.into()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use proptest::prelude::{Strategy, any, prop, prop_assert_eq, proptest};

    use super::*;

    fn delimiter() -> Delimiter {
        Delimiter::new("B").expect("a boundary")
    }

    /// The file that `pieces` are after the head, and what went wrong.
    fn read(pieces: &[Bytes]) -> Result<(u64, Bytes), String> {
        let rest: usize = pieces.iter().map(Bytes::len).sum();
        let frames: Vec<_> = pieces
            .iter()
            .cloned()
            .map(|bytes| Ok(Frame::data(bytes)))
            .collect();
        let source = StreamBody::new(stream::iter(frames)).boxed_unsync();
        let reading = async {
            let (length, body) =
                open(source, Bytes::new(), rest as u64, LOOK_AHEAD, delimiter()).await?;
            Ok((length, body.collect().await?.to_bytes()))
        };
        let read = reading.now_or_never().expect("nothing waits");
        read.map_err(|error: BoxError| error.to_string())
    }

    fn whole(bytes: &[u8]) -> Result<(u64, Bytes), String> {
        read(&[Bytes::copy_from_slice(bytes)])
    }

    fn long() -> Vec<u8> {
        let piece = b"\r\n--Bx \r\n--B-. --B--\r\n";
        piece.repeat(usize::try_from(LOOK_AHEAD).expect("small") / piece.len() + 2)
    }

    #[test]
    fn a_short_form_may_end_as_it_likes() {
        for end in [
            "--",
            "--\r\n",
            "--\r\n\r\nepilogue",
            "\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n--B--\r\n",
        ] {
            for content in ["", "content", "\r\n--Bx\r\n"] {
                let got = whole(format!("{content}\r\n--B{end}").as_bytes());
                assert_eq!(
                    got,
                    Ok((content.len() as u64, content.to_owned().into())),
                    "{end:?}"
                );
            }
        }
        let malformed = malformed().to_string();
        assert_eq!(whole(b"content\r\n"), Err(malformed.clone()));
        assert_eq!(whole(b"content\r\n--Bx"), Err(malformed));
    }

    #[test]
    fn a_long_form_ends_with_its_file() {
        let content = long();
        let form = |end: &[u8]| [&content, end].concat();
        let length = content.len() as u64;
        assert_eq!(
            whole(&form(b"\r\n--B--\r\n")),
            Ok((length, content.clone().into()))
        );
        let field = b"\r\n--B\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n--B--\r\n";
        for other in [
            &b"\r\n--B--"[..],
            b"\r\n--B--\r\n\r\n",
            field,
            b"",
            b"\r\n--B\r\n--B--\r\n",
        ] {
            let got = whole(&form(other));
            assert_eq!(
                got,
                Err(malformed().to_string()),
                "{}",
                String::from_utf8_lossy(other)
            );
        }
    }

    #[tokio::test]
    async fn a_client_that_leaves_has_sent_no_file() {
        let (length, body) = open(
            body::full(long()),
            Bytes::new(),
            1 << 20,
            LOOK_AHEAD,
            delimiter(),
        )
        .await
        .expect("it begins well");
        assert_eq!(length, (1 << 20) - 9);
        let error = body.collect().await.expect_err("it ends early");
        let error = error
            .downcast::<gateway::Error>()
            .expect("the gateway's own");
        assert!(matches!(*error, gateway::Error::IncompleteBody));
    }

    fn cut(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Bytes> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let piece = |cut: &[usize]| Bytes::copy_from_slice(&bytes[cut[0]..cut[1]]);
        cuts.windows(2).map(piece).collect()
    }

    fn end() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "\r\n--B--\r\n",
            "\r\n--B--",
            "",
            "--B--\r\n",
            "\r\n--B\r\n\r\n--B--\r\n",
        ])
    }

    proptest! {
        #[test]
        fn a_file_is_the_same_however_it_is_cut(
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            is_long in any::<bool>(),
            end in end(),
        ) {
            let mut form = if is_long { long() } else { b"\r\n--Bx\r\n".to_vec() };
            form.extend(end.as_bytes());
            prop_assert_eq!(read(&cut(&form, &cuts)), whole(&form));
        }
    }
}
