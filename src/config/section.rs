//! A cursor over one table of the file: settings are asked for by key, mistakes are noted and reading goes on.
//!
//! Whatever nobody asked for by the time that the closure given to [`Section::within`], [`Section::each`] or
//! [`Section::list`] returns is an unknown key, so that a check for those cannot be forgotten.

use toml::{Table, Value};

use super::path::KeyPath;
use super::reading::Reading;
use super::setting::Setting;
use super::suggest;

/// One table, from which known keys are taken.
pub(super) struct Section<'r, 's> {
    reading: &'r Reading<'s>,
    path: KeyPath,
    table: Table,
    asked: Vec<&'static str>,
    /// The value was no table: its missing keys are not worth a word.
    broken: bool,
}

impl<'r, 's> Section<'r, 's> {
    /// Reads the whole file.
    pub(super) fn file<T>(
        reading: &'r Reading<'s>,
        table: Table,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        Self::open(reading, KeyPath::default(), Value::Table(table), read)
    }

    /// The setting, or its default where it is not written or not good. The default is written as in the file.
    pub(super) fn or<T: Setting>(&mut self, key: &'static str, default: impl Into<Value>) -> T {
        let default = default.into();
        let value = self.take(key, Some(default.clone()));
        value
            .and_then(|value| self.read(key, &value))
            .unwrap_or_else(|| T::read(&default).expect("a default is a good value"))
    }

    /// The setting, where it is written and good.
    pub(super) fn optional<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        let value = self.take(key, None)?;
        self.read(key, &value)
    }

    /// The setting; to write none is a mistake.
    pub(super) fn required<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        match self.take(key, None) {
            Some(value) => self.read(key, &value),
            None => {
                self.missing(key, &format!("write {}", T::EXAMPLE));
                None
            }
        }
    }

    /// The value under a key of more than one shape, as it is.
    pub(super) fn take(&mut self, key: &'static str, default: Option<Value>) -> Option<Value> {
        self.reading.ask(&self.path.key(key), default);
        self.asked.push(key);
        self.table.remove(key)
    }

    /// The table `[key]`; an absent one is read as an empty one, so that its defaults hold.
    pub(super) fn within<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.asked.push(key);
        let value = self.table.remove(key);
        let value = value.unwrap_or_else(|| Value::Table(Table::new()));
        self.part(key, value, read)
    }

    /// The value taken from `key`, read as a table.
    pub(super) fn part<T>(
        &self,
        key: &'static str,
        value: Value,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        Self::open(self.reading, self.path.key(key), value, read)
    }

    /// Every table `[key.NAME]`, in the order of the names; those that `read` gives up are left out.
    pub(super) fn each<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&str, &mut Self) -> Option<T>,
    ) -> Vec<T> {
        self.asked.push(key);
        let path = self.path.key(key);
        let tables = match self.table.remove(key) {
            None => Table::new(),
            Some(Value::Table(tables)) => tables,
            Some(other) => {
                let hint = format!("write tables [{}.NAME]", path.as_str());
                self.reading
                    .problem(&path, format!("{other} is not a table"), &hint);
                Table::new()
            }
        };
        tables
            .into_iter()
            .filter_map(|(name, value)| {
                Self::open(self.reading, path.name(&name), value, |section| {
                    read(&name, section)
                })
            })
            .collect()
    }

    /// Every table of the list `[[key]]`; those that `read` gives up are left out.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Vec<T> {
        self.asked.push(key);
        let path = self.path.key(key);
        let values = match self.table.remove(key) {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(other) => {
                let hint = format!("write a list of tables: [[{}]]", path.as_str());
                self.reading
                    .problem(&path, format!("{other} is not a list"), &hint);
                Vec::new()
            }
        };
        values
            .into_iter()
            .enumerate()
            .filter_map(|(index, value)| {
                Self::open(self.reading, path.index(index), value, &mut read)
            })
            .collect()
    }

    /// Whether the key is written and nobody has taken it yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Gives up on what is left: the table is wrong as a whole, and that has been said.
    pub(super) fn ignore_the_rest(&mut self) {
        self.table.clear();
        self.broken = true;
    }

    /// Notes a mistake at a key.
    pub(super) fn problem(&self, key: &str, message: impl Into<String>, hint: &str) {
        self.reading.problem(&self.path.key(key), message, hint);
    }

    /// Notes a mistake of the table as a whole.
    pub(super) fn wrong(&self, message: impl Into<String>, hint: &str) {
        self.reading.problem(&self.path, message, hint);
    }

    /// Notes that a key must be written.
    pub(super) fn missing(&self, key: &str, hint: &str) {
        if !self.broken {
            self.problem(key, "missing", hint);
        }
    }

    /// The reading that this table is a part of.
    pub(super) fn reading(&self) -> &'r Reading<'s> {
        self.reading
    }

    fn open<T>(
        reading: &'r Reading<'s>,
        path: KeyPath,
        value: Value,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let (table, broken) = match value {
            Value::Table(table) => (table, false),
            other => {
                reading.problem(
                    &path,
                    format!("{other} is not a table"),
                    "write key = value pairs",
                );
                (Table::new(), true)
            }
        };
        let mut section = Self {
            reading,
            path,
            table,
            asked: Vec::new(),
            broken,
        };
        let result = read(&mut section);
        section.refuse_the_rest();
        result
    }

    fn read<T: Setting>(&self, key: &str, value: &Value) -> Option<T> {
        let path = self.path.key(key);
        let good = T::read(value).or_else(|| {
            // FOREBAY__…=12345 reads as a number, though a text may be wanted.
            let text = &self.reading.override_of(&path)?.text;
            T::read(&Value::String(text.clone()))
        });
        if good.is_none() {
            let message = format!("{} is not {}", T::repeated(value), T::KIND);
            self.reading
                .problem(&path, message, &format!("write {}", T::EXAMPLE));
        }
        good
    }

    fn refuse_the_rest(self) {
        for key in self.table.keys() {
            let path = self.path.key(key);
            let hint = suggest::hint(path.as_str(), key, &self.asked);
            self.reading.unknown(&path, &hint);
        }
    }
}
