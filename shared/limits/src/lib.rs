//! Token buckets
