//! What a run found: rows with budgets, checks that hold or not, bars and plots, and how the rows compare with an earlier run's.
//! Written as JSON and as one HTML page that needs nothing else.

mod about;
mod baseline;
mod html;
mod plot;
mod row;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

pub(crate) use about::About;
pub(crate) use baseline::{Baseline, Comparison};
pub(crate) use plot::{Axis, Line, Plot};
pub(crate) use row::{Budget, Row};

/// Everything that a run found.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) about: About,
    pub(crate) rows: Vec<Row>,
    pub(crate) checks: Vec<Check>,
    pub(crate) charts: Vec<Chart>,
    pub(crate) plots: Vec<Plot>,
    /// Where a baseline was named.
    pub(crate) comparison: Option<Comparison>,
}

/// Something that must be exactly so.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Check {
    pub(crate) scenario: &'static str,
    pub(crate) what: String,
    pub(crate) held: bool,
    /// What was found instead, or the figures that show it.
    pub(crate) found: String,
}

/// Bars of one unit.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    pub(crate) bars: Vec<(String, f64)>,
}

impl Report {
    pub(crate) fn failed_checks(&self) -> usize {
        self.checks.iter().filter(|check| !check.held).count()
    }

    /// Writes `NAME.json` and `NAME.html` into `folder`.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> anyhow::Result<[PathBuf; 2]> {
        fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(self)?;
        let files = [("json", json), ("html", html::page(self))];
        let mut written = files.into_iter().map(|(extension, text)| {
            let path = folder.join(format!("{name}.{extension}"));
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::Ok(path)
        });
        let mut next = || written.next().context("there are two")?;
        Ok([next()?, next()?])
    }
}

/// Three digits that count.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if size >= 100.0 || size == 0.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ if size >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        let shown = [1234.5, 0.0, 12.34, 1.5, 0.25, 0.0012].map(number);
        assert_eq!(shown, ["1234", "0", "12.3", "1.5", "0.25", "0.0012"]);
    }

    #[test]
    fn the_page_holds_everything_and_needs_nothing_else() {
        let report = Report {
            rows: vec![
                Row::new("disk", "a <b>", 1.0, "GB/s").within(Budget::AtLeast(2.0)),
                Row::new("disk", "beside fio", 0.97, "x")
                    .within(Budget::AtLeast(0.8))
                    .stretch(0.95)
                    .figure("1.94 GB/s"),
            ],
            checks: vec![Check {
                scenario: "disk",
                what: "no origin request".into(),
                held: false,
                found: "3".into(),
            }],
            charts: vec![Chart {
                title: "CPU".into(),
                unit: "s/GB",
                bars: vec![("a".into(), 1.0), ("b".into(), 0.0)],
            }],
            plots: vec![Plot {
                title: "curves".into(),
                x: Axis::tail("percentile"),
                y: Axis::log("ms"),
                lines: vec![Line {
                    name: "all".into(),
                    points: vec![(0.5, 1.0), (0.99, 20.0)],
                }],
            }],
            ..Report::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let [json, html] = report.write(folder.path(), "run").unwrap();
        let page = fs::read_to_string(html).unwrap();
        assert!(page.contains("a &lt;b&gt;") && page.contains("missed"));
        assert!(page.contains("1.94 GB/s") && page.contains("met, stretch too"));
        assert!(page.contains("no origin request") && page.contains("<polyline"));
        assert!(!page.contains("src=") && !page.contains("href="));
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
        assert_eq!(json["rows"][0]["met"], false);
        assert_eq!(json["rows"][1]["stretch"], 0.95);
        assert_eq!(json["plots"][0]["lines"][0]["points"][1][1], 20.0);
    }
}
