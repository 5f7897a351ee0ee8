//! Rows as both engines give them.

use identity::Tenant;
use ids::Id;
use sqlx::FromRow;

use super::{Delivery, DeliveryState, Endpoint, EndpointState, Event, FormerSecret};
use crate::store::StoreError;

/// A row of `webhook_endpoint`.
#[derive(Debug)]
pub(super) struct EndpointRow {
    tenant: String,
    id: i64,
    url: String,
    kinds: String,
    description: String,
    state: i16,
    state_at_ms: i64,
    secret: Vec<u8>,
    former_secret: Option<Vec<u8>>,
    former_until_ms: Option<i64>,
    failing_since_ms: Option<i64>,
    dead_in_a_row: i32,
    created_at_ms: i64,
}

/// A row of `webhook_delivery`.
#[derive(Debug)]
pub(super) struct DeliveryRow {
    id: i64,
    tenant: String,
    endpoint_id: i64,
    event_id: String,
    kind: String,
    body: Vec<u8>,
    state: i16,
    attempt: i32,
    first_attempt: i32,
    next_at_ms: i64,
    last_status: Option<i32>,
    last_error: Option<String>,
    last_at_ms: Option<i64>,
    created_at_ms: i64,
}

/// Columns by name: the same for both engines' rows.
macro_rules! from_row {
    ($row:ident { $($column:ident),+ $(,)? }) => {
        impl<'r, R: sqlx::Row> FromRow<'r, R> for $row
        where
            &'static str: sqlx::ColumnIndex<R>,
            String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            Vec<u8>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            i16: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            i32: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
        {
            fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
                Ok(Self { $($column: row.try_get(stringify!($column))?),+ })
            }
        }
    };
}

from_row!(EndpointRow {
    tenant,
    id,
    url,
    kinds,
    description,
    state,
    state_at_ms,
    secret,
    former_secret,
    former_until_ms,
    failing_since_ms,
    dead_in_a_row,
    created_at_ms,
});

from_row!(DeliveryRow {
    id,
    tenant,
    endpoint_id,
    event_id,
    kind,
    body,
    state,
    attempt,
    first_attempt,
    next_at_ms,
    last_status,
    last_error,
    last_at_ms,
    created_at_ms,
});

pub(super) fn endpoint(row: EndpointRow) -> Result<Endpoint, StoreError> {
    let former = match (row.former_secret, row.former_until_ms) {
        (Some(sealed), Some(until_ms)) => Some(FormerSecret {
            sealed,
            until_ms: sql::uint(until_ms)?,
        }),
        _ => None,
    };
    Ok(Endpoint {
        tenant: tenant(&row.tenant)?,
        id: id(row.id)?,
        url: row.url,
        kinds: kinds(&row.kinds)?,
        description: row.description,
        state: match row.state {
            0 => EndpointState::Enabled,
            1 => EndpointState::Disabled,
            2 => EndpointState::Failed,
            _ => return Err(StoreError::Damaged("a webhook endpoint in no known state")),
        },
        state_at_ms: sql::uint(row.state_at_ms)?,
        secret: row.secret,
        former,
        failing_since_ms: row.failing_since_ms.map(sql::uint).transpose()?,
        dead_in_a_row: count(row.dead_in_a_row)?,
        created_at_ms: sql::uint(row.created_at_ms)?,
    })
}

pub(super) fn delivery(row: DeliveryRow) -> Result<Delivery, StoreError> {
    let attempt = count(row.attempt)?;
    let status = row.last_status.map(u16::try_from).transpose();
    Ok(Delivery {
        id: id(row.id)?,
        tenant: tenant(&row.tenant)?,
        endpoint_id: id(row.endpoint_id)?,
        event_id: row.event_id,
        kind: row.kind,
        body: row.body.into(),
        state: match row.state {
            0 => DeliveryState::Pending,
            1 => DeliveryState::Delivered,
            2 => DeliveryState::Failed,
            3 => DeliveryState::Dead,
            _ => return Err(StoreError::Damaged("a webhook delivery in no known state")),
        },
        attempt,
        attempt_of_round: attempt.saturating_sub(count(row.first_attempt)?),
        next_at_ms: sql::uint(row.next_at_ms)?,
        last_status: status.map_err(|_| StoreError::Damaged("a status that is none"))?,
        last_error: row.last_error,
        last_at_ms: row.last_at_ms.map(sql::uint).transpose()?,
        created_at_ms: sql::uint(row.created_at_ms)?,
    })
}

pub(super) fn endpoint_state(state: EndpointState) -> i16 {
    match state {
        EndpointState::Enabled => 0,
        EndpointState::Disabled => 1,
        EndpointState::Failed => 2,
    }
}

pub(super) fn delivery_state(state: DeliveryState) -> i16 {
    match state {
        DeliveryState::Pending => 0,
        DeliveryState::Delivered => 1,
        DeliveryState::Failed => 2,
        DeliveryState::Dead => 3,
    }
}

/// The endpoints that want an event, as a JSON array of their ids; `None` when nobody does.
pub(super) fn wanting(endpoints: &[(i64, String)], event: &Event) -> Result<Option<String>, StoreError> {
    let mut ids = Vec::new();
    for (id, text) in endpoints {
        let kinds = kinds(text)?;
        if kinds.is_empty() || kinds.contains(&event.kind) {
            ids.push(*id);
        }
    }
    Ok((!ids.is_empty()).then(|| json(&ids)))
}

/// A list as both engines take it in one parameter.
pub(super) fn json<T: serde::Serialize>(list: &[T]) -> String {
    serde_json::to_string(list).expect("a list of plain values is JSON")
}

pub(super) fn column(id: Id) -> Result<i64, StoreError> {
    Ok(sql::int(id.as_u64())?)
}

pub(super) fn id(column: i64) -> Result<Id, StoreError> {
    Id::from_u64(sql::uint(column)?).ok_or(StoreError::Damaged("an id that is none"))
}

fn tenant(text: &str) -> Result<Tenant, StoreError> {
    Tenant::parse(text).map_err(|_| StoreError::Damaged("a tenant with an invalid name"))
}

fn kinds(text: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged("event kinds that are no list"))
}

fn count(column: i32) -> Result<u32, StoreError> {
    u32::try_from(column).map_err(|_| StoreError::Damaged("a negative count"))
}
