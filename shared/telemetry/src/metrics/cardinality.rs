//! A limit on how many values a label takes: a client that invents tenants must not fill the memory of Prometheus.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;

/// What a label says once its limit is reached.
pub const OTHER: &str = "other";

/// The values a label has taken. The first `values_max` are kept, later ones are [`OTHER`].
#[derive(Debug)]
pub struct Cardinality {
    values: ArcSwap<HashSet<Box<str>>>,
    growing: Mutex<()>,
    values_max: usize,
}

impl Cardinality {
    /// A label that takes at most this many values besides `other`.
    pub fn new(values_max: usize) -> Self {
        Self {
            values: ArcSwap::default(),
            growing: Mutex::new(()),
            values_max,
        }
    }

    /// The value to use for this one. Allocates only when it is new.
    pub fn label<'a>(&self, value: &'a str) -> &'a str {
        let values = self.values.load();
        if values.contains(value) {
            return value;
        }
        if values.len() >= self.values_max {
            return OTHER;
        }
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values = HashSet::clone(&self.values.load());
        if values.len() >= self.values_max && !values.contains(value) {
            return OTHER;
        }
        values.insert(value.into());
        self.values.store(Arc::new(values));
        value
    }
}
