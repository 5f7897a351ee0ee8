//! Making, announcing and retiring signing keys.

use identity::{Jwks, SigningKey};

use crate::config::Rules;
use crate::error::IssuerError;
use crate::signing_keys::{self, KeyRecord};
use crate::store::Store;

/// What a rotation did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rotation {
    pub(crate) made: bool,
    pub(crate) retired: usize,
}

/// Makes the next key if it is due and deletes those whose last token has expired. Safe to run anywhere, any time, at once.
pub(crate) async fn rotate_if_due(
    store: &dyn Store,
    rules: &Rules,
    now_ms: u64,
) -> Result<Rotation, IssuerError> {
    let keys = store.keys().await?;
    let due = signing_keys::successor_due(&keys, now_ms, rules.key_rotation_ms, rules.key_notice_ms);
    let made = match due {
        Some(use_from_ms) => append(store, &keys, use_from_ms).await?,
        None => false,
    };
    let mut retired = 0;
    for key in signing_keys::retired(&keys, now_ms) {
        store.remove_key(&key.kid).await?;
        retired += 1;
    }
    Ok(Rotation { made, retired })
}

/// Makes the next key now, due or not; it signs after the notice. Says whether it did: not if one already waits.
pub(crate) async fn rotate_now(store: &dyn Store, rules: &Rules, now_ms: u64) -> Result<bool, IssuerError> {
    let keys = store.keys().await?;
    match keys.last() {
        None => append(store, &keys, now_ms).await,
        Some(newest) if newest.use_from_ms > now_ms => Ok(false),
        Some(_) => append(store, &keys, now_ms.saturating_add(rules.key_notice_ms)).await,
    }
}

async fn append(store: &dyn Store, keys: &[KeyRecord], use_from_ms: u64) -> Result<bool, IssuerError> {
    let newest = keys.last();
    let key = SigningKey::generate();
    let record = KeyRecord {
        kid: key.kid().to_owned(),
        pkcs8: key.to_pkcs8_der(),
        // Two keys never begin at the same time, whatever the notice is set to.
        use_from_ms: use_from_ms.max(newest.map_or(0, |key| key.use_from_ms + 1)),
    };
    Ok(store
        .append_key(newest.map(|key| key.kid.as_str()), &record)
        .await?)
}

/// The key that signs now, made if there is none.
pub(crate) async fn signing_key(
    store: &dyn Store,
    rules: &Rules,
    now_ms: u64,
) -> Result<SigningKey, IssuerError> {
    let mut keys = store.keys().await?;
    if keys.is_empty() {
        // Somebody else may be faster; then theirs is found.
        rotate_if_due(store, rules, now_ms).await?;
        keys = store.keys().await?;
    }
    let record = signing_keys::signer(&keys, now_ms).ok_or(IssuerError::Store(
        crate::store::StoreError::Damaged("no signing key, though one was just made"),
    ))?;
    Ok(SigningKey::from_pkcs8_der(&record.pkcs8)?)
}

/// The keys to publish: those that sign, will sign, or signed tokens that may still be valid.
pub(crate) async fn published(store: &dyn Store) -> Result<Jwks, IssuerError> {
    let keys: Vec<SigningKey> = store
        .keys()
        .await?
        .iter()
        .map(|record| SigningKey::from_pkcs8_der(&record.pkcs8))
        .collect::<Result<_, _>>()?;
    Ok(Jwks::of(&keys))
}
