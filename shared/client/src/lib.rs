//! The HTTP client between roles
