//! Links on their way out of an installation and into one: everything that their owners set, in one flat row each.

pub(super) mod csv;
pub(super) mod ndjson;

use identity::{Tenant, User};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::DestinationBody;
use super::{parse_moment, show_moment};
use crate::error::LinkError;
use crate::link::CountedLink;
use crate::operations::{DetailsChange, ImportLink, NewPassword};

/// A link as it is exported and imported. What is not there is as by default.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = PortableLink)]
pub(super) struct PortableLink {
    /// What stands behind the slash; without one a code is generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    /// Proves that a generated code was the tenant's: it comes with an export, and a generated code is imported with it only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code_proof: Option<String>,
    /// Where it leads.
    pub(super) url: String,
    /// Whether it is followed with 301 instead of 302.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) permanent: bool,
    /// When it ends, or ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    /// Whose it is; whoever imports it, unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    /// What people wrote about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) notes: Option<String>,
    /// Whether it is put away.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) archived: bool,
    /// From when on it is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) active_from: Option<String>,
    /// Where it leads out of its time, and past its cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fallback_url: Option<String>,
    /// Most clicks that are followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_clicks: Option<u64>,
    /// Whether it asks for a password. Such a link is imported only with the password's hash, which is exported on request.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) has_password: bool,
    /// Its password, hashed (Argon2id in PHC form).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) password_hash: Option<String>,
    /// Who is led elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) destinations: Vec<DestinationBody>,
    /// How long an edge may answer in our place, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) edge_cache_s: Option<u32>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_at: Option<String>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) updated_at: Option<String>,
    /// How often it was followed. Passed over by an import: an imported link begins at zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) clicks: Option<u64>,
}

impl PortableLink {
    /// A link with everything about it; its password's hash only `with_hash`. `proof` goes with a generated code.
    pub(super) fn of(counted: &CountedLink, with_hash: bool, proof: Option<String>) -> Self {
        let (link, details) = (&counted.link, &counted.link.details);
        let hash = details.password.as_ref().filter(|_| with_hash);
        Self {
            code: Some(link.code.to_string()),
            code_proof: proof,
            url: link.target.as_str().to_owned(),
            permanent: link.lifetime.is_permanent(),
            expires_at: link.lifetime.expires_at_ms().map(show_moment),
            tags: link.tags.as_slice().to_vec(),
            owner: details.owner.as_ref().map(|owner| owner.as_str().to_owned()),
            title: details.title.clone(),
            notes: details.notes.clone(),
            archived: details.archived,
            active_from: details.active_from_ms.map(show_moment),
            fallback_url: details.fallback.as_ref().map(|url| url.as_str().to_owned()),
            max_clicks: details.click_cap,
            has_password: details.password.is_some(),
            password_hash: hash.map(|hash| hash.0.clone()),
            destinations: DestinationBody::all_of(&details.routing),
            edge_cache_s: details.edge_cache_s,
            created_at: Some(show_moment(link.created_at_ms)),
            updated_at: Some(show_moment(link.updated_at_ms)),
            clicks: Some(counted.clicks.count),
        }
    }

    /// The link as it is asked for, for a tenant and whoever imports it.
    pub(super) fn into_import(self, tenant: &Tenant, by: &User) -> Result<ImportLink, LinkError> {
        if self.has_password && self.password_hash.is_none() {
            let why =
                "its password is missing: export with `password_hashes=true`, or say `has_password: false`";
            return Err(LinkError::field("/password_hash", why));
        }
        let owner = match self.owner.as_deref() {
            None => by.clone(),
            Some(text) => {
                User::parse(text).map_err(|error| LinkError::field("/owner", &error.to_string()))?
            }
        };
        Ok(ImportLink {
            tenant: tenant.clone(),
            owner,
            code: self.code,
            code_proof: self.code_proof,
            url: self.url,
            permanent: self.permanent,
            expires_at_ms: moment("/expires_at", self.expires_at.as_deref())?,
            tags: self.tags,
            created_at_ms: moment("/created_at", self.created_at.as_deref())?,
            updated_at_ms: moment("/updated_at", self.updated_at.as_deref())?,
            details: DetailsChange {
                title: Some(self.title),
                notes: Some(self.notes),
                archived: Some(self.archived),
                active_from_ms: Some(moment("/active_from", self.active_from.as_deref())?),
                fallback_url: Some(self.fallback_url),
                max_clicks: Some(self.max_clicks),
                password: Some(self.password_hash.map(NewPassword::Hashed)),
                destinations: Some(
                    self.destinations
                        .into_iter()
                        .map(DestinationBody::into_new)
                        .collect(),
                ),
                edge_cache_s: Some(self.edge_cache_s),
            },
        })
    }
}

fn moment(pointer: &str, text: Option<&str>) -> Result<Option<u64>, LinkError> {
    let Some(text) = text else { return Ok(None) };
    let why = "this is not a moment in RFC 3339, such as 2027-01-01T00:00:00Z";
    let read = parse_moment(text).ok_or_else(|| LinkError::field(pointer, why))?;
    Ok(Some(read))
}
