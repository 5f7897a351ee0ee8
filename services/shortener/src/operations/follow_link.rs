//! Where a code leads.

use std::sync::Arc;

use cache::{LoadError, Lookup};

use super::{Destination, Links};
use crate::error::LinkError;
use crate::link::Code;
use crate::store::StoreError;

impl Links {
    /// Where a code leads, if that can be said without asking the store: most links with gates end here, those without in
    /// [`follow_at_once`](Self::follow_at_once). Whether it may be followed now is [`decide`](super::decide)'s to say.
    pub fn follow_remembered(&self, code: &Code) -> Option<Result<Arc<Destination>, LinkError>> {
        match self.destinations.peek(code)? {
            Lookup::Hit(destination) => Some(Ok(destination)),
            Lookup::Absent => Some(Err(LinkError::NotFound)),
        }
    }

    /// Where the code of a link without gates leads, if that is remembered: what can be followed without asking anybody.
    pub fn follow_at_once(&self, code: &Code) -> Option<Arc<Destination>> {
        let plain = |found: Option<&Arc<Destination>>| found.is_some_and(|found| found.gates.is_none());
        self.destinations.peek_if(code, plain)?.into_value()
    }

    /// Where a code leads. One read of the store serves all who ask at the same time; its answer, also that there is no such link, is
    /// remembered.
    pub async fn follow_link(&self, code: &Code) -> Result<Arc<Destination>, LinkError> {
        let (store, wanted) = (Arc::clone(&self.store), *code);
        let load = move || async move {
            let link = store.resolve(&wanted).await?;
            link.map(|link| Destination::of(link).map(Arc::new)).transpose()
        };
        let destination = self.destinations.get_or_load(*code, load).await.map_err(failed)?;
        destination.ok_or(LinkError::NotFound)
    }
}

fn failed(error: LoadError<StoreError>) -> LinkError {
    match error {
        LoadError::Origin(error) => LinkError::Store((*error).clone()),
        LoadError::Busy => LinkError::Overloaded,
        LoadError::Limited => LinkError::ReadsLimited,
        other => LinkError::Store(StoreError::Unavailable(other.to_string())),
    }
}
