//! Changing a link.

use identity::Tenant;

use super::create_link::field_error;
use super::{Links, told};
use crate::error::LinkError;
use crate::link::{Code, CountedLink, Lifetime, Link};

/// How often a change is made again over what others changed meanwhile.
const ATTEMPTS_MAX: u32 = 8;

/// What should change; `None` leaves a part as it is.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::option_option,
    reason = "left out, taken away and set are three things"
)]
pub struct LinkChange {
    /// Where the link should lead.
    pub url: Option<String>,
    /// When it ends (Unix ms); `Some(None)` takes the expiry away.
    pub expires_at_ms: Option<Option<u64>>,
    /// Whether it answers with 301.
    pub permanent: Option<bool>,
    /// Its tags, all of them.
    pub tags: Option<Vec<String>>,
}

impl Links {
    /// Changes a tenant's link. The rules hold for the whole result, so a link with an expiry becomes permanent only together with
    /// losing the expiry. Run it in an owned task.
    pub async fn update_link(
        &self,
        tenant: &Tenant,
        code: &Code,
        change: &LinkChange,
    ) -> Result<CountedLink, LinkError> {
        for _ in 0..ATTEMPTS_MAX {
            let current = self.store.find(tenant, code).await?.ok_or(LinkError::NotFound)?;
            let link = self.changed(&current.link, change)?;
            if link == current.link {
                self.look_again(code).await?;
                return Ok(current);
            }
            let link = Link {
                updated_at_ms: self.clock.unix_ms().max(current.link.updated_at_ms),
                revision: current.link.revision + 1,
                ..link
            };
            let write = self.destinations.write(*code).await?;
            let replaced = self.store.replace(&link).await;
            // Before the answer, so that whoever has it finds the new URL.
            told(write, &replaced).await;
            if replaced? {
                return Ok(CountedLink {
                    link,
                    clicks: current.clicks,
                });
            }
        }
        Err(LinkError::Contended)
    }

    fn changed(&self, link: &Link, change: &LinkChange) -> Result<Link, LinkError> {
        let mut errors = Vec::new();
        let mut changed = link.clone();
        if let Some(url) = &change.url {
            match self.target(url) {
                Ok(target) => changed.target = target,
                Err(error) => errors.push(error),
            }
        }
        if let Some(tags) = &change.tags {
            match self.tags(tags.clone()) {
                Ok(tags) => changed.tags = tags,
                Err(error) => errors.push(error),
            }
        }
        // An expiry that is not touched may have passed: the link stays what it is.
        if let Some(Err(error)) = change
            .expires_at_ms
            .map(|at_ms| self.expiry(at_ms, self.clock.unix_ms()))
        {
            errors.push(error);
        }
        let permanent = change.permanent.unwrap_or(link.lifetime.is_permanent());
        let expires_at_ms = change.expires_at_ms.unwrap_or(link.lifetime.expires_at_ms());
        match Lifetime::of(permanent, expires_at_ms) {
            Ok(lifetime) => changed.lifetime = lifetime,
            Err(error) if change.permanent.is_some() => errors.push(field_error("/permanent", &error)),
            Err(error) => errors.push(field_error("/expires_at", &error)),
        }
        if errors.is_empty() {
            Ok(changed)
        } else {
            Err(LinkError::Invalid(errors))
        }
    }
}
