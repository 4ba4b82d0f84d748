//! The page: a table of rows, a table of checks, bars as inline SVG.

use std::fmt::Write;

use super::{Budget, Chart, Report, number};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1c2733}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #dde3ea;vertical-align:top}\
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.y{color:#0a7d3b}.x{color:#b3261e;font-weight:600}\
.s{color:#5b6b7b}svg text{font:12px system-ui,sans-serif;fill:#1c2733}dl{display:grid;grid-template-columns:12rem 1fr;margin:0}\
dt{color:#5b6b7b}dd{margin:0;overflow-wrap:anywhere}";

pub(super) fn page(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Forebay load test</title><style>{STYLE}</style></head><body><h1>Forebay load test</h1>"
    );
    about(&mut page, report);
    rows(&mut page, report);
    checks(&mut page, report);
    for chart in &report.charts {
        bars(&mut page, chart);
    }
    page.push_str("</body></html>\n");
    page
}

fn about(page: &mut String, report: &Report) {
    let fields = serde_json::to_value(&report.about).unwrap_or_default();
    page.push_str("<dl>");
    for (name, value) in fields.as_object().into_iter().flatten() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let (name, value) = (escape(&name.replace('_', " ")), escape(&value));
        let _ = write!(page, "<dt>{name}</dt><dd>{value}</dd>");
    }
    page.push_str("</dl>");
}

fn rows(page: &mut String, report: &Report) {
    if report.rows.is_empty() {
        return;
    }
    page.push_str("<h2>Figures</h2><table><tr><th>scenario</th><th>what</th><th>value</th><th>budget</th><th>met</th></tr>");
    for row in &report.rows {
        let (class, met) = match row.met {
            Some(true) => ("y", "met"),
            Some(false) => ("x", "not met"),
            None => ("s", ""),
        };
        let budget = row.budget.map(Budget::text).unwrap_or_default();
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}<br><span class=\"s\">{}</span></td><td class=\"n\">{} {}</td><td class=\"n\">{budget}</td><td class=\"{class}\">{met}</td></tr>",
            escape(row.scenario),
            escape(&row.what),
            escape(&row.note),
            number(row.value),
            escape(row.unit),
        );
    }
    page.push_str("</table>");
}

fn checks(page: &mut String, report: &Report) {
    if report.checks.is_empty() {
        return;
    }
    page.push_str("<h2>Checks</h2><table><tr><th>scenario</th><th>what must be so</th><th>found</th><th>held</th></tr>");
    for check in &report.checks {
        let (class, held) = if check.held {
            ("y", "yes")
        } else {
            ("x", "NO")
        };
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{held}</td></tr>",
            escape(check.scenario),
            escape(&check.what),
            escape(&check.found),
        );
    }
    page.push_str("</table>");
}

/// In the picture's own units.
const LABEL: f64 = 330.0;
const LONGEST: f64 = 420.0;
const LINE: f64 = 22.0;

fn bars(page: &mut String, chart: &Chart) {
    let most = chart
        .bars
        .iter()
        .map(|(_, value)| *value)
        .fold(0.0, f64::max);
    let height = chart.bars.len() as f64 * LINE + 4.0;
    let _ = write!(
        page,
        "<h2>{} <span class=\"s\">({})</span></h2><svg viewBox=\"0 0 860 {height}\" width=\"100%\" role=\"img\">",
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
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"{LABEL}\" y=\"{}\" width=\"{width:.1}\" height=\"14\" fill=\"#2f6fb3\"/><text x=\"{:.1}\" y=\"{}\">{}</text>",
            LABEL - 8.0,
            top + 15.0,
            escape(label),
            top + 4.0,
            LABEL + width + 6.0,
            top + 15.0,
            number(*value),
        );
    }
    page.push_str("</svg>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
