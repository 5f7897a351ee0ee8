//! An OTLP receiver inside the test.
