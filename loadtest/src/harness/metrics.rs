//! A node's metrics, as it exports them in Prometheus' text format.

use anyhow::Context;

/// All series at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Metrics(Vec<Series>);

#[derive(Debug, Clone, PartialEq)]
struct Series {
    name: String,
    /// As written: `kind="get",answer="2xx"`.
    labels: String,
    value: f64,
}

impl Metrics {
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let series = lines.map(|line| {
            let parse = || {
                let (series, value) = line.rsplit_once(' ')?;
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                Some(Series {
                    name: name.to_owned(),
                    labels: labels.strip_suffix('}')?.to_owned(),
                    value: value.parse().ok()?,
                })
            };
            parse().with_context(|| format!("not a line of metrics: {line}"))
        });
        Ok(Self(series.collect::<Result<_, _>>()?))
    }

    /// The sum of all series of this name; nothing where there is none, as when the node has no such part.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.with(name, &[])
    }

    /// The sum of those with these labels.
    pub(crate) fn with(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let all = self.0.iter().filter(|series| series.name == name);
        let matching = all.filter(|series| {
            let has = |label: &String| series.labels.split(',').any(|it| it == label);
            wanted.iter().all(has)
        });
        let values: Vec<f64> = matching.map(|series| series.value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// The values of a name by those of one of its labels, summed over the others.
    pub(crate) fn by_label(&self, name: &str, label: &str) -> Vec<(String, f64)> {
        let mut sums = std::collections::BTreeMap::new();
        for series in self.0.iter().filter(|series| series.name == name) {
            let value = series.labels.split(',').find_map(|pair| {
                let (own, value) = pair.split_once('=')?;
                (own == label).then(|| value.trim_matches('"').to_owned())
            });
            if let Some(value) = value {
                *sums.entry(value).or_default() += series.value;
            }
        }
        sums.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a help\n# TYPE a counter\na{kind=\"get\",answer=\"2xx\"} 3\na{kind=\"head\",answer=\"2xx\"} 4\nb 0.5\n\nc_bucket{le=\"+Inf\"} 9\n";

    #[test]
    fn series_are_summed_by_name_and_labels() {
        let metrics = Metrics::parse(TEXT).unwrap();
        assert_eq!(metrics.get("a"), Some(7.0));
        assert_eq!(metrics.with("a", &[("kind", "head")]), Some(4.0));
        assert_eq!(metrics.with("a", &[("kind", "put")]), None);
        assert_eq!(metrics.get("b"), Some(0.5));
        assert_eq!(metrics.get("d"), None);
        let by_kind = [("get".to_owned(), 3.0), ("head".to_owned(), 4.0)];
        assert_eq!(metrics.by_label("a", "kind"), by_kind);
    }

    #[test]
    fn what_is_not_metrics_is_refused() {
        assert!(Metrics::parse("<html>").is_err());
    }
}
