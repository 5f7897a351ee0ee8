//! One injected clock: wall and monotonic time, stepped by hand in tests
