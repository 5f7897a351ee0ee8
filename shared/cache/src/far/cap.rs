use std::time::Duration;

/// A bucket holds what the limit lets through in this time, and at least one read.
const BURST_S: f64 = 0.1;

/// How often the origin is read in good times, and how often it may be read in bad ones: twice that. Sans-I/O.
#[derive(Debug)]
pub(crate) struct Cap {
    window_s: f64,
    per_s_min: f64,
    /// Reads a second, decayed to `at`.
    rate: f64,
    at: Duration,
    /// How long good times have been watched; an average over little is corrected for it.
    watched_s: f64,
    good: bool,
    tokens: f64,
    refilled_at: Duration,
}

impl Cap {
    pub(crate) fn new(window: Duration, per_s_min: u32, now: Duration) -> Self {
        Self {
            window_s: window.as_secs_f64(),
            per_s_min: f64::from(per_s_min),
            rate: 0.0,
            at: now,
            watched_s: 0.0,
            good: true,
            tokens: (f64::from(per_s_min) * BURST_S).max(1.0),
            refilled_at: now,
        }
    }

    /// Counts a read of the origin in good times.
    pub(crate) fn count(&mut self, now: Duration) {
        if self.good {
            self.decay(now);
        }
        self.good = true;
        self.at = now;
        self.rate += 1.0 / self.window_s;
    }

    /// Whether the origin may be read once more in bad times, which are not counted: the limit must not feed itself.
    pub(crate) fn admits(&mut self, now: Duration) -> bool {
        if self.good {
            self.decay(now);
            self.good = false;
        }
        let limit = self.limit_per_s();
        let passed_s = now.saturating_sub(self.refilled_at).as_secs_f64();
        self.refilled_at = now;
        self.tokens = (self.tokens + passed_s * limit).min((limit * BURST_S).max(1.0));
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// Reads a second that bad times allow.
    pub(crate) fn limit_per_s(&self) -> f64 {
        (2.0 * self.usual_per_s()).max(self.per_s_min)
    }

    /// The average of good times. What was watched for less than a second is taken for a second.
    pub(crate) fn usual_per_s(&self) -> f64 {
        self.rate / (1.0 - (-self.watched_s.max(1.0) / self.window_s).exp())
    }

    fn decay(&mut self, now: Duration) {
        let passed_s = now.saturating_sub(self.at).as_secs_f64();
        self.at = now;
        self.watched_s += passed_s;
        self.rate *= (-passed_s / self.window_s).exp();
    }
}

#[cfg(test)]
mod tests {
    use super::Cap;
    use std::time::Duration;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn watched(reads_per_s: u64, seconds: u64) -> Cap {
        let mut cap = Cap::new(Duration::from_secs(30), 0, ms(0));
        for i in 0..reads_per_s * seconds {
            cap.count(ms(1_000 * i / reads_per_s));
        }
        cap
    }

    fn admitted(cap: &mut Cap, from_ms: u64, to_ms: u64) -> u32 {
        (from_ms..to_ms).map(|at| u32::from(cap.admits(ms(at)))).sum()
    }

    #[test]
    fn the_usual_rate_is_known_after_seconds_and_after_minutes() {
        for seconds in [2, 10, 60, 300] {
            let usual = watched(40, seconds).usual_per_s();
            assert!((38.0..=42.0).contains(&usual), "{usual} after {seconds} s");
        }
    }

    #[test]
    fn bad_times_allow_twice_the_usual_rate_and_do_not_raise_it() {
        let mut cap = watched(40, 60);
        for minute in 1..5 {
            let reads = admitted(&mut cap, minute * 60_000, (minute + 1) * 60_000);
            assert!((4_600..=4_840).contains(&reads), "{reads} in minute {minute}");
        }
    }

    #[test]
    fn turning_from_good_to_bad_and_back_gains_no_reads() {
        let mut cap = watched(10, 60);
        let mut reads = 0;
        for at in 60_000..70_000 {
            reads += u32::from(cap.admits(ms(at)));
            if at % 500 == 0 {
                cap.count(ms(at));
            }
        }
        assert!(reads <= 2 * 10 * 10 + 2 * 20, "{reads} reads in ten seconds");
    }

    #[test]
    fn what_nobody_watched_yet_is_limited_by_the_least_rate() {
        let mut cap = Cap::new(Duration::from_secs(30), 5, ms(0));
        let reads = admitted(&mut cap, 0, 10_000);
        assert!((48..=51).contains(&reads), "{reads}");
    }

    #[test]
    fn the_usual_rate_follows_the_times() {
        let mut cap = watched(100, 60);
        for i in 0..120 {
            cap.count(ms(60_000 + i * 1_000));
        }
        let usual = cap.usual_per_s();
        assert!((1.0..5.0).contains(&usual), "{usual}");
    }
}
