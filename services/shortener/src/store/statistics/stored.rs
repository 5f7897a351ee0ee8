//! Keys of pages as the engines keep them, and back.

use std::collections::HashMap;

use super::{Day, LaneId, PageKey, Period, StoredPage, Subject};
use crate::store::StoreError;
use crate::store::stored::{integer, natural, read_id, read_tenant};

/// The day of a page for all time.
pub(in crate::store) const ALL_TIME: i64 = 0;

/// The link of a page about the whole tenant.
const TENANT: i64 = 0;

/// A key as its columns have it.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct KeyColumns<'a> {
    pub(in crate::store) tenant: &'a str,
    pub(in crate::store) link_id: i64,
    pub(in crate::store) day: i64,
    pub(in crate::store) lane: i64,
}

impl<'a> KeyColumns<'a> {
    pub(in crate::store) fn of(key: &'a PageKey) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: key.tenant.as_str(),
            link_id: subject(key.subject)?,
            day: match key.period {
                Period::AllTime => ALL_TIME,
                Period::Day(day) => i64::from(day),
            },
            lane: integer(key.lane.number())?,
        })
    }

    pub(in crate::store) fn read(self) -> Result<PageKey, StoreError> {
        let day = || Day::try_from(self.day).map_err(|_| corrupt("a day"));
        Ok(PageKey {
            tenant: read_tenant(self.tenant)?,
            subject: match self.link_id {
                TENANT => Subject::Tenant,
                id => Subject::Link(read_id(natural(id)?)?),
            },
            period: match self.day {
                ALL_TIME => Period::AllTime,
                _ => Period::Day(day()?),
            },
            lane: lane(self.lane)?,
        })
    }
}

/// The number of a subject.
pub(in crate::store) fn subject(subject: Subject) -> Result<i64, StoreError> {
    match subject {
        Subject::Tenant => Ok(TENANT),
        Subject::Link(id) => integer(id.as_u64()),
    }
}

pub(in crate::store) fn lane(number: i64) -> Result<LaneId, StoreError> {
    LaneId::from_number(natural(number)?).ok_or_else(|| corrupt("a lane"))
}

pub(in crate::store) fn visitor_key(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| corrupt("a visitors' key"))
}

/// Each asked-for page that was found, at the place of its key.
pub(in crate::store) fn in_order_of(keys: &[PageKey], found: Vec<StoredPage>) -> Vec<Option<StoredPage>> {
    let mut found: HashMap<PageKey, StoredPage> =
        found.into_iter().map(|page| (page.key.clone(), page)).collect();
    keys.iter().map(|key| found.remove(key)).collect()
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} of the statistics is out of range"))
}
