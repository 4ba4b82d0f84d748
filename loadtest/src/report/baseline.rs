//! A run beside an earlier one: rows of the same name, and which of them have become worse.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::row::Better;
use super::{About, Row, number};

/// An earlier report, as far as it is compared with.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Baseline {
    #[serde(skip)]
    file: String,
    about: About,
    rows: Vec<Stored>,
}

#[derive(Debug, Clone, Deserialize)]
struct Stored {
    scenario: String,
    what: String,
    value: f64,
}

/// The rows that both runs have.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Comparison {
    /// The earlier report, when it was begun, and of which binary.
    pub(crate) with: String,
    /// In percent: what changes by no more has not changed.
    pub(crate) tolerance: f64,
    pub(crate) changes: Vec<Change>,
}

/// One row then and now.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Change {
    pub(crate) scenario: &'static str,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) before: f64,
    pub(crate) now: f64,
    /// Nothing where it was zero and is no longer.
    pub(crate) percent: Option<f64>,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Better,
    /// Within the tolerance, or nobody can tell which way is better.
    Same,
    Worse,
}

impl Baseline {
    /// # Errors
    /// Where the file is no report, or one of another machine than `here` and that is not said to be meant.
    pub(crate) fn read(file: &Path, here: &About, other_machine: bool) -> anyhow::Result<Self> {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        let baseline: Self =
            serde_json::from_str(&text).with_context(|| format!("{name} is no report"))?;
        let (there, own) = (baseline.about.machine(), here.machine());
        ensure!(
            other_machine || there == own,
            "{name} was measured on another machine ({there}; this one has {own}): its figures tell nothing about a change of the software. --other-machine compares all the same"
        );
        Ok(Self {
            file: name,
            ..baseline
        })
    }

    /// `tolerance` is in percent.
    pub(crate) fn compare(&self, rows: &[Row], tolerance: f64) -> Comparison {
        let name = |stored: &Stored| (stored.scenario.clone(), stored.what.clone());
        let before: HashMap<_, _> = self.rows.iter().map(|it| (name(it), it.value)).collect();
        let change = |row: &Row| {
            let before = before.get(&(row.scenario.to_owned(), row.what.clone()))?;
            Some(Change::of(row, *before, tolerance))
        };
        Comparison {
            with: format!(
                "{}, begun {}, {}",
                self.file, self.about.begun, self.about.forebay
            ),
            tolerance,
            changes: rows.iter().filter_map(change).collect(),
        }
    }
}

impl Change {
    fn of(row: &Row, before: f64, tolerance: f64) -> Self {
        let now = row.value;
        let percent = match before == 0.0 {
            true => (now == 0.0).then_some(0.0),
            false => Some((now - before) / before.abs() * 100.0),
        };
        let changed = percent.is_none_or(|percent| percent.abs() > tolerance);
        let verdict = match row.better().filter(|_| changed) {
            None => Verdict::Same,
            Some(Better::More) if now > before => Verdict::Better,
            Some(Better::Less) if now < before => Verdict::Better,
            Some(_) => Verdict::Worse,
        };
        Self {
            scenario: row.scenario,
            what: row.what.clone(),
            unit: row.unit,
            before,
            now,
            percent,
            verdict,
        }
    }

    pub(super) fn percent_text(&self) -> String {
        match self.percent {
            Some(percent) => format!("{percent:+.1} %"),
            None => "from nothing".to_owned(),
        }
    }

    /// One line of text.
    pub(crate) fn line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Better => ", better",
            Verdict::Same => "",
            Verdict::Worse => ", WORSE",
        };
        format!(
            "{}: {}: {} -> {} {} ({}{verdict})",
            self.scenario,
            self.what,
            number(self.before),
            number(self.now),
            self.unit,
            self.percent_text()
        )
    }
}

impl Comparison {
    pub(crate) fn worse(&self) -> usize {
        let worse = |change: &&Change| change.verdict == Verdict::Worse;
        self.changes.iter().filter(worse).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    fn here() -> About {
        About {
            cores: 2,
            processor: "P".into(),
            memory_kib: 16_000_000,
            file_system: "ext2/ext3".into(),
            ..About::default()
        }
    }

    fn stored(rows: Vec<Row>) -> (tempfile::TempDir, std::path::PathBuf) {
        let report = Report {
            about: here(),
            rows,
            ..Report::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let [json, _] = report.write(folder.path(), "before").unwrap();
        (folder, json)
    }

    fn row(what: &str, value: f64, unit: &'static str) -> Row {
        Row::new("memory", what, value, unit)
    }

    #[test]
    fn rows_of_the_same_name_are_compared_and_the_worse_ones_told() {
        let before = vec![
            row("speed", 2.0, "GB/s"),
            row("CPU", 1.0, "s/GB"),
            row("wait", 10.0, "ms"),
            row("drops", 0.0, ""),
            row("gone", 1.0, "s"),
        ];
        let (_folder, file) = stored(before);
        let baseline = Baseline::read(&file, &here(), false).unwrap();
        let now = [
            row("speed", 1.7, "GB/s"),
            row("CPU", 0.5, "s/GB"),
            row("wait", 10.9, "ms"),
            row("drops", 3.0, ""),
            row("new", 1.0, "s"),
        ];
        let found = baseline.compare(&now, 10.0);
        let told: Vec<String> = found.changes.iter().map(Change::line).collect();
        assert_eq!(
            told,
            [
                "memory: speed: 2 -> 1.7 GB/s (-15.0 %, WORSE)",
                "memory: CPU: 1 -> 0.5 s/GB (-50.0 %, better)",
                "memory: wait: 10 -> 10.9 ms (+9.0 %)",
                "memory: drops: 0 -> 3  (from nothing)",
            ]
        );
        assert_eq!(found.worse(), 1);
        assert_eq!(baseline.compare(&now, 20.0).worse(), 0);
    }

    #[test]
    fn a_report_of_another_machine_is_refused_unless_it_is_meant() {
        let (_folder, file) = stored(vec![row("speed", 2.0, "GB/s")]);
        let other = About {
            cores: 64,
            ..here()
        };
        let refused = Baseline::read(&file, &other, false)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("another machine (2 cores of P"),
            "{refused}"
        );
        assert!(refused.contains("--other-machine"), "{refused}");
        assert!(Baseline::read(&file, &other, true).is_ok());
        fs::write(&file, "{}").unwrap();
        let refused = Baseline::read(&file, &here(), false)
            .unwrap_err()
            .to_string();
        assert!(refused.ends_with("is no report"), "{refused}");
    }
}
