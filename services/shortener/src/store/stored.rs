//! Domain types as the engines keep them, and back.

use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::link::{Code, Details, Lifetime, Link, Tags, TargetUrl};

/// Integers of both engines are signed; every number we keep is below 2^63.
pub(super) fn integer(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Corrupt(format!("{value} does not fit an integer column")))
}

pub(super) fn natural(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("{value} where no number is negative")))
}

pub(super) fn tags_json(tags: &Tags) -> String {
    serde_json::to_string(tags.as_slice()).expect("strings are always JSON")
}

/// The link inside an idempotency record: a snapshot that later changes do not touch.
#[derive(Serialize, Deserialize)]
struct Answer {
    code: String,
    id: u64,
    url: String,
    permanent: bool,
    expires_at_ms: Option<u64>,
    tags: Vec<String>,
    created_at_ms: u64,
    updated_at_ms: u64,
    revision: u64,
    #[serde(default)]
    details: Details,
}

/// The details as a column has them.
#[derive(Serialize, Deserialize)]
struct StoredDetails<D> {
    /// Whose they are. An older program does not know the column: what it deletes leaves its details behind, and what it then
    /// makes under the same code stands beside them.
    link: u64,
    #[serde(flatten)]
    details: D,
}

/// None where there is nothing to say.
pub(super) fn details_json(link: &Link) -> Option<String> {
    let stored = StoredDetails {
        link: link.id.as_u64(),
        details: &link.details,
    };
    (link.details != Details::default())
        .then(|| serde_json::to_string(&stored).expect("strings and numbers are always JSON"))
}

pub(super) fn read_details(id: Id, json: Option<&str>) -> Result<Details, StoreError> {
    let stored: Option<StoredDetails<Details>> = json.map(read_json).transpose()?;
    let own = stored.filter(|stored| stored.link == id.as_u64());
    Ok(own.map(|stored| stored.details).unwrap_or_default())
}

pub(super) fn answer_json(link: &Link) -> String {
    let answer = Answer {
        code: link.code.as_str().to_owned(),
        id: link.id.as_u64(),
        url: link.target.as_str().to_owned(),
        permanent: link.lifetime.is_permanent(),
        expires_at_ms: link.lifetime.expires_at_ms(),
        tags: link.tags.as_slice().to_vec(),
        created_at_ms: link.created_at_ms,
        updated_at_ms: link.updated_at_ms,
        revision: link.revision,
        details: link.details.clone(),
    };
    serde_json::to_string(&answer).expect("strings and numbers are always JSON")
}

pub(super) fn read_answer(json: &str, tenant: &Tenant) -> Result<Link, StoreError> {
    let answer: Answer = read_json(json)?;
    Ok(Link {
        code: read_code(&answer.code)?,
        id: read_id(answer.id)?,
        tenant: tenant.clone(),
        target: TargetUrl::from_store(answer.url),
        lifetime: read_lifetime(answer.permanent, answer.expires_at_ms)?,
        tags: Tags::from_store(answer.tags),
        created_at_ms: answer.created_at_ms,
        updated_at_ms: answer.updated_at_ms,
        revision: answer.revision,
        details: answer.details,
    })
}

pub(super) fn read_code(text: &str) -> Result<Code, StoreError> {
    Code::parse(text).ok_or_else(|| StoreError::Corrupt("a stored code has another form".to_owned()))
}

pub(super) fn read_id(value: u64) -> Result<Id, StoreError> {
    Id::from_u64(value).ok_or_else(|| StoreError::Corrupt("a stored id is out of range".to_owned()))
}

pub(super) fn read_tenant(text: &str) -> Result<Tenant, StoreError> {
    Tenant::parse(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(super) fn read_lifetime(permanent: bool, expires_at_ms: Option<u64>) -> Result<Lifetime, StoreError> {
    Lifetime::of(permanent, expires_at_ms).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(super) fn read_tags(json: &str) -> Result<Tags, StoreError> {
    Ok(Tags::from_store(read_json(json)?))
}

pub(super) fn read_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt(error.to_string()))
}
