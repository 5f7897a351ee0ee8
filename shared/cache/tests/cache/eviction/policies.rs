//! Eviction policies as small models: which keys are held, and nothing else.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

/// A cache as far as hits go.
pub(super) trait Policy {
    /// Reads a key, which is taken in where the policy wants it; says whether it was held.
    fn reads(&mut self, key: u64) -> bool;
}

/// Keys in the order of their last read.
#[derive(Default)]
struct Recent {
    by_read: BTreeSet<(u64, u64)>,
    read_at: HashMap<u64, u64>,
    now: u64,
}

impl Recent {
    fn holds(&self, key: u64) -> bool {
        self.read_at.contains_key(&key)
    }

    fn len(&self) -> usize {
        self.read_at.len()
    }

    /// Makes the key the one that was read last.
    fn touch(&mut self, key: u64) {
        self.remove(key);
        self.now += 1;
        self.by_read.insert((self.now, key));
        self.read_at.insert(key, self.now);
    }

    fn remove(&mut self, key: u64) {
        if let Some(at) = self.read_at.remove(&key) {
            self.by_read.remove(&(at, key));
        }
    }

    fn oldest(&self) -> Option<u64> {
        self.by_read.first().map(|(_, key)| *key)
    }

    fn take_oldest(&mut self) -> Option<u64> {
        let key = self.oldest()?;
        self.remove(key);
        Some(key)
    }
}

/// Evicts what was not read for the longest time.
pub(super) struct Lru {
    held: Recent,
    capacity: usize,
}

impl Lru {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            held: Recent::default(),
            capacity,
        }
    }
}

impl Policy for Lru {
    fn reads(&mut self, key: u64) -> bool {
        let hit = self.held.holds(key);
        if !hit && self.held.len() >= self.capacity {
            self.held.take_oldest();
        }
        self.held.touch(key);
        hit
    }
}

/// Evicts what was read least often since it was taken in; of several, what was not read for the longest time.
pub(super) struct Lfu {
    by_count: BTreeSet<(u64, u64, u64)>,
    counts: HashMap<u64, (u64, u64)>,
    now: u64,
    capacity: usize,
}

impl Lfu {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            by_count: BTreeSet::new(),
            counts: HashMap::new(),
            now: 0,
            capacity,
        }
    }
}

impl Policy for Lfu {
    fn reads(&mut self, key: u64) -> bool {
        self.now += 1;
        let before = self.counts.get(&key).copied();
        if let Some((count, at)) = before {
            self.by_count.remove(&(count, at, key));
        } else if self.counts.len() >= self.capacity
            && let Some((_, _, evicted)) = self.by_count.pop_first()
        {
            self.counts.remove(&evicted);
        }
        let count = before.map_or(0, |(count, _)| count) + 1;
        self.by_count.insert((count, self.now, key));
        self.counts.insert(key, (count, self.now));
        before.is_some()
    }
}

/// W-TinyLFU (Einziger, Friedman, Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017): a small window by last read;
/// who leaves it is admitted only if it was read more often than the one that would have to go. Frequencies up to 15, halved every
/// ten times the capacity. The paper estimates them in a sketch; here they are exact, which can only help it.
pub(super) struct TinyLfu {
    window: Recent,
    probation: Recent,
    protected: Recent,
    counts: HashMap<u64, u8>,
    since_halving: usize,
    window_max: usize,
    protected_max: usize,
    capacity: usize,
}

impl TinyLfu {
    pub(super) fn new(capacity: usize) -> Self {
        let window_max = (capacity / 100).max(1);
        Self {
            window: Recent::default(),
            probation: Recent::default(),
            protected: Recent::default(),
            counts: HashMap::new(),
            since_halving: 0,
            window_max,
            protected_max: (capacity - window_max) * 8 / 10,
            capacity,
        }
    }

    fn count(&mut self, key: u64) {
        let count = self.counts.entry(key).or_default();
        *count = (*count + 1).min(15);
        self.since_halving += 1;
        if self.since_halving >= 10 * self.capacity {
            self.since_halving = 0;
            self.counts.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
        }
    }

    fn frequency(&self, key: u64) -> u8 {
        self.counts.get(&key).copied().unwrap_or_default()
    }

    /// Where there is no room, the more often read of the newcomer and the one that would go stays.
    fn admit(&mut self, newcomer: u64) {
        let room = self.capacity - self.window_max;
        if self.probation.len() + self.protected.len() >= room
            && let Some(victim) = self.probation.oldest().or_else(|| self.protected.oldest())
        {
            if self.frequency(newcomer) <= self.frequency(victim) {
                return;
            }
            self.probation.remove(victim);
            self.protected.remove(victim);
        }
        self.probation.touch(newcomer);
    }
}

impl Policy for TinyLfu {
    fn reads(&mut self, key: u64) -> bool {
        self.count(key);
        if self.window.holds(key) {
            self.window.touch(key);
            return true;
        }
        if self.protected.holds(key) {
            self.protected.touch(key);
            return true;
        }
        if self.probation.holds(key) {
            self.probation.remove(key);
            self.protected.touch(key);
            if self.protected.len() > self.protected_max
                && let Some(demoted) = self.protected.take_oldest()
            {
                self.probation.touch(demoted);
            }
            return true;
        }
        self.window.touch(key);
        if self.window.len() > self.window_max
            && let Some(newcomer) = self.window.take_oldest()
        {
            self.admit(newcomer);
        }
        false
    }
}

/// Evicts what was taken in first, read or not: what a clock would be whose bit nobody sets.
pub(super) struct Fifo {
    queue: VecDeque<u64>,
    held: HashSet<u64>,
    capacity: usize,
}

impl Fifo {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            held: HashSet::new(),
            capacity,
        }
    }
}

impl Policy for Fifo {
    fn reads(&mut self, key: u64) -> bool {
        if !self.held.insert(key) {
            return true;
        }
        self.queue.push_back(key);
        if self.queue.len() > self.capacity
            && let Some(first) = self.queue.pop_front()
        {
            self.held.remove(&first);
        }
        false
    }
}

/// S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023): newcomers pass a small queue
/// first; who was not read there leaves, and its key is remembered for a while; who was, or comes again within that while, goes
/// to the main queue, whose hand takes reads off a count of at most three. A hit only raises that count.
pub(super) struct S3Fifo {
    small: VecDeque<u64>,
    main: VecDeque<u64>,
    ghosts: VecDeque<u64>,
    remembered: HashSet<u64>,
    reads: HashMap<u64, u8>,
    small_max: usize,
    capacity: usize,
}

impl S3Fifo {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            remembered: HashSet::new(),
            reads: HashMap::new(),
            small_max: (capacity / 10).max(1),
            capacity,
        }
    }

    fn evict(&mut self) {
        if self.small.len() < self.small_max && !self.main.is_empty() {
            return self.evict_from_main();
        }
        let Some(key) = self.small.pop_front() else { return };
        if self.reads.get(&key).is_some_and(|reads| *reads > 0) {
            self.reads.insert(key, 0);
            if self.main.len() >= self.capacity - self.small_max {
                self.evict_from_main();
            }
            self.main.push_back(key);
            return;
        }
        self.reads.remove(&key);
        self.ghosts.push_back(key);
        self.remembered.insert(key);
        if self.ghosts.len() > self.capacity - self.small_max
            && let Some(forgotten) = self.ghosts.pop_front()
        {
            self.remembered.remove(&forgotten);
        }
    }

    fn evict_from_main(&mut self) {
        while let Some(key) = self.main.pop_front() {
            match self.reads.get_mut(&key) {
                Some(reads) if *reads > 0 => {
                    *reads -= 1;
                    self.main.push_back(key);
                }
                _ => {
                    self.reads.remove(&key);
                    return;
                }
            }
        }
    }
}

impl Policy for S3Fifo {
    fn reads(&mut self, key: u64) -> bool {
        if let Some(reads) = self.reads.get_mut(&key) {
            *reads = (*reads + 1).min(3);
            return true;
        }
        while self.reads.len() >= self.capacity {
            self.evict();
        }
        self.reads.insert(key, 0);
        if self.remembered.contains(&key) {
            self.main.push_back(key);
        } else {
            self.small.push_back(key);
        }
        false
    }
}
