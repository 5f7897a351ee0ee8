//! The URL shortener
