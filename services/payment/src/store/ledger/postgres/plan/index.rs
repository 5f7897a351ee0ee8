//! Dictionaries of a batch: names and accounts, in the order in which everybody locks.

use identity::Tenant;
use ids::Id;

use super::{TOO_LARGE, index};
use crate::store::StoreError;

/// The tenants of a batch, sorted; the index of each counts from 1.
pub(super) struct Names<'a>(Vec<&'a str>);

impl<'a> Names<'a> {
    pub(super) fn of(names: impl Iterator<Item = &'a str>) -> Self {
        let mut sorted: Vec<&str> = Vec::new();
        for name in names {
            // Most batches are one tenant's.
            if sorted.last() != Some(&name) {
                sorted.push(name);
            }
        }
        sorted.sort_unstable();
        sorted.dedup();
        Self(sorted)
    }

    pub(super) fn tenant(&self, tenant: &Tenant) -> i16 {
        if self.0.len() == 1 {
            return 1;
        }
        let place = self
            .0
            .binary_search(&tenant.as_str())
            .expect("every command's tenant was added");
        i16::try_from(place + 1).expect("a batch has fewer commands than that")
    }

    pub(super) fn name(&self, tenant: i16) -> &'a str {
        let place = usize::try_from(tenant - 1).expect("indexes count from 1");
        self.0[place]
    }

    pub(super) fn columns(self) -> Vec<&'a str> {
        self.0
    }
}

/// The accounts of a batch, sorted by tenant and id.
#[derive(Default)]
pub(super) struct Accounts(Vec<(i16, Id)>);

impl Accounts {
    pub(super) fn add(&mut self, tenant: i16, id: Id) {
        self.0.push((tenant, id));
    }

    /// After the last was added.
    pub(super) fn settle(&mut self) {
        self.0.sort_unstable();
        self.0.dedup();
    }

    pub(super) fn index(&self, tenant: i16, id: Id) -> Result<i32, StoreError> {
        let place = self.0.binary_search(&(tenant, id)).map_err(|_| TOO_LARGE)?;
        index(place)
    }

    pub(super) fn columns(self) -> (Vec<i16>, Vec<i64>) {
        self.0
            .into_iter()
            .map(|(tenant, id)| (tenant, super::column(id)))
            .unzip()
    }
}
