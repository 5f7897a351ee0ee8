use std::time::Duration;

/// Since when messages about others' writes arrive without a break. Sans-I/O.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    /// The stretch that was seen last, and when it was seen first.
    seen: Option<(u64, Duration)>,
}

impl Hearing {
    /// The level's word at `now`; gives since when nothing was missed.
    pub(crate) fn observe(&mut self, stretch: Option<u64>, now: Duration) -> Option<Duration> {
        let stretch = stretch?;
        match self.seen {
            Some((seen, since)) if seen == stretch => Some(since),
            _ => {
                self.seen = Some((stretch, now));
                Some(now)
            }
        }
    }

    /// Messages that had arrived were lost on the way from the level to the cache.
    pub(crate) fn missed(&mut self, now: Duration) {
        if let Some((_, since)) = &mut self.seen {
            *since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Hearing;
    use std::time::Duration;

    const fn s(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn it_counts_from_when_the_stretch_was_first_seen_and_anew_after_a_break() {
        let mut hearing = Hearing::default();
        assert_eq!(hearing.observe(None, s(1)), None, "not yet");
        assert_eq!(hearing.observe(Some(1), s(2)), Some(s(2)));
        assert_eq!(hearing.observe(Some(1), s(3)), Some(s(2)));
        assert_eq!(hearing.observe(None, s(4)), None, "lost");
        assert_eq!(hearing.observe(Some(3), s(5)), Some(s(5)));
        assert_eq!(
            hearing.observe(Some(5), s(6)),
            Some(s(6)),
            "a break that nobody saw"
        );
        hearing.missed(s(7));
        assert_eq!(hearing.observe(Some(5), s(8)), Some(s(7)));
    }
}
