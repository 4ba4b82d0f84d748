//! The list of all metrics, made from what the code yields; `docs/METRICS.md` is held equal to it by a test.

use super::Metrics;
use super::sample::{Kind, Visit};

/// One metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: Vec<&'static str>,
    pub help: &'static str,
}

/// Every metric, by name.
pub fn catalogue() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    // A disk, so that what is told by disk is told.
    let metrics = Metrics::with_disks(["/disk".to_owned()]);
    metrics.visit(&mut |sample| {
        if entries.iter().all(|entry| entry.name != sample.name) {
            entries.push(Entry {
                name: sample.name,
                kind: sample.value.kind(),
                labels: sample.labels.iter().map(|(name, _)| *name).collect(),
                help: sample.help,
            });
        }
    });
    entries.sort_by_key(|entry| entry.name);
    entries
}

/// The catalogue as the table in `docs/METRICS.md`.
pub fn table() -> String {
    let mut table =
        String::from("| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n");
    for Entry {
        name,
        kind,
        labels,
        help,
    } in catalogue()
    {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let (kind, labels) = (kind.as_str(), labels.join(", "));
        table.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_table_of_the_code() {
        let document = include_str!("../../docs/METRICS.md");
        let table = table();
        assert!(
            document.contains(&table),
            "docs/METRICS.md does not contain the catalogue; paste this:\n\n{table}"
        );
    }

    #[test]
    fn names_carry_prefix_and_unit() {
        for entry in catalogue() {
            let name = entry.name;
            assert!(name.starts_with("forebay_"), "{name}");
            assert_eq!(
                entry.kind == Kind::Counter,
                name.ends_with("_total"),
                "{name}"
            );
            assert_eq!(
                entry.kind == Kind::Histogram,
                name.ends_with("_seconds"),
                "{name}"
            );
            assert!(
                !entry.help.is_empty() && !entry.help.ends_with('.'),
                "{name}"
            );
        }
    }

    #[test]
    fn series_of_one_metric_agree_and_differ() {
        let mut series = std::collections::BTreeSet::new();
        let entries = catalogue();
        let disks = ["/a".to_owned(), "/b".to_owned()];
        Metrics::with_disks(disks).visit(&mut |sample| {
            let entry = entries.iter().find(|it| it.name == sample.name).unwrap();
            let labels: Vec<_> = sample.labels.iter().map(|(name, _)| *name).collect();
            assert_eq!((entry.kind, &entry.labels), (sample.value.kind(), &labels));
            assert_eq!(entry.help, sample.help);
            let values: Vec<_> = sample
                .labels
                .iter()
                .map(|(_, it)| (*it).to_owned())
                .collect();
            assert!(series.insert((sample.name, values)), "{sample:?} twice");
        });
    }
}
