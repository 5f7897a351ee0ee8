use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};

/// A bounded map that evicts by the clock algorithm: a read only sets a bit, so readers share the lock. The hand
/// passes over slots in a ring, clears the bit of those read since it last came by, and evicts the first that were not.
#[derive(Debug)]
pub(crate) struct Shelf<K, T> {
    index: HashMap<K, usize>,
    slots: Vec<Option<Slot<K, T>>>,
    free: Vec<usize>,
    hand: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Slot<K, T> {
    key: K,
    item: T,
    read: AtomicBool,
}

impl<K: Hash + Eq + Clone, T> Shelf<K, T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            index: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
            capacity: capacity.max(1),
        }
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let slot = self.slots[*self.index.get(key)?].as_ref()?;
        // Most reads of a hot entry find the bit set and leave the cache line shared.
        if !slot.read.load(Ordering::Relaxed) {
            slot.read.store(true, Ordering::Relaxed);
        }
        Some(&slot.item)
    }

    /// Puts an item in, in place of the key's former one. Says whether another key's had to go.
    pub(crate) fn insert(&mut self, key: K, item: T) -> bool {
        if let Some(&at) = self.index.get(&key) {
            self.slots[at] = Some(Slot {
                key,
                item,
                read: AtomicBool::new(true),
            });
            return false;
        }
        let full = self.index.len() >= self.capacity;
        let at = if full {
            self.evict()
        } else if let Some(at) = self.free.pop() {
            at
        } else {
            self.slots.push(None);
            self.slots.len() - 1
        };
        self.index.insert(key.clone(), at);
        self.slots[at] = Some(Slot {
            key,
            item,
            read: AtomicBool::new(false),
        });
        full
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let Some(at) = self.index.remove(key) else {
            return false;
        };
        self.slots[at] = None;
        self.free.push(at);
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Empties a slot and says which. Called only when every slot is taken, and ends within two rounds: the first
    /// clears all bits.
    fn evict(&mut self) -> usize {
        loop {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            let Some(slot) = &mut self.slots[at] else { continue };
            if !std::mem::take(slot.read.get_mut()) {
                self.index.remove(&slot.key);
                self.slots[at] = None;
                return at;
            }
        }
    }
}
