//! What a run found: rows with budgets, checks that hold or not, bars. Written as JSON and as one HTML page that needs nothing
//! else.

mod about;
mod html;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

pub(crate) use about::About;

/// Everything that a run found.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) about: About,
    pub(crate) rows: Vec<Row>,
    pub(crate) checks: Vec<Check>,
    pub(crate) charts: Vec<Chart>,
}

/// A figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) scenario: &'static str,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) budget: Option<Budget>,
    /// Nothing where there is no budget.
    pub(crate) met: Option<bool>,
    pub(crate) note: String,
}

/// What a figure must be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Budget {
    AtLeast(f64),
    AtMost(f64),
}

impl Budget {
    pub(crate) fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {}", number(least)),
            Self::AtMost(most) => format!("≤ {}", number(most)),
        }
    }
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

impl Row {
    pub(crate) fn new(
        scenario: &'static str,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
    ) -> Self {
        Self {
            scenario,
            what: what.into(),
            value,
            unit,
            budget: None,
            met: None,
            note: String::new(),
        }
    }

    pub(crate) fn within(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self.met = Some(budget.is_met_by(self.value));
        self
    }

    /// Where another figure decides.
    pub(crate) fn judged(mut self, met: bool) -> Self {
        self.met = Some(met);
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// One line of text.
    pub(crate) fn line(&self) -> String {
        let budget = self.budget.map(Budget::text).unwrap_or_default();
        let met = match self.met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "",
        };
        let (what, value, unit) = (&self.what, number(self.value), self.unit);
        let line = format!("{what}: {value} {unit} {budget} {met} {}", self.note);
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
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
    fn a_row_tells_whether_it_meets_its_budget() {
        let row = Row::new("disk", "GB/s", 0.79, "x").within(Budget::AtLeast(0.8));
        assert_eq!(row.met, Some(false));
        assert_eq!(row.line(), "GB/s: 0.79 x ≥ 0.8 NOT MET");
        let row = Row::new("disk", "CPU", 0.15, "s/GB").within(Budget::AtMost(0.15));
        assert_eq!(row.met, Some(true));
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let shown = [1234.5, 0.0, 12.34, 1.5, 0.25, 0.0012].map(number);
        assert_eq!(shown, ["1234", "0", "12.3", "1.5", "0.25", "0.0012"]);
    }

    #[test]
    fn the_page_holds_every_row_and_needs_nothing_else() {
        let report = Report {
            rows: vec![Row::new("disk", "a <b>", 1.0, "GB/s").within(Budget::AtLeast(2.0))],
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
            ..Report::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let [json, html] = report.write(folder.path(), "run").unwrap();
        let page = fs::read_to_string(html).unwrap();
        assert!(page.contains("a &lt;b&gt;") && page.contains("not met"));
        assert!(page.contains("no origin request") && page.contains("<svg"));
        assert!(!page.contains("src=") && !page.contains("href="));
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
        assert_eq!(json["rows"][0]["met"], false);
    }
}
