//! A tenant's pages in, the links that were followed most out.

use std::collections::HashSet;

use ids::Id;
use sketches::Top;

use super::Page;
use crate::store::StoreError;
use crate::store::statistics::{LaneId, Period, StoredPage};

/// The links of a tenant that were followed most on some days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopLinks {
    /// Most clicks first.
    pub links: Vec<TopLink>,
    /// By how much any of the counts may be too high, with a probability of 98 % each (ε = e / 1,024 of all clicks). None is too low.
    pub error_max: u64,
    /// No link that is still there and missing here was followed more often than this.
    pub missing_max: u64,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopLink {
    /// The link; it may have been deleted since.
    pub link: Id,
    /// Its code when it was followed first.
    pub code: String,
    /// Its clicks, or a little more.
    pub clicks: u64,
}

impl TopLinks {
    /// Out of the tenant's pages of the days, of every lane and in any order; at most `limit` links.
    pub fn of(pages: impl IntoIterator<Item = StoredPage>, limit: usize) -> Result<Self, StoreError> {
        let mut ranking = Ranking::default();
        for stored in pages {
            ranking.add(&stored)?;
        }
        Ok(ranking.done(limit))
    }

    fn ranked(top: &Top, limit: usize) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a bound, rounded up"
        )]
        let error_max = (top.sketch().epsilon() * top.sketch().total() as f64).ceil() as u64;
        let cut_off = top.ranked().get(limit).map_or(0, |first| first.estimate);
        let links = top.ranked().iter().take(limit).filter_map(|ranked| {
            Some(TopLink {
                link: Id::from_u64(ranked.item)?,
                code: ranked.label.clone(),
                clicks: ranked.estimate,
            })
        });
        Self {
            links: links.collect(),
            error_max,
            missing_max: top.floor().max(cut_off),
        }
    }
}

/// [`TopLinks`] that are being put together, page by page: nobody has to hold those of a year at once.
#[derive(Debug, Default)]
pub struct Ranking {
    all: Option<Top>,
    added: HashSet<(Period, LaneId)>,
}

impl Ranking {
    /// Adds a page of the tenant.
    pub fn add(&mut self, stored: &StoredPage) -> Result<(), StoreError> {
        let of = (stored.key.period, stored.key.lane);
        if of.0 == Period::AllTime || !self.added.insert(of) {
            return Ok(());
        }
        let Some(top) = Page::from_stored(stored)?.top else {
            return Ok(());
        };
        match &mut self.all {
            None => self.all = Some(top),
            Some(all) => all.merge(&top).map_err(|error| {
                StoreError::Corrupt(format!("the links of a page of statistics: {error}"))
            })?,
        }
        Ok(())
    }

    /// The links that were followed most, at most `limit`.
    pub fn done(&self, limit: usize) -> TopLinks {
        self.all
            .as_ref()
            .map_or_else(TopLinks::default, |all| TopLinks::ranked(all, limit))
    }
}
