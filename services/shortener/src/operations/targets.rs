//! Where links may lead. Every URL of a link (its own, its fallback, its other destinations) is checked here and nowhere else.

use std::sync::Arc;

use http::HeaderValue;
use identity::Tenant;
use problem::FieldError;

use super::Links;
use super::create_link::field_error;
use crate::error::LinkError;
use crate::link::{DomainLists, TargetUrl};

/// What the URLs of one tenant's links must keep to, as it was when a request began.
pub(crate) struct UrlRules<'a> {
    links: &'a Links,
    lists: Arc<DomainLists>,
}

impl Links {
    /// The rules for a tenant's URLs, read once a request.
    pub(crate) async fn url_rules(&self, tenant: &Tenant) -> Result<UrlRules<'_>, LinkError> {
        let lists = self.rules.of(tenant).await?;
        Ok(UrlRules { links: self, lists })
    }

    /// Whether what a redirect would lead to became known as bad since it was stored.
    pub(crate) fn is_known_bad(&self, location: &HeaderValue) -> bool {
        self.bad_urls.has_some() && location.to_str().is_ok_and(|url| self.bad_urls.contains(url))
    }
}

impl UrlRules<'_> {
    /// A URL as a client sent it, checked and in its normal form; `pointer` says where it stood.
    pub(crate) fn target(&self, pointer: &str, url: &str) -> Result<TargetUrl, FieldError> {
        let Links {
            own_hosts,
            limits,
            bad_urls,
            ..
        } = self.links;
        let target = TargetUrl::parse(url, own_hosts, limits.url_bytes_max)
            .map_err(|error| field_error(pointer, &error))?;
        if bad_urls.contains(target.as_str()) {
            return Err(field_error(pointer, &"this URL is known to do harm"));
        }
        let judged = self.lists.judge(&target);
        judged.map_err(|refusal| field_error(pointer, &refusal))?;
        Ok(target)
    }
}
