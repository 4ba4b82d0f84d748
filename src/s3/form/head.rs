//! The part of a form that precedes its file: its fields. Pure; bytes come piece by piece.
//!
//! Written here because the file's length must be known before its first byte goes on: it is what the request's length
//! leaves over, so that the exact number of bytes before the file counts, which parsers of streams do not tell.

use super::delimiter::{Delimiter, Found};
use super::parameters::Parameters;

/// The most bytes before a file: S3's own limit, which bounds the number of fields too.
pub(super) const MAX_BYTES: usize = 20_480;

/// The fields before a file, and the bytes behind them that have come already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Names and values in the form's order.
    pub(super) fields: Vec<(String, String)>,
    /// The name that the client gives the file.
    pub(super) file_name: Option<String>,
    /// How many bytes of the body precede the file.
    pub(super) length: u64,
}

/// Why a body is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// It is no well-formed `multipart/form-data`.
    Malformed,
    /// More than [`MAX_BYTES`] come before a file.
    TooLong,
    /// It ends without a file.
    NoFile,
}

/// Reads a form up to its file.
#[derive(Debug)]
pub(super) struct Reader {
    delimiter: Delimiter,
    /// What has come, after a CRLF of our own: the first delimiter may open the body.
    bytes: Vec<u8>,
    /// Up to where the bytes are read.
    at: usize,
    /// Up to where the bytes were searched in vain for what comes next.
    searched: usize,
    state: State,
    fields: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Preamble,
    /// Behind a delimiter.
    Line,
    PartHeader,
    Value(String),
}

/// The CRLF that is put before a body.
const OWN: &[u8] = b"\r\n";

impl Reader {
    pub(super) fn new(delimiter: Delimiter) -> Self {
        Self {
            delimiter,
            bytes: OWN.to_vec(),
            at: 0,
            searched: 0,
            state: State::Preamble,
            fields: Vec::new(),
        }
    }

    /// Takes the next bytes; gives the head once the file begins. The bytes behind it are [`Head::length`] bytes from
    /// the body's start.
    ///
    /// # Errors
    /// Where this cannot become a form with a file.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<Head>, Mistake> {
        let room = (OWN.len() + MAX_BYTES + 1).saturating_sub(self.bytes.len());
        self.bytes.extend(&bytes[..bytes.len().min(room)]);
        let head = self.advance()?;
        match head {
            Some(head) if head.length > MAX_BYTES as u64 => Err(Mistake::TooLong),
            None if self.bytes.len() > OWN.len() + MAX_BYTES => Err(Mistake::TooLong),
            head => Ok(head),
        }
    }

    fn advance(&mut self) -> Result<Option<Head>, Mistake> {
        loop {
            let moved = match self.state.clone() {
                State::Preamble => self.until_delimiter().map(|_| State::Line),
                State::Value(name) => match self.until_delimiter() {
                    Some(value) => {
                        let value = String::from_utf8(value).map_err(|_| Mistake::Malformed)?;
                        self.fields.push((name, value));
                        Some(State::Line)
                    }
                    None => None,
                },
                State::Line => self.end_of_line()?,
                State::PartHeader => match self.part_header() {
                    Some(header) => {
                        let part = Part::parse(&header)?;
                        if part.name.eq_ignore_ascii_case("file") {
                            return Ok(Some(self.head(part.file_name)));
                        }
                        Some(State::Value(part.name))
                    }
                    None => None,
                },
            };
            let Some(state) = moved else {
                return Ok(None);
            };
            self.state = state;
        }
    }

    fn head(&mut self, file_name: Option<String>) -> Head {
        Head {
            fields: std::mem::take(&mut self.fields),
            file_name,
            length: (self.at - OWN.len()) as u64,
        }
    }

    /// The bytes before the next delimiter, which is then read; none where it has not come yet.
    fn until_delimiter(&mut self) -> Option<Vec<u8>> {
        match self.delimiter.find(&self.bytes, self.searched) {
            Found::At(at) => {
                let before = self.bytes[self.at..at].to_vec();
                self.go_to(at + self.delimiter.len());
                Some(before)
            }
            Found::Perhaps(at) => {
                self.searched = at;
                None
            }
            Found::Nowhere => {
                self.searched = self.bytes.len();
                None
            }
        }
    }

    /// What follows a delimiter: blanks and CRLF, or two hyphens, which end the form.
    fn end_of_line(&mut self) -> Result<Option<State>, Mistake> {
        let rest = &self.bytes[self.at..];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
        let blanks = blanks.count();
        match &rest[blanks..] {
            [b'-', b'-', ..] if blanks == 0 => Err(Mistake::NoFile),
            [b'\r', b'\n', ..] => {
                // Part headers end with an empty line, which follows this CRLF where there are none.
                self.go_to(self.at + blanks);
                Ok(Some(State::PartHeader))
            }
            [] | [b'\r'] => Ok(None),
            [..] => Err(Mistake::Malformed),
        }
    }

    /// The lines of a part's header, each after a CRLF.
    fn part_header(&mut self) -> Option<Vec<u8>> {
        const END: &[u8] = b"\r\n\r\n";
        let from = self.searched.max(self.at);
        match memchr::memmem::find(&self.bytes[from..], END) {
            Some(at) => {
                let header = self.bytes[self.at..from + at].to_vec();
                self.go_to(from + at + END.len());
                Some(header)
            }
            None => {
                let tail = self.bytes.len().saturating_sub(END.len() - 1);
                self.searched = from.max(tail);
                None
            }
        }
    }

    fn go_to(&mut self, at: usize) {
        self.at = at;
        self.searched = at;
    }
}

/// What a part's header says.
struct Part {
    name: String,
    file_name: Option<String>,
}

impl Part {
    fn parse(header: &[u8]) -> Result<Self, Mistake> {
        let header = std::str::from_utf8(header).map_err(|_| Mistake::Malformed)?;
        let disposition = header.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let named = name.trim().eq_ignore_ascii_case("content-disposition");
            named.then_some(value)
        });
        let disposition = disposition
            .and_then(Parameters::parse)
            .filter(|disposition| disposition.value == "form-data")
            .ok_or(Mistake::Malformed)?;
        let name = disposition.get("name").ok_or(Mistake::Malformed)?;
        Ok(Self {
            name: name.to_owned(),
            file_name: disposition.file_name(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    const FORM: &str = "--B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na/b\r\n\
        --B  \r\ncontent-type: text/plain\r\ncontent-disposition: form-data; name=empty\r\n\r\n\r\n\
        --B\r\nContent-Disposition: form-data; name=\"x\"; filename=\"x\"\r\n\r\nline\r\n--Bx\r\n\r\n\
        --B\r\nContent-Disposition: form-data; name=\"File\"; filename=\"a.txt\"\r\nContent-Type: image/png\r\n\r\n";

    fn read(pieces: &[&[u8]]) -> Result<Option<Head>, Mistake> {
        let mut reader = Reader::new(Delimiter::new("B").expect("a boundary"));
        for piece in pieces {
            let head = reader.read(piece)?;
            if head.is_some() {
                return Ok(head);
            }
        }
        Ok(None)
    }

    fn field(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    fn expected() -> Head {
        Head {
            fields: vec![
                field("key", "a/b"),
                field("empty", ""),
                field("x", "line\r\n--Bx\r\n"),
            ],
            file_name: Some("a.txt".to_owned()),
            length: FORM.len() as u64,
        }
    }

    #[test]
    fn the_fields_before_the_file_are_read() {
        assert_eq!(read(&[FORM.as_bytes()]), Ok(Some(expected())));
        let with_content = format!("{FORM}content\r\n--B--\r\n");
        assert_eq!(read(&[with_content.as_bytes()]), Ok(Some(expected())));
        let with_preamble = format!("ignored\r\n{FORM}");
        let head = read(&[with_preamble.as_bytes()]).expect("a form");
        assert_eq!(head.map(|head| head.length), Some(FORM.len() as u64 + 9));
    }

    #[test]
    fn what_is_no_form_with_a_file_is_refused() {
        let code = |text: &str| read(&[text.as_bytes()]).expect_err(text);
        let part = "--B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na\r\n--B--\r\n";
        assert_eq!(code(part), Mistake::NoFile);
        assert_eq!(code("--B--\r\n"), Mistake::NoFile);
        assert_eq!(code("--B \rx"), Mistake::Malformed);
        assert_eq!(code("--B\r\n\r\nno header"), Mistake::Malformed);
        let other = "--B\r\nContent-Disposition: file; name=\"file\"\r\n\r\n";
        assert_eq!(code(other), Mistake::Malformed);
        assert_eq!(code(&"x".repeat(MAX_BYTES + 1)), Mistake::TooLong);
        let nameless = "--B\r\nContent-Disposition: form-data\r\n\r\n";
        assert_eq!(code(nameless), Mistake::Malformed);
        assert_eq!(read(&[&FORM.as_bytes()[..FORM.len() - 1]]), Ok(None));
    }

    #[test]
    fn the_fields_have_20_kib_and_not_a_byte_more() {
        let form = |length: usize| {
            let rest =
                FORM.len() + "--B\r\nContent-Disposition: form-data; name=\"y\"\r\n\r\n\r\n".len();
            let value = "y".repeat(length - rest);
            format!(
                "--B\r\nContent-Disposition: form-data; name=\"y\"\r\n\r\n{value}\r\n{FORM}rest"
            )
        };
        let head = read(&[form(MAX_BYTES).as_bytes()]).expect("it fits");
        assert_eq!(head.map(|head| head.length), Some(MAX_BYTES as u64));
        assert_eq!(
            read(&[form(MAX_BYTES + 1).as_bytes()]),
            Err(Mistake::TooLong)
        );
    }

    proptest! {
        #[test]
        fn it_is_read_however_it_is_cut(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(FORM.len() + 1)).collect();
            cuts.extend([0, FORM.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &FORM.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(read(&pieces), Ok(Some(expected())));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut form = b"--B\r\n".to_vec();
            form.extend(bytes);
            let whole = read(&[&form]);
            let pieces: Vec<&[u8]> = form.chunks(1).collect();
            prop_assert_eq!(read(&pieces), whole);
        }
    }
}
