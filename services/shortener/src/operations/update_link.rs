//! Changing a link.

use identity::Tenant;

use super::create_link::{AskedUtm, field_error};
use super::details::DetailsChange;
use super::targets::UrlRules;
use super::{Links, told};
use crate::error::LinkError;
use crate::link::{Code, CountedLink, Lifetime, Link, PasswordHash, conflicts};

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
    /// Campaign parameters to be put into the URL it has then.
    pub utm: AskedUtm,
    /// What most links do not have.
    pub details: DetailsChange,
    /// Which revision of the link the change was made from; unless given, whichever there is.
    pub revision: Option<u64>,
}

impl LinkChange {
    /// Whether a part was named, by its name on the wire.
    fn names(&self, part: &str) -> bool {
        match part {
            "permanent" => self.permanent.is_some(),
            "expires_at" => self.expires_at_ms.is_some(),
            part => self.details.names(part),
        }
    }
}

impl Links {
    /// Changes a tenant's link. The rules hold for the whole result, so a link with an expiry becomes permanent only together with
    /// losing the expiry. A change that names a revision is made over no other. Run it in an owned task.
    pub async fn update_link(
        &self,
        tenant: &Tenant,
        code: &Code,
        change: &LinkChange,
    ) -> Result<CountedLink, LinkError> {
        let rules = self.url_rules(tenant).await?;
        // Once, and only for a change that would be made: it is what costs.
        let mut hash: Option<PasswordHash> = None;
        for _ in 0..ATTEMPTS_MAX {
            let current = self.store.find(tenant, code).await?.ok_or(LinkError::NotFound)?;
            // Before the change: once that stands, nothing may fail.
            let current = self.counted_one(tenant, current).await?;
            let changed = self.changed(&current.link, change, &rules);
            if change.revision.is_some_and(|seen| seen != current.link.revision) {
                // What stands already is no quarrel: a form that is sent twice is saved once.
                let stands = changed.is_ok_and(|link| link == current.link)
                    && self.password_stands(&current.link, change).await?;
                if !stands {
                    return Err(LinkError::ChangedSince);
                }
                self.look_again(code).await?;
                return Ok(current);
            }
            let mut link = changed?;
            if change.details.sets_password() {
                if hash.is_none() {
                    hash = self.hashed(&change.details).await?;
                }
                link.details.password.clone_from(&hash);
            }
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

    /// Whether the link has the password that is to be set, if one is: a new hash of it would have another salt, and tells nothing.
    async fn password_stands(&self, link: &Link, change: &LinkChange) -> Result<bool, LinkError> {
        match &link.details.password {
            Some(kept) => self.keeps_password(&change.details, kept).await,
            None => Ok(!change.details.sets_password()),
        }
    }

    fn changed(&self, link: &Link, change: &LinkChange, rules: &UrlRules<'_>) -> Result<Link, LinkError> {
        let mut errors = Vec::new();
        let mut changed = link.clone();
        let now_ms = self.clock.unix_ms();
        if change.url.is_some() || change.utm != AskedUtm::default() {
            let url = change.url.as_deref().unwrap_or(link.target.as_str());
            match rules.target("/url", &change.utm.onto(url)) {
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
        if let Some(Err(error)) = change.expires_at_ms.map(|at_ms| self.expiry(at_ms, now_ms)) {
            errors.push(error);
        }
        self.amend(&mut changed.details, &change.details, rules, now_ms, &mut errors);
        let permanent = change.permanent.unwrap_or(link.lifetime.is_permanent());
        let expires_at_ms = change.expires_at_ms.unwrap_or(link.lifetime.expires_at_ms());
        match Lifetime::of(permanent, expires_at_ms) {
            Ok(lifetime) => {
                changed.lifetime = lifetime;
                let guarded = changed.details.password.is_some() || change.details.sets_password();
                let found = conflicts(lifetime, &changed.details, guarded).into_iter();
                let at = |part: &str| change.names(part);
                errors.extend(found.map(|conflict| field_error(&conflict.pointer(at), &conflict)));
            }
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
