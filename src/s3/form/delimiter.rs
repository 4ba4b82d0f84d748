//! Where the parts of a form end: the boundary, and the search for it in bytes that come piece by piece. Pure.
//!
//! A delimiter is CRLF, two hyphens and the boundary, followed by two hyphens, blanks or CRLF (RFC 2046, section 5.1.1).
//! The same bytes followed by anything else are content.

use memchr::memmem::Finder;

/// The longest boundary in bytes. The standard has 70; longer ones are let through with some room.
const MAX_BOUNDARY: usize = 200;
/// Bytes after the boundary that say whether it is a delimiter.
const FOLLOWING: usize = 2;

/// A form's delimiter.
#[derive(Debug, Clone)]
pub(super) struct Delimiter {
    finder: Finder<'static>,
}

/// The first place where a delimiter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    At(usize),
    /// The bytes end before it is certain.
    Perhaps(usize),
    Nowhere,
}

impl Delimiter {
    /// The delimiter of a form with this boundary; none where it can be no boundary.
    pub(super) fn new(boundary: &str) -> Option<Self> {
        let fits = (1..=MAX_BOUNDARY).contains(&boundary.len())
            && boundary.bytes().all(|byte| (b' '..=b'~').contains(&byte))
            && !boundary.ends_with(' ');
        let finder = || Finder::new(&format!("\r\n--{boundary}")).into_owned();
        fits.then(|| Self { finder: finder() })
    }

    /// Its length in bytes, from the CRLF to the end of the boundary.
    pub(super) fn len(&self) -> usize {
        self.finder.needle().len()
    }

    /// The usual end of a form, which follows its last byte of content.
    pub(super) fn close(&self) -> Vec<u8> {
        [self.finder.needle(), b"--\r\n"].concat()
    }

    /// Looks for the delimiter in `bytes`, from `start` on.
    pub(super) fn find(&self, bytes: &[u8], start: usize) -> Found {
        let mut from = start.min(bytes.len());
        while let Some(at) = self.finder.find(&bytes[from..]).map(|at| from + at) {
            match &bytes[at + self.len()..] {
                [b' ' | b'\t' | b'\r', ..] | [b'-', b'-', ..] => return Found::At(at),
                [] | [b'-'] => return Found::Perhaps(at),
                [..] => from = at + 1,
            }
        }
        let needle = self.finder.needle();
        let tail = from.max(bytes.len().saturating_sub(needle.len() - 1));
        let begins = |at: &usize| needle.starts_with(&bytes[*at..]);
        let partly = (tail..bytes.len()).find(begins);
        partly.map_or(Found::Nowhere, Found::Perhaps)
    }
}

/// Looks for the first delimiter in bytes that come in pieces, of which none is kept.
#[derive(Debug)]
pub(super) struct Scanner {
    delimiter: Delimiter,
    /// The last bytes that were seen, in which a delimiter may have begun.
    seam: Vec<u8>,
    /// Bytes that were seen.
    seen: u64,
    found: Option<u64>,
}

impl Scanner {
    pub(super) fn new(delimiter: Delimiter) -> Self {
        Self {
            delimiter,
            seam: Vec::new(),
            seen: 0,
            found: None,
        }
    }

    /// Looks at the next bytes. Gives back how many bytes precede the first delimiter, once there was one.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Option<u64> {
        if self.found.is_none() {
            self.found = self.across(bytes).or_else(|| self.within(bytes));
        }
        self.seen += bytes.len() as u64;
        let reach = self.delimiter.len() + FOLLOWING - 1;
        self.seam
            .extend(&bytes[bytes.len().saturating_sub(reach)..]);
        let surplus = self.seam.len().saturating_sub(reach);
        self.seam.drain(..surplus);
        self.found
    }

    /// A delimiter that began in earlier bytes.
    fn across(&self, bytes: &[u8]) -> Option<u64> {
        let reach = self.delimiter.len() + FOLLOWING - 1;
        let mut joined = self.seam.clone();
        joined.extend(&bytes[..bytes.len().min(reach)]);
        match self.delimiter.find(&joined, 0) {
            Found::At(at) if at < self.seam.len() => {
                Some(self.seen - self.seam.len() as u64 + at as u64)
            }
            Found::At(_) | Found::Perhaps(_) | Found::Nowhere => None,
        }
    }

    fn within(&self, bytes: &[u8]) -> Option<u64> {
        match self.delimiter.find(bytes, 0) {
            Found::At(at) => Some(self.seen + at as u64),
            Found::Perhaps(_) | Found::Nowhere => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_assert_eq, proptest};

    use super::*;

    fn delimiter() -> Delimiter {
        Delimiter::new("-B-").expect("a boundary")
    }

    #[test]
    fn what_only_resembles_a_delimiter_is_content() {
        let find = |text: &str| delimiter().find(text.as_bytes(), 0);
        assert_eq!(find("ab\r\n---B-\r\n"), Found::At(2));
        assert_eq!(find("ab\r\n---B---"), Found::At(2));
        assert_eq!(find("\r\n---B- \t\r\n"), Found::At(0));
        assert_eq!(find("\r\n---B-x\r\n---B-.\r\n---B--x"), Found::Nowhere);
        assert_eq!(find("ab---B-\r\n"), Found::Perhaps(7));
        assert_eq!(find("ab\r\n---B-"), Found::Perhaps(2));
        assert_eq!(find("ab\r\n---B--"), Found::Perhaps(2));
        assert_eq!(find("ab\r"), Found::Perhaps(2));
        assert_eq!(find("\r\n---B-x\r\n---B---"), Found::At(8));
    }

    #[test]
    fn a_boundary_is_visible_text() {
        for bad in ["", "a\r\n", "b ", "\u{fc}", &"b".repeat(201)] {
            assert!(Delimiter::new(bad).is_none(), "{bad:?}");
        }
        assert!(Delimiter::new("----WebKitFormBoundary7MA4YWxk").is_some());
    }

    /// Content that is full of beginnings of delimiters.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec!["\r", "\n", "\r\n", "-", "--", "-B-", "B", " ", "x"]);
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn it_is_found_however_the_bytes_are_cut(bytes in content(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
            let whole = match delimiter().find(&bytes, 0) {
                Found::At(at) => Some(at as u64),
                Found::Perhaps(_) | Found::Nowhere => None,
            };
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut scanner = Scanner::new(delimiter());
            let mut found = None;
            for cut in cuts.windows(2) {
                found = scanner.look(&bytes[cut[0]..cut[1]]);
            }
            prop_assert_eq!(found, whole);
        }
    }
}
