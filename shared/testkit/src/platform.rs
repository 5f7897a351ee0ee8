//! An orrery process that a test starts, kills and restarts.
