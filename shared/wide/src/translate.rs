//! Addresses that nodes give out, and where they are reached instead.

use std::net::SocketAddr;

use async_trait::async_trait;
use scylla::errors::TranslationError;
use scylla::policies::address_translator::{AddressTranslator, UntranslatedPeer};

/// Rules of a URL's `translate`; an address without one is used as it is.
#[derive(Debug)]
pub(crate) struct Translations(pub(crate) Vec<(SocketAddr, SocketAddr)>);

#[async_trait]
impl AddressTranslator for Translations {
    async fn translate_address(&self, peer: &UntranslatedPeer) -> Result<SocketAddr, TranslationError> {
        let given = peer.untranslated_address();
        let rule = self.0.iter().find(|(from, _)| *from == given);
        Ok(rule.map_or(given, |(_, to)| *to))
    }
}
