//! A private Prometheus and a private Alertmanager, started as `cargo xtask engines up --observability` starts the shared ones.
//!
//! ```no_run
//! # async fn demo(port_base: u16) {
//! use testkit::watchers::{Prometheus, PrometheusSettings};
//! let settings = PrometheusSettings::of(&[port_base]);
//! let Some(prometheus) = Prometheus::start("a_test", &settings).await else { return };
//! for (labels, value) in prometheus.query("up").await.expect("a query") {
//!     println!("{}: {value}", labels["job"]);
//! }
//! # }
//! ```

mod recorded;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ::engines::{Program, Watcher, checkout};
use http::Method;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::engines::instance::Instance;
use crate::http::call;
use crate::platform::PortBlock;

pub use recorded::Recorded;

/// How often a query is asked again.
const POLL: Duration = Duration::from_millis(200);

/// Prometheus looks for its Alertmanager five seconds after its start.
const KNOWS_WITHIN: Duration = Duration::from_mins(1);

/// One series of an answer: its labels, `__name__` among them, and its value.
pub type Series = (BTreeMap<String, String>, f64);

/// A private Prometheus. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Prometheus {
    instance: Instance,
    // Held for its Drop.
    _ports: PortBlock,
}

/// What a private Prometheus watches.
#[derive(Debug, Clone)]
pub struct PrometheusSettings {
    /// The port bases of the platforms whose roles it scrapes.
    pub port_bases: Vec<u16>,
    /// How often it scrapes, and evaluates its rules; whole milliseconds.
    pub interval: Duration,
    /// The folder of its rules; the generated ones of this checkout by default.
    pub rules: PathBuf,
    /// The Alertmanager that it tells; nobody by default.
    pub alertmanager: Option<SocketAddr>,
}

impl PrometheusSettings {
    /// Platforms at these port bases, looked at every second.
    pub fn of(port_bases: &[u16]) -> Self {
        Self {
            port_bases: port_bases.to_vec(),
            interval: Duration::from_secs(1),
            rules: checkout().join("infra/prometheus/rules"),
            alertmanager: None,
        }
    }

    fn arguments(&self, nobody: u16) -> Vec<String> {
        vec![
            self.alertmanager.map_or(nobody, |it| it.port()).to_string(),
            self.port_bases
                .iter()
                .map(u16::to_string)
                .collect::<Vec<_>>()
                .join(","),
            milliseconds(self.interval),
            self.rules.display().to_string(),
        ]
    }
}

impl Prometheus {
    /// Starts one and waits until it is ready; `None` after skipping `test` aloud when its program is not installed.
    ///
    /// # Panics
    /// When it is installed and does not start, with the end of its log; when there is none and
    /// `ORRERY_REQUIRE_ENGINES=1` forbids skipping.
    pub async fn start(test: &str, settings: &PrometheusSettings) -> Option<Self> {
        let ports = PortBlock::reserve();
        // The port after its own is in the block too, and nobody listens there.
        let arguments = settings.arguments(ports.base() + 1);
        let instance = start(Watcher::Prometheus, &ports, arguments, test).await?;
        let prometheus = Self {
            instance,
            _ports: ports,
        };
        if settings.alertmanager.is_some() {
            prometheus.knows_its_alertmanager().await;
        }
        Some(prometheus)
    }

    /// It looks for it after it has said that it is ready, and what it would tell before then is lost.
    async fn knows_its_alertmanager(&self) {
        let url = format!("{}/api/v1/alertmanagers", self.url());
        let found = timeout(KNOWS_WITHIN, async {
            while crate::http::get(&url).send().await.json()["data"]["activeAlertmanagers"]
                .as_array()
                .is_none_or(Vec::is_empty)
            {
                sleep(POLL).await;
            }
        });
        assert!(
            found.await.is_ok(),
            "no Alertmanager known within {KNOWS_WITHIN:?}\n{}",
            self.log_tail()
        );
    }

    /// Where it listens, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.instance.address())
    }

    /// Evaluates a query now. A scalar comes as one series without labels.
    ///
    /// # Errors
    /// When the query cannot be parsed or evaluated, with Prometheus's words.
    pub async fn query(&self, expr: &str) -> Result<Vec<Series>, String> {
        self.ask(&format!("query={}", encoded(expr))).await
    }

    /// Evaluates a query at a moment, in seconds since 1970.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn query_at(&self, expr: &str, at_s: f64) -> Result<Vec<Series>, String> {
        self.ask(&format!("query={}&time={at_s}", encoded(expr))).await
    }

    /// Asks until the answer is as it should be, and gives that; the last answer when the time is up is the error.
    ///
    /// # Errors
    /// The last answer, written out.
    pub async fn until(
        &self,
        expr: &str,
        within: Duration,
        is_so: impl Fn(&[Series]) -> bool,
    ) -> Result<Vec<Series>, String> {
        let mut last = Err("it was never asked".to_owned());
        let waited = timeout(within, async {
            loop {
                last = self.query(expr).await;
                if last.as_deref().is_ok_and(&is_so) {
                    return;
                }
                sleep(POLL).await;
            }
        });
        match waited.await {
            Ok(()) => last,
            Err(_) => Err(format!(
                "{expr}: not within {within:?}; the last answer: {last:?}"
            )),
        }
    }

    /// The end of what it has printed so far.
    pub fn log_tail(&self) -> String {
        self.instance.log_tail()
    }

    async fn ask(&self, form: &str) -> Result<Vec<Series>, String> {
        series(&self.asked(form).await?)
    }

    async fn asked(&self, form: &str) -> Result<Value, String> {
        let answer = call(Method::POST, format!("{}/api/v1/query", self.url()))
            .header("content-type", "application/x-www-form-urlencoded")
            .bytes(form.to_owned())
            .try_send()
            .await?;
        let told: Value =
            serde_json::from_slice(&answer.body).map_err(|e| format!("{e}: {}", answer.text()))?;
        refused(&told)?;
        Ok(told)
    }
}

/// A private Alertmanager. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Alertmanager {
    instance: Instance,
    // Held for its Drop.
    _ports: PortBlock,
}

/// Whom a private Alertmanager tells, and when.
#[derive(Debug, Clone)]
pub struct AlertmanagerSettings {
    /// The URL that it posts to.
    pub webhook: String,
    /// How long it waits for further alerts of a group before it tells of the first.
    pub group_wait: Duration,
    /// How long it waits before it tells of a change in a group.
    pub group_interval: Duration,
}

impl Alertmanager {
    /// Starts one and waits until it is ready; `None` after skipping `test` aloud when its program is not installed.
    ///
    /// # Panics
    /// As [`Prometheus::start`] does.
    pub async fn start(test: &str, settings: &AlertmanagerSettings) -> Option<Self> {
        let ports = PortBlock::reserve();
        let arguments = vec![
            settings.webhook.clone(),
            milliseconds(settings.group_wait),
            milliseconds(settings.group_interval),
        ];
        let instance = start(Watcher::Alertmanager, &ports, arguments, test).await?;
        Some(Self {
            instance,
            _ports: ports,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.instance.address()
    }

    /// The end of what it has printed so far.
    pub fn log_tail(&self) -> String {
        self.instance.log_tail()
    }
}

async fn start(watcher: Watcher, ports: &PortBlock, arguments: Vec<String>, test: &str) -> Option<Instance> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.base()));
    let mut instance = Instance::prepare(Program::Watcher(watcher), address, arguments);
    instance.spawn();
    if let Err(why) = instance.answers().await {
        drop(instance);
        why.skip(test);
        return None;
    }
    Some(instance)
}

/// As Prometheus and Alertmanager write durations.
fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// A value of a form.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// The words of an answer that is none.
fn refused(told: &Value) -> Result<(), String> {
    if told["status"] == "success" {
        return Ok(());
    }
    Err(format!("{}: {}", told["errorType"], told["error"]))
}

/// The series in an answer of the query API.
fn series(told: &Value) -> Result<Vec<Series>, String> {
    let result = &told["data"]["result"];
    match told["data"]["resultType"].as_str() {
        Some("scalar") => Ok(vec![(BTreeMap::new(), value(result)?)]),
        Some("vector") => result.as_array().into_iter().flatten().map(one_series).collect(),
        other => Err(format!("an answer of type {other:?}")),
    }
}

fn one_series(one: &Value) -> Result<Series, String> {
    let labels = one["metric"].as_object().into_iter().flatten();
    let labels = labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    Ok((labels.collect(), value(&one["value"])?))
}

/// The second of a pair of time and value, which is text: JSON has no NaN.
fn value(pair: &Value) -> Result<f64, String> {
    let text = pair[1].as_str().ok_or_else(|| format!("no value in {pair}"))?;
    text.parse().map_err(|e| format!("{text}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_query_survives_the_form_that_carries_it() {
        assert_eq!(encoded(r#"up{job="a+b"}"#), "up%7Bjob%3D%22a%2Bb%22%7D");
    }

    #[test]
    fn vectors_and_scalars_are_read_and_refusals_are_told() {
        let vector = json!({"status": "success", "data": {"resultType": "vector", "result": [
            {"metric": {"__name__": "up", "job": "gateway"}, "value": [1.5, "NaN"]}
        ]}});
        let read = series(&vector).expect("a vector");
        assert_eq!(read[0].0["job"], "gateway");
        assert!(read[0].1.is_nan());
        let scalar = json!({"status": "success", "data": {"resultType": "scalar", "result": [1.5, "2"]}});
        assert_eq!(series(&scalar), Ok(vec![(BTreeMap::new(), 2.0)]));
        let refused = json!({"status": "error", "errorType": "bad_data", "error": "no"});
        assert_eq!(super::refused(&refused), Err("\"bad_data\": \"no\"".to_owned()));
    }
}
