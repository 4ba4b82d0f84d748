//! The tags of a form, a `<Tagging>` document, as the header that a PUT has for them. Pure.

use percent_encoding::utf8_percent_encode;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

use super::fields::ENCODED;
use crate::s3::error::{Code, Refusal};

/// The value of `x-amz-tagging` for a document; empty where it has no tags.
///
/// # Errors
/// MalformedXML where it is not well-formed, or a tag in it has no key.
pub(super) fn header(document: &str) -> Result<String, Refusal> {
    let tags = read(document).ok_or_else(|| Refusal::new(Code::MalformedXml))?;
    let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let pairs = tags
        .iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)));
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

/// The tags; elements that are none are passed over, as S3 does.
fn read(document: &str) -> Option<Vec<(String, String)>> {
    let mut reader = Reader::from_str(document);
    let (mut tags, mut tag) = (Vec::new(), None);
    let (mut depth, mut elements) = (0, 0);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                elements += 1;
                match (start.local_name().as_ref(), &mut tag) {
                    (b"Tag", None) => tag = Some((None, None)),
                    (b"Key", Some((key @ None, _))) => {
                        *key = Some(text(reader.read_text(start.name()).ok()?.as_ref())?);
                        continue;
                    }
                    (b"Value", Some((_, value @ None))) => {
                        *value = Some(text(reader.read_text(start.name()).ok()?.as_ref())?);
                        continue;
                    }
                    (_, Some(_)) => return None,
                    (_, None) => {}
                }
                depth += 1;
            }
            Event::End(end) => {
                depth -= 1;
                if end.local_name().as_ref() == b"Tag" {
                    let (key, value) = tag.take()?;
                    tags.push((key?, value.unwrap_or_default()));
                }
            }
            Event::Empty(empty) => {
                elements += 1;
                match (empty.local_name().as_ref(), &mut tag) {
                    (b"Value", Some((_, value @ None))) => *value = Some(String::new()),
                    (_, Some(_)) | (b"Tag", None) => return None,
                    (_, None) => {}
                }
            }
            Event::Text(text) if text.decode().ok()?.trim().is_empty() => {}
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => return (depth == 0 && elements > 0).then_some(tags),
            _ => return None,
        }
    }
}

/// The text of an element that holds nothing else.
fn text(raw: &str) -> Option<String> {
    let plain = !raw.contains('<');
    plain.then(|| unescape(raw).ok().map(|text| text.into_owned()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_written_as_a_query() {
        let one = "<?xml version=\"1.0\"?><Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n <TagSet>\
            <Tag><Key>a</Key><Value>1</Value></Tag> <Tag><Value>x=y&amp;\u{fc}</Value><Key>b c</Key></Tag>\
            <Tag><Key>d</Key><Value/></Tag></TagSet>\n</Tagging>";
        assert_eq!(header(one), Ok("a=1&b%20c=x%3Dy%26%C3%BC&d=".to_owned()));
        // What S3 itself makes of a document without tags.
        assert_eq!(
            header("<InvalidXmlTagging></InvalidXmlTagging>"),
            Ok(String::new())
        );
        assert_eq!(header("<Tagging><TagSet/></Tagging>"), Ok(String::new()));
    }

    #[test]
    fn what_is_no_document_of_tags_is_refused() {
        for bad in [
            "not-xml",
            "",
            "<Tagging>",
            "<Tagging><TagSet><Tag><Value>1</Value></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Tag><Key>a</Key><Key>b</Key></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Tag><Key>a<b/></Key></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Tag/></TagSet></Tagging>",
            "<Tagging>&bad;</Tagging>",
        ] {
            let refusal = header(bad).expect_err(bad);
            assert_eq!(refusal.code, Code::MalformedXml, "{bad}");
        }
    }
}
