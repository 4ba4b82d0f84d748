//! Key paths, as in `bucket.train.rule[0].prefix`, and their patterns, as in `bucket.NAME.rule[].prefix`.

/// Where a value stands in the file, and which documented key it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyPath {
    path: String,
    pattern: String,
}

impl KeyPath {
    /// The path as people write it.
    pub(super) fn as_str(&self) -> &str {
        &self.path
    }

    /// The path with `NAME` for every name that the user chose.
    pub(super) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// A key of this table that the code knows.
    pub(super) fn key(&self, key: &str) -> Self {
        Self {
            path: join(&self.path, &quoted(key)),
            pattern: join(&self.pattern, key),
        }
    }

    /// A table of this table under a name that the user chose.
    pub(super) fn name(&self, name: &str) -> Self {
        Self {
            path: join(&self.path, &quoted(name)),
            pattern: join(&self.pattern, "NAME"),
        }
    }

    /// An element of this list.
    pub(super) fn index(&self, index: usize) -> Self {
        Self {
            path: format!("{}[{index}]", self.path),
            pattern: format!("{}[]", self.pattern),
        }
    }

    /// Whether this is `key` or a part of its value.
    pub(super) fn is_at_or_below(&self, key: &str) -> bool {
        is_prefix(key, &self.path)
    }

    /// Whether `key` is this or a part of its value.
    pub(super) fn is_prefix_of(&self, key: &str) -> bool {
        is_prefix(&self.path, key)
    }
}

fn is_prefix(short: &str, long: &str) -> bool {
    long.strip_prefix(short)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn join(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

/// The key as it would stand in a TOML file.
fn quoted(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !key.is_empty() && key.bytes().all(bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_in_the_file_and_its_pattern_as_in_the_documentation() {
        let rule = KeyPath::default().key("bucket").name("*").key("rule");
        let prefix = rule.index(2).key("prefix");
        assert_eq!(prefix.as_str(), "bucket.\"*\".rule[2].prefix");
        assert_eq!(prefix.pattern(), "bucket.NAME.rule[].prefix");
        assert!(prefix.is_at_or_below("bucket.\"*\".rule"));
        assert!(!prefix.is_at_or_below("bucket.\"*\".rul"));
    }
}
