//! Lines over two axes, as inline SVG.

use std::fmt::Write;

use serde::Serialize;

use super::html::escape;
use super::number;

/// Lines of one kind.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

/// What is told along one side, and how it is spread.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scale {
    /// From zero.
    Linear,
    /// By powers of ten; what is not above zero is left out.
    Log,
    /// Quantiles by powers of ten of what lies beyond them: 0.9, 0.99, 0.999.
    Tail,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Axis {
    pub(crate) fn linear(label: &str) -> Self {
        Self::of(label, Scale::Linear)
    }

    pub(crate) fn log(label: &str) -> Self {
        Self::of(label, Scale::Log)
    }

    pub(crate) fn tail(label: &str) -> Self {
        Self::of(label, Scale::Tail)
    }

    fn of(label: &str, scale: Scale) -> Self {
        Self {
            label: label.to_owned(),
            scale,
        }
    }
}

/// In the picture's own units.
const SIZE: (f64, f64) = (860.0, 320.0);
const LEFT: f64 = 64.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 44.0;
const LEGEND_LINE: f64 = 18.0;
/// Lines have so many colours (`.l0`, `.l1`, …), and are dashed beyond them.
pub(super) const COLOURS: usize = 8;
/// So few points are each marked.
const MARKED: usize = 8;
/// Beyond this more points only make the page larger.
const MOST_POINTS: usize = 400;

pub(super) fn plot(page: &mut String, plot: &Plot) {
    let (width, height) = SIZE;
    let all = height + legend_height(plot);
    let _ = write!(
        page,
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {width} {all}\" role=\"img\" aria-label=\"{0}\">",
        escape(&plot.title)
    );
    let points = || plot.lines.iter().flat_map(|line| &line.points);
    let x = Spread::of(plot.x.scale, points().map(|point| point.0));
    let y = Spread::of(plot.y.scale, points().map(|point| point.1));
    let few = plot.lines.iter().all(|line| line.points.len() <= MARKED);
    grid(page, plot, &x, &y);
    for (place, line) in plot.lines.iter().enumerate() {
        let path = path(&line.points, &x, &y);
        let class = class(place);
        if path.contains(' ') {
            let _ = write!(page, "<polyline class=\"{class}\" points=\"{path}\"/>");
        }
        for point in path.split(' ').filter(|_| few) {
            if let Some((left, top)) = point.split_once(',') {
                let _ = write!(
                    page,
                    "<circle class=\"{class}\" cx=\"{left}\" cy=\"{top}\" r=\"3\"/>"
                );
            }
        }
    }
    legend(page, plot);
    page.push_str("</svg></figure>");
}

fn class(place: usize) -> String {
    let dashed = if place >= COLOURS { " dashed" } else { "" };
    format!("l{}{dashed}", place % COLOURS)
}

fn path(points: &[(f64, f64)], x: &Spread, y: &Spread) -> String {
    let step = points.len().div_ceil(MOST_POINTS).max(1);
    let thinned = points.chunks(step).filter_map(|part| {
        let sum = part
            .iter()
            .fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        let mean = (sum.0 / part.len() as f64, sum.1 / part.len() as f64);
        let (across, up) = (x.place(mean.0)?, y.place(mean.1)?);
        Some(format!("{:.1},{:.1}", left(across), top(up)))
    });
    thinned.collect::<Vec<_>>().join(" ")
}

fn left(across: f64) -> f64 {
    LEFT + across * (SIZE.0 - LEFT - RIGHT)
}

fn top(up: f64) -> f64 {
    SIZE.1 - BOTTOM - up * (SIZE.1 - TOP - BOTTOM)
}

fn grid(page: &mut String, plot: &Plot, x: &Spread, y: &Spread) {
    let (bottom, right) = (top(0.0), left(1.0));
    for tick in &x.ticks {
        let Some(at) = x.place(*tick).map(left) else {
            continue;
        };
        let _ = write!(
            page,
            "<line class=\"g\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            x.told(*tick),
        );
    }
    for tick in &y.ticks {
        let Some(at) = y.place(*tick).map(top) else {
            continue;
        };
        let _ = write!(
            page,
            "<line class=\"g\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            y.told(*tick),
        );
    }
    let _ = write!(
        page,
        "<text class=\"s\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text><text class=\"s\" transform=\"translate(12,{:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        left(0.5),
        bottom + 36.0,
        escape(&plot.x.label),
        top(0.5),
        escape(&plot.y.label),
    );
}

const LEGEND_COLUMNS: usize = 3;

fn legend_height(plot: &Plot) -> f64 {
    plot.lines.len().div_ceil(LEGEND_COLUMNS) as f64 * LEGEND_LINE
}

fn legend(page: &mut String, plot: &Plot) {
    let column = (SIZE.0 - LEFT) / LEGEND_COLUMNS as f64;
    for (place, line) in plot.lines.iter().enumerate() {
        let from = LEFT + (place % LEGEND_COLUMNS) as f64 * column;
        let at = SIZE.1 + (place / LEGEND_COLUMNS) as f64 * LEGEND_LINE + 6.0;
        let _ = write!(
            page,
            "<line class=\"{}\" x1=\"{from:.0}\" x2=\"{:.0}\" y1=\"{at}\" y2=\"{at}\"/><text x=\"{:.0}\" y=\"{}\">{}</text>",
            class(place),
            from + 22.0,
            from + 28.0,
            at + 4.0,
            escape(&line.name),
        );
    }
}

/// Values of an axis and where they stand on it, from 0 to 1.
struct Spread {
    scale: Scale,
    /// On the scale.
    least: f64,
    most: f64,
    /// Values that are named.
    ticks: Vec<f64>,
}

impl Spread {
    fn of(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let scaled: Vec<f64> = values.filter_map(|value| scale.of(value)).collect();
        let least = scaled.iter().copied().fold(f64::INFINITY, f64::min);
        let most = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if scaled.is_empty() {
            return Self {
                scale,
                least: 0.0,
                most: 1.0,
                ticks: Vec::new(),
            };
        }
        match scale {
            Scale::Linear => linear(most),
            Scale::Log => log(least, most),
            Scale::Tail => tail(most),
        }
    }

    /// Nothing where the scale has no place for it.
    fn place(&self, value: f64) -> Option<f64> {
        let scaled = self.scale.of(value)?;
        Some((scaled - self.least) / (self.most - self.least))
    }

    fn told(&self, tick: f64) -> String {
        match self.scale {
            Scale::Tail => format!("p{}", (tick * 1e6).round() / 1e4),
            Scale::Linear | Scale::Log => number(tick),
        }
    }
}

impl Scale {
    fn of(self, value: f64) -> Option<f64> {
        let scaled = match self {
            Self::Linear => value,
            Self::Log => value.log10(),
            Self::Tail => -(1.0 - value).log10(),
        };
        scaled.is_finite().then_some(scaled)
    }
}

/// From zero in steps of 1, 2 or 5 times a power of ten, four to ten of them.
fn linear(most: f64) -> Spread {
    let most = if most > 0.0 { most } else { 1.0 };
    let power = 10_f64.powf((most / 4.0).log10().floor());
    let step = [5.0, 2.0, 1.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| most / step >= 4.0)
        .unwrap_or(power);
    let steps = (most / step).ceil();
    let mut ticks = vec![0.0];
    while ticks.len() as f64 <= steps {
        ticks.push(ticks.len() as f64 * step);
    }
    Spread {
        scale: Scale::Linear,
        least: 0.0,
        most: steps * step,
        ticks,
    }
}

/// Whole powers of ten around the values, named with their halves (1, 2, 5) where they are few.
fn log(least: f64, most: f64) -> Spread {
    let (least, most) = (least.floor(), most.ceil().max(least.floor() + 1.0));
    let factors: &[f64] = if most - least <= 3.0 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let mut ticks = Vec::new();
    let mut power = least;
    while power < most {
        ticks.extend(factors.iter().map(|factor| factor * 10_f64.powf(power)));
        power += 1.0;
    }
    ticks.push(10_f64.powf(most));
    Spread {
        scale: Scale::Log,
        least,
        most,
        ticks,
    }
}

/// From the 0th percentile to the highest that is told.
fn tail(most: f64) -> Spread {
    let known = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999];
    let most = most.max(1.0);
    let seen = |quantile: &f64| {
        Scale::Tail
            .of(*quantile)
            .is_some_and(|it| it <= most + 1e-9)
    };
    Spread {
        scale: Scale::Tail,
        least: 0.0,
        most,
        ticks: known.into_iter().filter(seen).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_is_named_in_round_steps_from_zero() {
        let spread = Spread::of(Scale::Linear, [3.0, 8.5].into_iter());
        assert_eq!(spread.ticks, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(spread.place(5.0), Some(0.5));
    }

    #[test]
    fn a_log_axis_spreads_powers_of_ten_equally_and_has_no_zero() {
        let spread = Spread::of(Scale::Log, [0.2, 90.0].into_iter());
        assert_eq!(spread.place(0.1), Some(0.0));
        assert!((spread.place(10.0).unwrap() - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(spread.place(0.0), None);
        assert_eq!(spread.ticks.first(), Some(&0.1));
    }

    #[test]
    fn a_tail_axis_gives_each_nine_the_same_room() {
        let spread = Spread::of(Scale::Tail, [0.5, 0.9999].into_iter());
        let places = [0.0, 0.9, 0.99, 0.999].map(|it| spread.place(it).unwrap());
        for (place, expected) in places.into_iter().zip([0.0, 0.25, 0.5, 0.75]) {
            assert!((place - expected).abs() < 1e-6, "{place}");
        }
        assert_eq!(spread.told(0.999), "p99.9");
        assert_eq!(spread.place(1.0), None);
    }

    #[test]
    fn a_plot_draws_each_line_and_names_it() {
        let line = |name: &str, points: &[(f64, f64)]| Line {
            name: name.into(),
            points: points.to_vec(),
        };
        let drawn = Plot {
            title: "speed".into(),
            x: Axis::linear("s"),
            y: Axis::linear("GB/s"),
            lines: vec![line("a & b", &[(0.0, 0.0), (4.0, 2.0)]), line("none", &[])],
        };
        let mut page = String::new();
        plot(&mut page, &drawn);
        let corners = format!(
            "{:.1},{:.1} {:.1},{:.1}",
            left(0.0),
            top(0.0),
            left(1.0),
            top(1.0)
        );
        assert!(page.contains(&corners), "{page}");
        assert_eq!(page.matches("<polyline").count(), 1);
        assert!(page.contains("a &amp; b") && page.contains("none"));
    }
}
