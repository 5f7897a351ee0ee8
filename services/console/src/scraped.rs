//! Charts from scraped histograms: what was added to each of their classes since the scrape before.

use std::collections::{HashMap, HashSet};

use slo::exposition::Sample;

use crate::red::{Histogram, RedStore};

/// The histogram that every role keeps of its requests.
const REQUESTS: &str = "http_server_request_duration_seconds_bucket";
/// Label sets that are followed.
const COUNTERS_MAX: usize = 2_048;
/// Classes of one histogram that are followed.
const CLASSES_MAX: usize = 64;

/// What stood in a histogram when it was last read: by class, how many were at most in it.
type Classes = Vec<(f64, f64)>;

/// What was read last.
#[derive(Debug, Default)]
pub(crate) struct Scraped {
    counters: HashMap<String, Classes>,
    targets: HashSet<String>,
    bytes: usize,
}

/// One label set of one scrape.
struct Read<'a> {
    method: &'a str,
    route: &'a str,
    status: &'a str,
    classes: Classes,
}

impl Scraped {
    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds what is new to the charts. What a target counted before it was first read was before our time; a label set
    /// that appears later began at 0.
    pub(crate) fn take(
        &mut self,
        into: &mut RedStore,
        job: &str,
        instance: &str,
        samples: &[Sample],
        now_s: u64,
    ) {
        let target = format!("{job}\0{instance}");
        let known = self.targets.contains(&target);
        for read in read(samples) {
            let key = format!("{target}\0{}\0{}\0{}", read.method, read.route, read.status);
            let before = self.counters.get(&key);
            // One that is not followed cannot be compared, so it is not charted.
            let followed = before.is_some() || known && self.counters.len() < COUNTERS_MAX;
            if followed {
                let added = added(before, &read.classes);
                let requests = u32::try_from(added.count()).unwrap_or(u32::MAX);
                if requests > 0 {
                    let errors = if read.status.starts_with('5') { requests } else { 0 };
                    let route = format!("{} {}", read.method, read.route);
                    into.add(job, &route, now_s, errors, &added);
                }
            }
            self.keep(key, read.classes);
        }
        if !known && self.targets.len() < COUNTERS_MAX {
            self.bytes += target.len() + 64;
            self.targets.insert(target);
        }
    }

    fn keep(&mut self, key: String, classes: Classes) {
        let size = |classes: &Classes| classes.capacity() * size_of::<(f64, f64)>();
        if let Some(known) = self.counters.get_mut(&key) {
            self.bytes = self.bytes - size(known) + size(&classes);
            *known = classes;
        } else if self.counters.len() < COUNTERS_MAX {
            self.bytes += key.len() + 96 + size(&classes);
            self.counters.insert(key, classes);
        }
    }
}

/// The request histograms of a scrape, by their labels.
fn read(samples: &[Sample]) -> Vec<Read<'_>> {
    let mut reads: Vec<Read<'_>> = Vec::new();
    let mut places: HashMap<(&str, &str, &str), usize> = HashMap::new();
    for sample in samples.iter().filter(|sample| sample.name == REQUESTS) {
        let label = |name: &str| {
            let found = sample.labels.iter().find(|(known, _)| known == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let labels = (label("method"), label("route"), label("status"));
        let Ok(bound) = label("le").parse::<f64>() else {
            continue;
        };
        if bound.is_nan() || !sample.value.is_finite() {
            continue;
        }
        let place = *places.entry(labels).or_insert_with(|| {
            reads.push(Read {
                method: labels.0,
                route: labels.1,
                status: labels.2,
                classes: Vec::new(),
            });
            reads.len() - 1
        });
        let classes = &mut reads[place].classes;
        if classes.len() < CLASSES_MAX {
            classes.push((bound, sample.value));
        }
    }
    for read in &mut reads {
        read.classes.sort_by(|one, two| one.0.total_cmp(&two.0));
        read.classes.shrink_to_fit();
    }
    reads
}

/// What was added since. A counter that fell has begun again at 0.
fn added(before: Option<&Classes>, now: &Classes) -> Histogram {
    let value = |classes: &Classes, bound: f64| {
        let found = classes.iter().find(|(known, _)| known.total_cmp(&bound).is_eq());
        found.map_or(0.0, |(_, value)| *value)
    };
    let fell = before.is_some_and(|before| {
        now.iter()
            .any(|(bound, value_now)| *value_now < value(before, *bound))
    });
    let before = before.filter(|_| !fell);
    let (mut histogram, mut below) = (Histogram::default(), 0.0);
    for (bound, value_now) in now {
        let upto = value_now - before.map_or(0.0, |before| value(before, *bound));
        let here = (upto - below).max(0.0);
        below = upto.max(below);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of requests: not negative, and what is too large saturates"
        )]
        histogram.observe_upto(*bound, here.round() as u32);
    }
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(quick: u32, slow: u32, status: u16) -> Vec<Sample> {
        let line = |le: &str, value: u32| {
            format!(
                "{REQUESTS}{{method=\"GET\",route=\"/{{code}}\",status=\"{status}\",le=\"{le}\"}} {value}\n"
            )
        };
        let text = line("0.001", quick) + &line("0.5", quick + slow) + &line("+Inf", quick + slow);
        slo::exposition::parse(&text)
    }

    fn seen(store: &RedStore) -> (u64, u64) {
        let points = store.service("gateway").map(|red| red.total.points(1_000).points);
        let points = points.unwrap_or_default();
        (
            points.iter().map(|p| p.requests).sum(),
            points.iter().map(|p| p.errors).sum(),
        )
    }

    #[test]
    fn what_was_counted_before_the_first_scrape_is_not_charted_and_what_comes_after_is() {
        let (mut scraped, mut store) = (Scraped::default(), RedStore::default());
        scraped.take(&mut store, "gateway", "a", &scrape(100, 0, 302), 1_000);
        assert_eq!(seen(&store), (0, 0));
        scraped.take(&mut store, "gateway", "a", &scrape(110, 5, 302), 1_000);
        assert_eq!(seen(&store), (15, 0));
        scraped.take(&mut store, "gateway", "a", &scrape(3, 0, 503), 1_000);
        assert_eq!(
            seen(&store),
            (18, 3),
            "a label set that is new on a known target began at 0"
        );
    }

    #[test]
    fn a_role_that_began_again_is_counted_from_nothing() {
        let (mut scraped, mut store) = (Scraped::default(), RedStore::default());
        scraped.take(&mut store, "gateway", "a", &scrape(100, 0, 302), 1_000);
        scraped.take(&mut store, "gateway", "a", &scrape(7, 0, 302), 1_000);
        assert_eq!(seen(&store), (7, 0));
    }

    #[test]
    fn label_sets_without_end_are_not_followed() {
        let (mut scraped, mut store) = (Scraped::default(), RedStore::default());
        for status in 0..10_000 {
            scraped.take(&mut store, "gateway", "a", &scrape(1, 0, status), 1_000);
        }
        assert!(scraped.counters.len() <= COUNTERS_MAX);
        assert!(scraped.bytes() < COUNTERS_MAX * 512, "{}", scraped.bytes());
    }
}
