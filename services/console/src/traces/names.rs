//! Words that come again and again (services, routes, attribute names) are kept once.

use std::collections::HashSet;
use std::sync::Arc;

/// As many as real programs have; what comes beyond is kept by each span for itself, and counted there.
const NAMES_MAX: usize = 4_096;
/// A longer one is not a name.
const NAME_BYTES_MAX: usize = 256;
/// Two counters and a pointer beside the text, and the place in the set.
const ENTRY_BYTES: usize = 48;

/// The set of names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: HashSet<Arc<str>>,
    bytes: usize,
}

impl Names {
    /// The shared form of a name, and whether it is one.
    pub(crate) fn shared(&mut self, name: &str) -> (Arc<str>, bool) {
        if let Some(known) = self.known.get(name) {
            return (known.clone(), true);
        }
        let made: Arc<str> = name.into();
        let room = self.known.len() < NAMES_MAX && name.len() <= NAME_BYTES_MAX;
        if room {
            self.bytes += name.len() + ENTRY_BYTES;
            self.known.insert(made.clone());
        }
        (made, room)
    }

    /// Lets go of what nobody uses any more, once the table is full: a program with ids in its names must not keep all others out.
    pub(crate) fn forget_unused(&mut self) {
        if self.known.len() < NAMES_MAX {
            return;
        }
        self.known.retain(|name| Arc::strong_count(name) > 1);
        self.bytes = self.known.iter().map(|name| name.len() + ENTRY_BYTES).sum();
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_end_are_not_kept() {
        let mut names = Names::default();
        for number in 0..100_000 {
            names.shared(&number.to_string());
        }
        let full = names.bytes();
        assert!(names.shared("0").1 && !names.shared("new").1);
        assert!(names.bytes() == full && full < NAMES_MAX * 64);
        let (used, _) = names.shared("7");
        names.forget_unused();
        assert_eq!(names.bytes(), used.len() + ENTRY_BYTES);
        assert!(names.shared("new").1);
    }
}
