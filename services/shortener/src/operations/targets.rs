//! Where links may lead. Every URL of a link (its own, its fallback, its other destinations) is checked here and nowhere else.

use identity::Tenant;
use problem::FieldError;

use super::Links;
use super::create_link::field_error;
use crate::error::LinkError;
use crate::link::TargetUrl;

/// What the URLs of one tenant's links must keep to, as it was when a request began.
pub(crate) struct UrlRules<'a> {
    links: &'a Links,
}

impl Links {
    /// The rules for a tenant's URLs, read once a request.
    #[expect(
        clippy::unused_async,
        reason = "rules of a tenant's own are read from a store"
    )]
    pub(crate) async fn url_rules(&self, _tenant: &Tenant) -> Result<UrlRules<'_>, LinkError> {
        Ok(UrlRules { links: self })
    }
}

impl UrlRules<'_> {
    /// A URL as a client sent it, checked and in its normal form; `pointer` says where it stood.
    pub(crate) fn target(&self, pointer: &str, url: &str) -> Result<TargetUrl, FieldError> {
        let Links {
            own_hosts, limits, ..
        } = self.links;
        TargetUrl::parse(url, own_hosts, limits.url_bytes_max).map_err(|error| field_error(pointer, &error))
    }
}
