use arc_swap::ArcSwap;
use ids::{Id, IdError, IdGenerator};
use std::sync::Arc;

/// Ids under the leased worker number; what a role's code holds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LeasedIds {
    /// Replaced only when the slot was lost and another was taken.
    generator: Arc<ArcSwap<IdGenerator>>,
}

impl LeasedIds {
    pub(crate) fn new(generator: IdGenerator) -> Self {
        Self {
            generator: Arc::new(ArcSwap::from_pointee(generator)),
        }
    }

    /// The next id; see `IdGenerator::next`.
    pub fn next(&self) -> Result<Id, IdError> {
        self.generator.load().next()
    }

    /// The generator in use now.
    pub fn generator(&self) -> Arc<IdGenerator> {
        self.generator.load_full()
    }

    pub(crate) fn replace(&self, generator: IdGenerator) {
        self.generator.store(Arc::new(generator));
    }
}
