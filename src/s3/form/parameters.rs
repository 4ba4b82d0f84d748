//! Headers with parameters: `form-data; name="file"; filename="a.txt"`. Pure.

use percent_encoding::percent_decode_str;

/// A header's value and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    /// In lower case.
    pub(super) value: String,
    /// The names are in lower case.
    parameters: Vec<(String, String)>,
}

impl Parameters {
    /// Reads a header; none where it is not well-formed.
    ///
    /// In quotes a backslash escapes a quote and itself only: some browsers write the paths of files as they are.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (value, mut rest) = header.split_once(';').unwrap_or((header, ""));
        let mut parameters = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ';']);
            if rest.is_empty() {
                break;
            }
            let (name, after) = rest.split_once('=')?;
            let (text, after) = if let Some(quoted) = after.strip_prefix('"') {
                unquote(quoted)?
            } else {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim_end().to_owned(), &after[end..])
            };
            parameters.push((name.trim().to_ascii_lowercase(), text));
            rest = after.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(';') {
                return None;
            }
        }
        Some(Self {
            value: value.trim().to_ascii_lowercase(),
            parameters,
        })
    }

    /// The first parameter of that name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        parameters.find_map(|(other, text)| (other == name).then_some(text.as_str()))
    }

    /// The file's name: `filename`, or `filename*` (RFC 8187), which some libraries send for names that are not ASCII.
    pub(super) fn file_name(&self) -> Option<String> {
        if let Some(name) = self.get("filename") {
            return Some(name.to_owned());
        }
        let extended = self.get("filename*")?;
        let (charset, rest) = extended.split_once('\'')?;
        let (_language, name) = rest.split_once('\'')?;
        let decoded = percent_decode_str(name).decode_utf8().ok()?;
        let is_utf8 = charset.eq_ignore_ascii_case("utf-8");
        is_utf8.then(|| decoded.into_owned())
    }
}

/// The text up to the closing quote, and what follows that.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => {
                let escaped = characters.next_if(|(_, next)| matches!(next, '"' | '\\'));
                text.push(escaped.map_or('\\', |(_, next)| next));
            }
            _ => text.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(header: &str) -> Parameters {
        Parameters::parse(header).expect(header)
    }

    #[test]
    fn values_may_be_quoted_or_not() {
        let header = parsed("Form-Data; name=key; FileName=\"a; b=\\\"c\\\".txt\" ; x=");
        assert_eq!(header.value, "form-data");
        assert_eq!(header.get("name"), Some("key"));
        assert_eq!(header.get("filename"), Some("a; b=\"c\".txt"));
        assert_eq!(header.get("x"), Some(""));
        assert_eq!(header.get("y"), None);
        assert_eq!(parsed("multipart/form-data").get("boundary"), None);
        assert_eq!(
            parsed("multipart/form-data; boundary=\"a b\";").get("boundary"),
            Some("a b")
        );
    }

    #[test]
    fn what_is_not_well_formed_is_told_apart() {
        for bad in [
            "form-data; name",
            "form-data; name=\"a",
            "form-data; name=\"a\"b",
        ] {
            assert_eq!(Parameters::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_of_files_come_in_many_forms() {
        let name = |header: &str| parsed(header).file_name();
        assert_eq!(
            name("form-data; filename=\"C:\\dir\\a.txt\"").as_deref(),
            Some("C:\\dir\\a.txt")
        );
        assert_eq!(
            name("form-data; filename*=utf-8''%C3%BC.txt").as_deref(),
            Some("ü.txt")
        );
        assert_eq!(name("form-data; filename=\"\"").as_deref(), Some(""));
        assert_eq!(name("form-data; name=\"file\""), None);
        assert_eq!(name("form-data; filename*=latin1''%FC"), None);
    }
}
