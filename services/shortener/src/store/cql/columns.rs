//! Which columns `links` has, and so which statements about it are sent: the one place that decides.
//!
//! `redirect_status` (301 or 302) takes the place of `permanent`. While both are there, `permanent` is the truth: an older program
//! changes it alone. So both are written and `permanent` is read, until [`contract`](super::contract) has filled the
//! new column and dropped the old.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wide::{Level, SerializeValue, Statement, Wide, WideError};

use super::StoreError;
use super::links::{self, Statements};
use super::rows::there;
use crate::link::Lifetime;

/// Asked of the server, for the schema's own version is recorded a moment after the column went.
const LOOK: Statement = Statement::read(
    "look_for_old_column",
    "SELECT column_name FROM system_schema.columns \
     WHERE keyspace_name = ? AND table_name = 'links' AND column_name = 'permanent'",
    Level::One,
);

/// What tells how a link redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    /// `permanent`, and `redirect_status` beside it, which may be stale.
    Expanded,
    /// `redirect_status`.
    Contracted,
}

impl Columns {
    pub(super) async fn of(wide: &Wide) -> Result<Self, WideError> {
        let old: Option<(String,)> = wide.row(&LOOK, (wide.keyspace(),)).await?;
        Ok(old.map_or(Self::Contracted, |_| Self::Expanded))
    }

    pub(super) fn statements(self) -> &'static Statements {
        match self {
            Self::Expanded => &links::EXPANDED,
            Self::Contracted => &links::CONTRACTED,
        }
    }
}

/// The columns as this process saw them last. They only ever go from expanded to contracted.
#[derive(Clone, Debug)]
pub(super) struct Seen(Arc<AtomicBool>);

impl Seen {
    pub(super) fn first(columns: Columns) -> Self {
        Self(Arc::new(AtomicBool::new(columns == Columns::Contracted)))
    }

    pub(super) fn columns(&self) -> Columns {
        if self.0.load(Ordering::Relaxed) {
            Columns::Contracted
        } else {
            Columns::Expanded
        }
    }

    /// Whether the columns have changed since a call began with `before`: then what it asked for is not there any more.
    pub(super) async fn changed(&self, wide: &Wide, before: Columns) -> bool {
        if before == Columns::Expanded && matches!(Columns::of(wide).await, Ok(Columns::Contracted)) {
            self.0.store(true, Ordering::Relaxed);
        }
        self.columns() != before
    }
}

/// A value of a row that is put together.
pub(super) type Value<'a> = &'a (dyn SerializeValue + Sync);

/// How a link redirects, as either column says it.
#[derive(Debug)]
pub(super) struct Redirect {
    permanent: bool,
    status: i32,
}

impl Redirect {
    pub(super) fn of(lifetime: Lifetime) -> Self {
        let permanent = lifetime.is_permanent();
        let status = status(permanent);
        Self { permanent, status }
    }

    /// A value for each column that is written.
    pub(super) fn values(&self, columns: Columns) -> impl Iterator<Item = Value<'_>> {
        let old: Option<Value<'_>> = (columns == Columns::Expanded).then_some(&self.permanent);
        let new: Value<'_> = &self.status;
        old.into_iter().chain([new])
    }
}

/// What stands in `redirect_status`.
pub(super) fn status(permanent: bool) -> i32 {
    if permanent { 301 } else { 302 }
}

/// What is read of how a link redirects.
pub(super) trait ReadRedirect: Sized {
    fn is_permanent(column: Option<Self>) -> Result<bool, StoreError>;
}

/// `permanent`.
impl ReadRedirect for bool {
    fn is_permanent(column: Option<Self>) -> Result<bool, StoreError> {
        there(column)
    }
}

/// `redirect_status`. An older program's claim that was cut short and never answered may come true after the contract: it
/// brings no status, and promised none.
impl ReadRedirect for i32 {
    fn is_permanent(column: Option<Self>) -> Result<bool, StoreError> {
        match column {
            Some(301) => Ok(true),
            Some(302) | None => Ok(false),
            Some(other) => Err(StoreError::Corrupt(format!("{other} as a redirect's status"))),
        }
    }
}
