//! What Prometheus has stored, sample by sample.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{Prometheus, encoded};

/// The samples of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its labels, `__name__` among them.
    pub labels: BTreeMap<String, String>,
    /// When, since 1970, and how much; oldest first.
    pub points: Vec<(Duration, f64)>,
}

impl Prometheus {
    /// Its own clock, since 1970.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn now(&self) -> Result<Duration, String> {
        let told = self.query("time()").await?;
        let (_, at_s) = told.first().ok_or("it has no time")?;
        Duration::try_from_secs_f64(*at_s).map_err(|e| e.to_string())
    }

    /// Every sample of the last `range` that a selector finds, as it was stored.
    ///
    /// # Errors
    /// When the selector cannot be parsed, with Prometheus's words.
    pub async fn recorded(&self, selector: &str, range: Duration) -> Result<Vec<Recorded>, String> {
        let expr = format!("{selector}[{}ms]", range.as_millis());
        let told = self.asked(&format!("query={}", encoded(&expr))).await?;
        let result = told["data"]["result"].as_array();
        result.into_iter().flatten().map(one).collect()
    }
}

fn one(series: &Value) -> Result<Recorded, String> {
    let labels = series["metric"].as_object().into_iter().flatten();
    let labels = labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    let points = series["values"].as_array().into_iter().flatten();
    let points = points.map(|pair| {
        let at = pair[0]
            .as_f64()
            .and_then(|at_s| Duration::try_from_secs_f64(at_s).ok());
        let at = at.ok_or_else(|| format!("no time in {pair}"))?;
        Ok((at, super::value(pair)?))
    });
    Ok(Recorded {
        labels: labels.collect(),
        points: points.collect::<Result<_, String>>()?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::one;

    #[test]
    fn every_sample_has_its_time() {
        let series = json!({"metric": {"job": "gateway"}, "values": [[1.5, "2"], [2.5, "4"]]});
        let read = one(&series).expect("a series");
        assert_eq!(read.labels["job"], "gateway");
        assert_eq!(read.points[1], (Duration::from_millis(2_500), 4.0));
    }
}
