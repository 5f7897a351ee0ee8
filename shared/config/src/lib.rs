//! Layered settings: defaults, file, environment, flags; each knows where it came from
