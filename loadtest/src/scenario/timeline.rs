//! What a run was like over time, as lines of a plot.

use hdrhistogram::Histogram;

use super::bench::Measured;
use crate::process::Usage;
use crate::report::{Axis, Line, Plot};

/// Percentiles of a latency curve: the same number in each power of ten.
const STEPS_A_NINE: u32 = 8;

/// One line for each of some runs.
pub(super) fn lines<'a>(
    runs: impl IntoIterator<Item = (&'a str, &'a Measured)>,
    points: impl Fn(&Measured) -> Vec<(f64, f64)>,
) -> Vec<Line> {
    let line = |(name, run): (&str, &Measured)| Line {
        name: name.to_owned(),
        points: points(run),
    };
    runs.into_iter().map(line).collect()
}

/// A plot over the seconds of a run.
pub(super) fn over_time(title: impl Into<String>, unit: &str, lines: Vec<Line>) -> Plot {
    Plot {
        title: title.into(),
        x: Axis::linear("seconds"),
        y: Axis::linear(unit),
        lines,
    }
}

/// How many cores the server's process tree kept busy between any two samples.
pub(super) fn cores(samples: &[(f64, Usage)]) -> Vec<(f64, f64)> {
    let pairs = samples.windows(2).filter(|two| two[1].0 > two[0].0);
    let busy = |two: &[(f64, Usage)]| {
        let cpu = two[1].1.cpu.saturating_sub(two[0].1.cpu);
        let middle = f64::midpoint(two[0].0, two[1].0);
        (middle, cpu.as_secs_f64() / (two[1].0 - two[0].0))
    };
    pairs.map(busy).collect()
}

/// Resident MiB.
pub(super) fn rss(samples: &[(f64, Usage)]) -> Vec<(f64, f64)> {
    of(samples, |usage| usage.rss as f64 / f64::from(1 << 20))
}

pub(super) fn descriptors(samples: &[(f64, Usage)]) -> Vec<(f64, f64)> {
    of(samples, |usage| usage.descriptors as f64)
}

/// Without those of connections that their other end counts.
pub(super) fn own_descriptors(samples: &[(f64, Usage)]) -> Vec<(f64, f64)> {
    of(samples, |usage| {
        usage.descriptors as f64 - usage.counted as f64
    })
}

fn of(samples: &[(f64, Usage)], figure: fn(&Usage) -> f64) -> Vec<(f64, f64)> {
    let samples = samples.iter();
    samples.map(|(at, usage)| (*at, figure(usage))).collect()
}

/// Quantiles and their latencies in milliseconds, as far out as there are answers to tell them by.
pub(super) fn curve(latency: &Histogram<u64>) -> Vec<(f64, f64)> {
    let count = latency.len() as f64;
    let steps = (0..).map(|step| f64::from(step) / f64::from(STEPS_A_NINE));
    let beyond = steps.map(|step| 10_f64.powf(-step));
    let told = beyond.take_while(|beyond| beyond * count >= 1.0);
    let point = |beyond| {
        let quantile = 1.0 - beyond;
        (quantile, latency.value_at_quantile(quantile) as f64 / 1e3)
    };
    told.map(point).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn cores_are_the_cpu_between_two_samples() {
        let usage = |cpu| Usage {
            cpu: Duration::from_millis(cpu),
            ..Usage::default()
        };
        let samples = [(0.0, usage(100)), (0.5, usage(600)), (1.0, usage(700))];
        assert_eq!(cores(&samples), [(0.25, 1.0), (0.75, 0.2)]);
        assert!(cores(&samples[..1]).is_empty());
    }

    #[test]
    fn a_curve_goes_as_far_out_as_there_are_answers() {
        let mut latency = Histogram::new_with_bounds(1, 1_000_000, 3).unwrap();
        for micros in 1..=1000 {
            latency.record(micros).unwrap();
        }
        let curve = curve(&latency);
        assert_eq!(curve.len(), 25);
        assert_eq!(curve[0], (0.0, 0.001));
        let (quantile, value) = curve[8];
        assert!((quantile - 0.9).abs() < 1e-9 && (value - 0.9).abs() < 0.002);
        assert!((curve[24].1 - 0.999).abs() < 0.002);
    }
}
