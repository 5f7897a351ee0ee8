//! What a redirect needs of a link, as it is remembered here and between processes.

use std::sync::Arc;

use bytes::Bytes;
use cache::Codec;
use http::HeaderValue;
use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use crate::link::{Code, Lifetime, Link};
use crate::store::StoreError;

/// What a redirect needs of a link, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Which link.
    pub link_id: Id,
    /// Whose link.
    pub tenant: Tenant,
    /// Its code.
    pub code: Code,
    /// The `Location` header.
    pub location: HeaderValue,
    /// How long it leads there.
    pub lifetime: Lifetime,
}

impl Destination {
    pub(super) fn of(link: Link) -> Result<Self, StoreError> {
        let location = HeaderValue::from_str(link.target.as_str())
            .map_err(|_| StoreError::Corrupt("a stored URL does not fit a header".to_owned()))?;
        Ok(Self {
            link_id: link.id,
            tenant: link.tenant,
            code: link.code,
            location,
            lifetime: link.lifetime,
        })
    }
}

/// How destinations are written where other processes read them.
pub(crate) fn codec() -> Codec<Code, Arc<Destination>> {
    Codec {
        key: |code| code.as_str().to_owned(),
        parse_key: Code::parse,
        encode: |destination| encode(destination),
        decode: |bytes| decode(bytes).map(Arc::new),
    }
}

/// Fields are added, never renamed: an older and a newer version of this program read the same cache.
#[derive(Serialize, Deserialize)]
struct Shared {
    id: Id,
    tenant: String,
    code: String,
    url: String,
    #[serde(default)]
    permanent: bool,
    #[serde(default)]
    expires_at_ms: Option<u64>,
}

fn encode(destination: &Destination) -> Bytes {
    let shared = Shared {
        id: destination.link_id,
        tenant: destination.tenant.as_str().to_owned(),
        code: destination.code.as_str().to_owned(),
        url: String::from_utf8_lossy(destination.location.as_bytes()).into_owned(),
        permanent: destination.lifetime.is_permanent(),
        expires_at_ms: destination.lifetime.expires_at_ms(),
    };
    serde_json::to_vec(&shared)
        .expect("text and numbers are always JSON")
        .into()
}

/// `None`, which is read as "not known here", for whatever this program would not have written.
fn decode(bytes: &[u8]) -> Option<Destination> {
    let shared: Shared = serde_json::from_slice(bytes).ok()?;
    Some(Destination {
        link_id: shared.id,
        tenant: Tenant::parse(&shared.tenant).ok()?,
        code: Code::parse(&shared.code)?,
        location: HeaderValue::from_str(&shared.url).ok()?,
        lifetime: Lifetime::of(shared.permanent, shared.expires_at_ms).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(lifetime: Lifetime) -> Destination {
        Destination {
            link_id: Id::from_u64(u64::MAX >> 1).unwrap(),
            tenant: Tenant::parse("acme").unwrap(),
            code: Code::parse("rust").unwrap(),
            location: HeaderValue::from_static("https://example.com/%C3%A4?a=%22"),
            lifetime,
        }
    }

    #[test]
    fn what_is_shared_reads_back_as_it_was() {
        for lifetime in [
            Lifetime::Permanent,
            Lifetime::UntilDeleted,
            Lifetime::Until(u64::MAX),
        ] {
            let destination = destination(lifetime);
            assert_eq!(decode(&encode(&destination)), Some(destination));
        }
    }

    #[test]
    fn fields_of_a_newer_program_are_passed_over_and_nonsense_is_not_known() {
        let mut newer: serde_json::Value =
            serde_json::from_slice(&encode(&destination(Lifetime::Permanent))).unwrap();
        newer["colour"] = "red".into();
        assert!(decode(newer.to_string().as_bytes()).is_some());
        for nonsense in [
            "",
            "{}",
            r#"{"id":"1","tenant":"acme","code":"rust","url":"a\nb"}"#,
        ] {
            assert_eq!(decode(nonsense.as_bytes()), None, "{nonsense}");
        }
    }
}
