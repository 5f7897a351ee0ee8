//! Deadlines that shrink at each hop; retries with full jitter and a budget
