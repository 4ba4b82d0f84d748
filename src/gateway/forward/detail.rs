//! What belongs to an object besides its body: tags, ACL, attributes, retention, legal hold, restoring; and questions asked
//! of its content.
//!
//! Answers are passed on as they are: a tag's `Key` is no object's key. Whatever changes an object's headers is a write, so
//! that the next read sees it.

use bytes::Bytes;
use http::Response;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::{Forward, exchange};
use crate::gateway::write::verify::{self, Claims, Fault};
use crate::gateway::{Error, Request, Upload};
use crate::origin::Payload;
use crate::types::{Body, OperationName};

/// The longest document that is taken, in bytes: an ACL of 100 grants stays far below, as do S3's other documents.
const MAX_DOCUMENT: usize = 1 << 20;

/// Elements with which RestoreObject writes what it finds to another bucket. No right was asked for that one.
const ELSEWHERE: [&[u8]; 3] = [b"OutputLocation", b"SelectParameters", b"Type"];

impl Forward<'_> {
    pub(super) async fn object_detail(
        &self,
        mut request: Request,
    ) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let call = Self::call(&route, &mut request, Payload::Whole(Bytes::new()))?;
        exchange(&route, call).await
    }

    pub(super) async fn change_object(
        &self,
        mut request: Request,
    ) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let subjects = self.subjects(&route, &request)?;
        let document = document(&mut request).await?;
        if request.operation.name == OperationName::RestoreObject {
            stays_in_place(&document)?;
        }
        let call = Self::call(&route, &mut request, Payload::Whole(document))?;
        self.written(&route, subjects, call, Fault::default()).await
    }

    /// The answer streams.
    pub(super) async fn select(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let document = document(&mut request).await?;
        let call = Self::call(&route, &mut request, Payload::Whole(document))?;
        exchange(&route, call).await
    }
}

/// The request's document, verified.
pub(super) async fn document(request: &mut Request) -> Result<Bytes, Error> {
    let upload = std::mem::replace(&mut request.upload, Upload::none());
    verify::document(&mut request.headers, upload, MAX_DOCUMENT, Claims::All).await
}

/// Refuses a RestoreObject that would write anywhere else.
fn stays_in_place(document: &[u8]) -> Result<(), Error> {
    // A reader that takes other encodings, or entities, would see another document.
    let text = std::str::from_utf8(document).map_err(|_| Error::MalformedXml)?;
    if text.contains('\0') {
        return Err(Error::MalformedXml);
    }
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().map_err(|_| Error::MalformedXml)? {
            Event::Start(start) | Event::Empty(start) => {
                if ELSEWHERE.contains(&start.local_name().as_ref()) {
                    return Err(Error::NotImplemented(
                        "RestoreObject with an output location",
                    ));
                }
            }
            Event::DocType(_) => return Err(Error::MalformedXml),
            Event::Eof => return Ok(()),
            Event::End(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::gateway::forward::support::{World, ok, request};

    #[test]
    fn a_restore_writes_nowhere_else() {
        let days = b"<RestoreRequest><Days>1</Days><Tier>Bulk</Tier></RestoreRequest>";
        assert!(stays_in_place(days).is_ok());
        assert!(stays_in_place(b"").is_ok());
        for bad in [
            "<RestoreRequest><Type>SELECT</Type></RestoreRequest>",
            "<RestoreRequest><x:OutputLocation/></RestoreRequest>",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><RestoreRequest/>",
            "<RestoreRequest><Days>1</Tier></RestoreRequest>",
            "<\0R\0/\0>\0",
        ] {
            assert!(stays_in_place(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(stays_in_place(b"\xff\xfe<\0R\0").is_err());
    }

    #[tokio::test]
    async fn a_tags_key_is_no_objects_key() {
        let document =
            "<Tagging><TagSet><Tag><Key>team/a</Key><Value>1</Value></Tag></TagSet></Tagging>";
        let world = World::new(move |_| ok(document));
        let asked = request(OperationName::GetObjectTagging, Method::GET, "k");
        let answer = world.serve(asked).await.expect("an answer");
        let body = http_body_util::BodyExt::collect(answer.into_body()).await;
        assert_eq!(body.expect("a body").to_bytes(), document);
    }

    #[tokio::test]
    async fn what_changes_an_object_makes_the_next_read_ask() {
        for (operation, method) in [
            (OperationName::PutObjectTagging, Method::PUT),
            (OperationName::DeleteObjectTagging, Method::DELETE),
            (OperationName::PutObjectAcl, Method::PUT),
            (OperationName::PutObjectLegalHold, Method::PUT),
            (OperationName::PutObjectRetention, Method::PUT),
            (OperationName::RestoreObject, Method::POST),
        ] {
            let world = World::new(|_| ok(""));
            let object = world.object("k");
            let ticket = world.records.ticket(&object);
            let answer = world.serve(request(operation, method, "k")).await;
            answer.expect("an answer");
            assert!(!world.records.is_current(&ticket), "{operation:?}");
        }
    }
}
