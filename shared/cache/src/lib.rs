//! Cache-aside with jitter, single flight, early refresh, negative entries
