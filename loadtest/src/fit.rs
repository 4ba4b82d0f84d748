//! A line through samples that some of them being far off does not bend.

/// More points than this are joined by medians before a line is laid through them.
const MOST: usize = 128;

/// By how much `samples` of (time, value), in the order of time, rise from the begin of their second half to the end: the slope
/// of Theil and Sen (the median of the slopes of all pairs of points) times the half's time. The first half, in which caches
/// fill, does not count. Zero for fewer than four samples.
pub(crate) fn late_rise(samples: &[(f64, f64)]) -> f64 {
    let half = &samples[samples.len() / 2..];
    let points: Vec<_> = half
        .chunks(half.len().div_ceil(MOST).max(1))
        .map(middle)
        .collect();
    let mut slopes = Vec::new();
    for (number, one) in points.iter().enumerate() {
        for other in &points[number + 1..] {
            if other.0 > one.0 {
                slopes.push((other.1 - one.1) / (other.0 - one.0));
            }
        }
    }
    match (points.first(), points.last()) {
        (Some(first), Some(last)) if !slopes.is_empty() => median(slopes) * (last.0 - first.0),
        _ => 0.0,
    }
}

/// The median of the second half.
pub(crate) fn late_median(samples: &[(f64, f64)]) -> f64 {
    let half = &samples[samples.len() / 2..];
    median(half.iter().map(|sample| sample.1).collect())
}

fn middle(part: &[(f64, f64)]) -> (f64, f64) {
    let of = |of: fn(&(f64, f64)) -> f64| median(part.iter().map(of).collect());
    (of(|it| it.0), of(|it| it.1))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(count: u32, of: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..count).map(|at| (at.into(), of(at.into()))).collect()
    }

    #[test]
    fn a_steady_rise_is_told_whole() {
        let rise = late_rise(&samples(101, |at| 1000.0 + 2.0 * at));
        assert!((rise - 100.0).abs() < 1e-9, "{rise}");
    }

    #[test]
    fn what_rose_only_in_the_first_half_does_not_rise() {
        let filled = samples(200, |at| at.min(90.0));
        assert_eq!((late_rise(&filled), late_median(&filled)), (0.0, 90.0));
    }

    #[test]
    fn peaks_and_a_high_last_sample_do_not_count_as_growth() {
        let peaks = samples(100, |at| {
            if at % 7.0 == 0.0 || at == 99.0 {
                500.0
            } else {
                10.0
            }
        });
        assert_eq!((late_rise(&peaks), late_median(&peaks)), (0.0, 10.0));
    }

    #[test]
    fn many_samples_tell_the_same_as_few() {
        let rise = late_rise(&samples(20_001, |at| at / 100.0));
        assert!((98.0..=100.0).contains(&rise), "{rise}");
        assert_eq!(late_rise(&[]), 0.0);
    }
}
