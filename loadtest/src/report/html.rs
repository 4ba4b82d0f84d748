//! The page: first the budgets, then all figures, the comparison with a baseline, checks, plots and bars, all in one file.

use std::fmt::Write;

use super::baseline::{Change, Comparison, Verdict};
use super::plot::plot;
use super::{Budget, Chart, Report, Row, number};

const STYLE: &str = include_str!("style.css");

pub(super) fn page(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Forebay load test</title><style>{STYLE}</style></head><body><h1>Forebay load test</h1>"
    );
    budgets(&mut page, &report.rows);
    if let Some(comparison) = &report.comparison {
        changes(&mut page, comparison);
    }
    for drawn in &report.plots {
        plot(&mut page, drawn);
    }
    for chart in &report.charts {
        bars(&mut page, chart);
    }
    rows(&mut page, &report.rows);
    checks(&mut page, report);
    about(&mut page, report);
    page.push_str("</body></html>\n");
    page
}

/// A table, unless it would be empty. A column is the class of its cells and its name.
fn table<'a, T: 'a>(
    page: &mut String,
    title: &str,
    columns: &[(&str, &str)],
    things: impl IntoIterator<Item = &'a T>,
    cells: impl Fn(&mut String, &T),
) {
    let mut things = things.into_iter().peekable();
    if things.peek().is_none() {
        return;
    }
    let _ = write!(page, "<h2>{title}</h2><table><tr>");
    for (class, name) in columns {
        let _ = write!(page, "<th class=\"{class}\">{name}</th>");
    }
    page.push_str("</tr>");
    for thing in things {
        page.push_str("<tr>");
        cells(page, thing);
        page.push_str("</tr>");
    }
    page.push_str("</table>");
}

fn cell(page: &mut String, class: &str, text: &str) {
    let _ = write!(page, "<td class=\"{class}\">{text}</td>");
}

fn budgets(page: &mut String, rows: &[Row]) {
    let columns = [
        ("", "scenario"),
        ("", "row"),
        ("r", "figure"),
        ("n", "ratio"),
        ("n", "budget"),
        ("n", "stretch"),
        ("", "met"),
    ];
    let with_budget = rows.iter().filter(|row| row.budget.is_some());
    table(page, "Budgets", &columns, with_budget, |page, row| {
        let value = format!("{} {}", number(row.value), row.unit);
        let (figure, ratio) = match (&row.figure, row.unit) {
            (Some(figure), _) => (figure.clone(), value),
            (None, "x") => (String::new(), value),
            (None, _) => (value, String::new()),
        };
        let (class, met) = match (row.met, row.stretch_met()) {
            (Some(true), Some(true)) => ("y b", "met, stretch too"),
            (Some(true), _) => ("y b", "met"),
            (Some(false), _) => ("x b", "missed"),
            (None, _) => ("s", "not judged"),
        };
        cell(page, "", &escape(row.scenario));
        cell(page, "", &escape(&row.what));
        cell(page, "r", &escape(&figure));
        cell(page, "n", &escape(&ratio));
        cell(page, "n", &row.budget.map(Budget::text).unwrap_or_default());
        cell(
            page,
            "n",
            &row.stretch_budget().map(Budget::text).unwrap_or_default(),
        );
        cell(page, class, met);
    });
}

fn rows(page: &mut String, rows: &[Row]) {
    let columns = [("", "scenario"), ("", "what"), ("n", "value")];
    table(page, "All figures", &columns, rows, |page, row| {
        let (what, note) = (escape(&row.what), escape(&row.note));
        let figure = row.figure.as_deref().map(escape).unwrap_or_default();
        cell(page, "", &escape(row.scenario));
        cell(
            page,
            "",
            &format!("{what}<br><span class=\"s\">{figure} {note}</span>"),
        );
        cell(
            page,
            "n",
            &format!("{} {}", number(row.value), escape(row.unit)),
        );
    });
}

fn checks(page: &mut String, report: &Report) {
    let columns = [
        ("", "scenario"),
        ("", "what must be so"),
        ("", "found"),
        ("", "held"),
    ];
    table(page, "Checks", &columns, &report.checks, |page, check| {
        let (class, held) = if check.held {
            ("y", "yes")
        } else {
            ("x b", "NO")
        };
        cell(page, "", &escape(check.scenario));
        cell(page, "", &escape(&check.what));
        cell(page, "", &escape(&check.found));
        cell(page, class, held);
    });
}

fn about(page: &mut String, report: &Report) {
    let fields = serde_json::to_value(&report.about).unwrap_or_default();
    page.push_str("<h2>Where it was measured</h2><dl>");
    for (name, value) in fields.as_object().into_iter().flatten() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let (name, value) = (escape(&name.replace('_', " ")), escape(&value));
        let _ = write!(page, "<dt>{name}</dt><dd>{value}</dd>");
    }
    page.push_str("</dl>");
}

fn class_of(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Better => ("y", "better"),
        Verdict::Same => ("s", ""),
        Verdict::Worse => ("x", "worse"),
    }
}

fn changes(page: &mut String, comparison: &Comparison) {
    let title = format!(
        "Beside {} <span class=\"s\">(what changes by {} % or less has not changed)</span>",
        escape(&comparison.with),
        number(comparison.tolerance)
    );
    let columns = [
        ("", "scenario"),
        ("", "what"),
        ("n", "then"),
        ("n", "now"),
        ("n", "change"),
        ("", ""),
    ];
    table(
        page,
        &title,
        &columns,
        &comparison.changes,
        |page, change| {
            let (class, verdict) = class_of(change.verdict);
            cell(page, "", &escape(change.scenario));
            cell(page, "", &escape(&change.what));
            cell(page, "n", &number(change.before));
            cell(
                page,
                "n",
                &format!("{} {}", number(change.now), escape(change.unit)),
            );
            cell(page, "n", &change.percent_text());
            cell(page, class, verdict);
        },
    );
    both_ways(page, &comparison.changes);
}

/// In the picture's own units.
const LABEL: f64 = 330.0;
const LONGEST: f64 = 420.0;
const LINE: f64 = 22.0;

/// Bars from the middle, to the left for less and to the right for more.
fn both_ways(page: &mut String, changes: &[Change]) {
    let percents = changes.iter().filter_map(|change| change.percent);
    let most = percents.map(f64::abs).fold(0.0, f64::max);
    if most == 0.0 {
        return;
    }
    // One that is many times what it was leaves the others their room; its number tells.
    let most = most.min(100.0);
    let (height, middle, half) = (changes.len() as f64 * LINE + 4.0, 620.0, 150.0);
    let _ = write!(
        page,
        "<figure><figcaption>Change in percent</figcaption><svg viewBox=\"0 0 860 {height}\" role=\"img\"><line class=\"g\" x1=\"{middle}\" x2=\"{middle}\" y1=\"0\" y2=\"{height}\"/>"
    );
    for (line, change) in changes.iter().enumerate() {
        let top = line as f64 * LINE;
        let width = (change.percent.unwrap_or(0.0) / most).clamp(-1.0, 1.0) * half;
        let label = short(&format!("{}: {}", change.scenario, change.what));
        let anchor = if width < 0.0 { "end" } else { "start" };
        let _ = write!(
            page,
            "<text x=\"0\" y=\"{0}\">{1}</text><rect class=\"{2}\" x=\"{3:.1}\" y=\"{4}\" width=\"{5:.1}\" height=\"14\"/><text x=\"{6:.1}\" y=\"{0}\" text-anchor=\"{anchor}\">{7}</text>",
            top + 15.0,
            escape(&label),
            class_of(change.verdict).0,
            middle + width.min(0.0),
            top + 4.0,
            width.abs(),
            middle + width + 6.0_f64.copysign(width),
            change.percent_text(),
        );
    }
    page.push_str("</svg></figure>");
}

/// What there is room for beside a bar.
fn short(label: &str) -> String {
    const MOST: usize = 60;
    match label.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &label[..end]),
        None => label.to_owned(),
    }
}

fn bars(page: &mut String, chart: &Chart) {
    let values = chart.bars.iter().map(|(_, value)| *value);
    let most = values.fold(0.0, f64::max);
    let height = chart.bars.len() as f64 * LINE + 4.0;
    let _ = write!(
        page,
        "<figure><figcaption>{} <span class=\"s\">({})</span></figcaption><svg viewBox=\"0 0 860 {height}\" role=\"img\">",
        escape(&chart.title),
        escape(chart.unit)
    );
    for (line, (label, value)) in chart.bars.iter().enumerate() {
        let top = line as f64 * LINE;
        let width = if most > 0.0 {
            value / most * LONGEST
        } else {
            0.0
        };
        let _ = write!(
            page,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"{LABEL}\" y=\"{}\" width=\"{width:.1}\" height=\"14\"/><text x=\"{:.1}\" y=\"{}\">{}</text>",
            LABEL - 8.0,
            top + 15.0,
            escape(label),
            top + 4.0,
            LABEL + width + 6.0,
            top + 15.0,
            number(*value),
        );
    }
    page.push_str("</svg></figure>");
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
