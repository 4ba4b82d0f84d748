//! XML documents as S3 writes them, and its two formats of dates.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;

use super::answer::{Answer, xml_answer};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An XML document that is being written.
pub(super) struct Xml {
    text: String,
    open: Vec<&'static str>,
}

impl Xml {
    /// A document whose root is in S3's namespace.
    pub(super) fn new(root: &'static str) -> Self {
        Self::with_root(root, &format!("<{root} xmlns=\"{NAMESPACE}\">"))
    }

    /// A document whose root is in no namespace, as S3's errors are.
    pub(super) fn plain(root: &'static str) -> Self {
        Self::with_root(root, &format!("<{root}>"))
    }

    fn with_root(root: &'static str, tag: &str) -> Self {
        Self {
            text: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{tag}"),
            open: vec![root],
        }
    }

    /// Opens an element.
    pub(super) fn open(&mut self, name: &'static str) {
        self.text.extend(["<", name, ">"]);
        self.open.push(name);
    }

    /// Opens an element that has attributes.
    pub(super) fn open_as(&mut self, name: &'static str, attributes: &'static str) {
        self.text.extend(["<", name, " ", attributes, ">"]);
        self.open.push(name);
    }

    /// Closes the element opened last.
    pub(super) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.text.extend(["</", name, ">"]);
        }
    }

    /// An element of text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.text.extend(["<", name, ">"]);
        escape(value, &mut self.text);
        self.text.extend(["</", name, ">"]);
    }

    /// An element that is true or false.
    pub(super) fn flag(&mut self, name: &str, value: bool) {
        self.text(name, if value { "true" } else { "false" });
    }

    /// Closes what is open.
    pub(super) fn finish(mut self) -> Bytes {
        while !self.open.is_empty() {
            self.close();
        }
        self.text.into()
    }

    /// Closes what is open and answers 200 with it.
    pub(super) fn answer(self) -> Answer {
        xml_answer(StatusCode::OK, self.finish())
    }
}

/// Escapes as S3 does: control characters become references, although XML 1.0 has no such characters.
fn escape(value: &str, into: &mut String) {
    for character in value.chars() {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\t' | '\n' => into.push(character),
            control if control < ' ' => into.push_str(&format!("&#x{:x};", u32::from(control))),
            other => into.push(other),
        }
    }
}

/// The last second that HTTP's and S3's date formats can write: the end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// `seconds` since 1970 as S3's XML has them; times outside of 1970 to 9999 become the nearest one inside.
pub(super) fn iso_date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds.clamp(0, LAST_SECOND))
        .expect("the range of the format is inside of the library's");
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// `seconds` since 1970 as HTTP headers have them, clamped as in [`iso_date`].
pub(super) fn http_date(seconds: i64) -> String {
    let seconds = u64::try_from(seconds.clamp(0, LAST_SECOND)).expect("it is not negative");
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_outside_of_the_formats_do_not_panic() {
        assert_eq!(iso_date(-5), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_date(1_000_000_000), "2001-09-09T01:46:40.000Z");
        assert_eq!(http_date(1_000_000_000), "Sun, 09 Sep 2001 01:46:40 GMT");
        assert!(http_date(i64::MAX).contains("9999"));
    }
}
