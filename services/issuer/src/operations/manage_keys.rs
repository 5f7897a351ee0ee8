//! Making clients and their API keys, listing and revoking them: an operator's work.

use identity::{LINKS_READ, LINKS_WRITE, Scopes, Tenant, User};

use crate::api_keys::{self, ApiKey, HashSecret};
use crate::config::ClientLimits;
use crate::error::IssuerError;
use crate::operations::authorize::SCOPES;
use crate::store::{ApiKeyRecord, ClientRecord, Put, Registry, TenantRecord};

const DISPLAY_NAME_CHARS_MAX: usize = 200;
const DAY_MS: u64 = 24 * 3_600_000;

/// For whom a key is made.
#[derive(Debug, Clone)]
pub struct KeyRequest<'a> {
    /// The tenant, made if it is not there.
    pub tenant: &'a str,
    /// What people call a tenant that is made; by default its id.
    pub display_name: Option<&'a str>,
    /// The client's name, made if the tenant has none of that name.
    pub client: &'a str,
    /// What the client may do, one scope an element. Empty: what it may already, or `links:read links:write` if it is new.
    pub scopes: &'a [String],
    /// After how many days the key expires; `None`: never.
    pub expires_days: Option<u32>,
}

/// A key that was made. Its text is nowhere else.
#[derive(Clone)]
pub struct NewKey {
    /// Whose it is.
    pub client: ClientRecord,
    /// The visible part.
    pub id: String,
    /// All of it: the client's secret.
    pub text: String,
    /// When it expires (unix ms).
    pub expires_ms: Option<u64>,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Makes a key, and its client and tenant where they are missing.
pub(crate) async fn create(
    store: &dyn Registry,
    secret: &HashSecret,
    limits: &ClientLimits,
    request: &KeyRequest<'_>,
    now_ms: u64,
) -> Result<NewKey, IssuerError> {
    let (tenant, name) = (Tenant::parse(request.tenant)?, User::parse(request.client)?);
    let scopes = match request.scopes {
        [] => None,
        some => Some(known(Scopes::of(some)?)?),
    };
    let expires_ms = match request.expires_days {
        Some(0) => return Err(IssuerError::NoLife),
        days => days.map(|days| now_ms.saturating_add(u64::from(days) * DAY_MS)),
    };
    let display_name = display_name(request.display_name.unwrap_or(request.tenant))?;
    let record = TenantRecord {
        id: tenant.clone(),
        display_name,
        created_ms: now_ms,
    };
    if store.put_tenant(&record, limits.tenants_max).await? == Put::Full {
        return Err(IssuerError::Full {
            what: "tenants",
            limit: limits.tenants_max,
        });
    }
    let client = client_of(store, limits, tenant, name, scopes, now_ms).await?;
    let key = ApiKey::generate();
    let record = ApiKeyRecord {
        id: key.id.clone(),
        client_id: client.id.clone(),
        hash: secret.hash(&key.text),
        secret_id: secret.id(),
        created_ms: now_ms,
        expires_ms,
        revoked_ms: None,
    };
    match store.put_api_key(&record, limits.api_keys_max, now_ms).await? {
        Put::Made => Ok(NewKey {
            client,
            id: key.id,
            text: key.text,
            expires_ms,
        }),
        Put::Full => Err(IssuerError::Full {
            what: "live API keys of a client",
            limit: limits.api_keys_max,
        }),
        Put::Known | Put::Orphan => Err(IssuerError::Raced),
    }
}

/// The tenant's client of that name, made if there is none; as it is asked for.
async fn client_of(
    store: &dyn Registry,
    limits: &ClientLimits,
    tenant: Tenant,
    name: User,
    scopes: Option<Scopes>,
    now_ms: u64,
) -> Result<ClientRecord, IssuerError> {
    let new = ClientRecord {
        id: User::parse(&api_keys::client_id())?,
        tenant,
        name,
        scopes: match &scopes {
            Some(scopes) => scopes.clone(),
            None => Scopes::of([LINKS_READ, LINKS_WRITE])?,
        },
        created_ms: now_ms,
        disabled_ms: None,
    };
    match store.put_client(&new, limits.clients_max).await? {
        Put::Made => return Ok(new),
        Put::Full => {
            return Err(IssuerError::Full {
                what: "clients of a tenant",
                limit: limits.clients_max,
            });
        }
        Put::Known | Put::Orphan => {}
    }
    let client = store
        .client(&new.tenant, &new.name)
        .await?
        .ok_or(IssuerError::Raced)?;
    if client.disabled_ms.is_some() {
        return Err(IssuerError::ClientDisabled(client.name.to_string()));
    }
    if scopes.is_some_and(|scopes| scopes != client.scopes) {
        return Err(IssuerError::ClientDiffers {
            client: client.name.to_string(),
            scopes: client.scopes.to_string(),
        });
    }
    Ok(client)
}

/// A scope that nothing asks for is a slip of the pen, and better told here than by a 403 later.
pub(crate) fn known(scopes: Scopes) -> Result<Scopes, IssuerError> {
    let known = SCOPES;
    let unknown = scopes
        .iter()
        .find(|scope| !known.contains(scope))
        .map(str::to_owned);
    match unknown {
        Some(scope) => Err(IssuerError::UnknownScope {
            scope,
            known: known.join(", "),
        }),
        None => Ok(scopes),
    }
}

fn display_name(text: &str) -> Result<String, IssuerError> {
    let chars = text.chars().count();
    if (1..=DISPLAY_NAME_CHARS_MAX).contains(&chars) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(IssuerError::DisplayName {
            chars_max: DISPLAY_NAME_CHARS_MAX,
        })
    }
}
