//! A figure, what it must be and what it should be, and which way is better.

use serde::Serialize;

use super::number;

/// A figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) scenario: &'static str,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) budget: Option<Budget>,
    /// What is aimed for beyond the budget, in its direction.
    pub(crate) stretch: Option<f64>,
    /// What was measured, where the value is what that is beside something else.
    pub(crate) figure: Option<String>,
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

    /// The same direction with another bound.
    fn with(self, bound: f64) -> Self {
        match self {
            Self::AtLeast(_) => Self::AtLeast(bound),
            Self::AtMost(_) => Self::AtMost(bound),
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {}", number(least)),
            Self::AtMost(most) => format!("≤ {}", number(most)),
        }
    }
}

/// Which way a figure gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    More,
    Less,
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
            stretch: None,
            figure: None,
            met: None,
            note: String::new(),
        }
    }

    pub(crate) fn within(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self.met = Some(budget.is_met_by(self.value));
        self
    }

    /// What is aimed for beyond the budget. Of no effect where there is none.
    pub(crate) fn stretch(mut self, bound: f64) -> Self {
        self.stretch = Some(bound);
        self
    }

    /// What was measured, with its unit, where the value is a ratio.
    pub(crate) fn figure(mut self, figure: impl Into<String>) -> Self {
        self.figure = Some(figure.into());
        self
    }

    pub(super) fn stretch_budget(&self) -> Option<Budget> {
        Some(self.budget?.with(self.stretch?))
    }

    /// Whether the value is what is aimed for; nothing where nothing beyond the budget is.
    pub(crate) fn stretch_met(&self) -> Option<bool> {
        Some(self.stretch_budget()?.is_met_by(self.value))
    }

    /// By the budget, and where there is none by the unit: more of what is done a second is better, and less of time.
    pub(super) fn better(&self) -> Option<Better> {
        match (self.budget, self.unit) {
            (Some(Budget::AtLeast(_)), _) => Some(Better::More),
            (Some(Budget::AtMost(_)), _) => Some(Better::Less),
            (None, "GB/s" | "MB/s" | "/s" | "requests/s" | "samples/s") => Some(Better::More),
            (None, "s/GB" | "s" | "ms" | "us" | "us/request") => Some(Better::Less),
            (None, _) => None,
        }
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
        let figure = self.figure.as_deref().unwrap_or_default();
        let (what, value, unit) = (&self.what, number(self.value), self.unit);
        let line = format!(
            "{what}: {figure} {value} {unit} {budget} {met} {}",
            self.note
        );
        line.split_whitespace().collect::<Vec<_>>().join(" ")
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
        assert_eq!(row.stretch_met(), None);
        assert_eq!(row.clone().stretch(0.1).stretch_met(), Some(false));
        assert_eq!(row.stretch(0.2).stretch_met(), Some(true));
    }

    #[test]
    fn better_is_told_by_budget_or_unit() {
        let row = |unit| Row::new("disk", "it", 1.0, unit);
        assert_eq!(row("GB/s").better(), Some(Better::More));
        assert_eq!(row("s/GB").better(), Some(Better::Less));
        assert_eq!(row("x").better(), None);
        let least = row("x").within(Budget::AtLeast(1.0));
        assert_eq!(least.better(), Some(Better::More));
    }
}
