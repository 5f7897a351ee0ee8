//! What the roles can emit, as far as panels must know it.

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// `_bucket`, `_count` and `_sum`.
    Histogram,
    /// Always 1.
    Info,
}

/// A metric that a role can emit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// The role, which is its scrape's `job`.
    pub role: String,
    /// As queries name it; a histogram without `_bucket`, `_count` and `_sum`.
    pub name: String,
    /// What kind it is.
    pub kind: Kind,
    /// Its base unit, where it has one: `seconds`, `bytes`.
    pub unit: Option<String>,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// What it counts.
    pub help: String,
}

impl Emitted {
    /// Whether a query that asks for `name` asks for this metric.
    pub fn answers(&self, name: &str) -> bool {
        match self.kind {
            Kind::Histogram => name
                .strip_prefix(&*self.name)
                .is_some_and(|tail| matches!(tail, "_bucket" | "_count" | "_sum")),
            _ => name == self.name,
        }
    }
}
