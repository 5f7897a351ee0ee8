//! Who waits for news of a partition.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::{PARTITIONS, Partition};

type Bells = [watch::Sender<u64>; PARTITIONS as usize];

/// The bells of every stream that somebody published to or waits for.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    streams: Mutex<HashMap<String, Arc<Bells>>>,
}

impl Wakes {
    pub(crate) fn wake(&self, stream: &str, partitions: impl IntoIterator<Item = Partition>) {
        let bells = self.of(stream);
        for partition in partitions {
            bells[usize::from(partition.number())]
                .send_modify(|publishes| *publishes = publishes.wrapping_add(1));
        }
    }

    pub(crate) fn subscribe(&self, stream: &str, partition: Partition) -> watch::Receiver<u64> {
        self.of(stream)[usize::from(partition.number())].subscribe()
    }

    fn of(&self, stream: &str) -> Arc<Bells> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = streams.get(stream) {
            return Arc::clone(known);
        }
        let new: Arc<Bells> = Arc::new(std::array::from_fn(|_| watch::Sender::new(0)));
        streams.insert(stream.to_owned(), Arc::clone(&new));
        new
    }
}
