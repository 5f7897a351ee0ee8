//! Making a link.

use std::fmt::Display;

use idempotency::{Fingerprint, IdempotencyError, Idempotent, Outcome};
use identity::Principal;
use problem::FieldError;

use super::details::DetailsChange;
use super::{Links, told};
use crate::error::LinkError;
use crate::link::{Alias, Details, Lifetime, Link, Tags, TargetUrl, Utm, conflicts};
use crate::store::{Created, NewLink, NewRecord, Record, RecordScope, StoreError};

/// Most codes that are tried after one that was taken: the next range lies behind what was imported, and one more import or two may
/// come in between.
const OTHER_CODES_MAX: u32 = 3;

/// A link as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct CreateLink {
    /// Where it should lead.
    pub url: String,
    /// What should stand behind the slash; generated if nothing is given.
    pub alias: Option<String>,
    /// When it ends (Unix ms).
    pub expires_at_ms: Option<u64>,
    /// Whether it answers with 301.
    pub permanent: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// Campaign parameters to be put into the URL.
    pub utm: AskedUtm,
    /// What most links do not have.
    pub details: DetailsChange,
}

/// Campaign parameters as they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedUtm {
    /// `utm_source`.
    pub source: Option<String>,
    /// `utm_medium`.
    pub medium: Option<String>,
    /// `utm_campaign`.
    pub campaign: Option<String>,
    /// `utm_term`.
    pub term: Option<String>,
    /// `utm_content`.
    pub content: Option<String>,
}

impl AskedUtm {
    /// The URL with them.
    pub(super) fn onto(&self, url: &str) -> String {
        let utm = Utm {
            source: self.source.as_deref(),
            medium: self.medium.as_deref(),
            campaign: self.campaign.as_deref(),
            term: self.term.as_deref(),
            content: self.content.as_deref(),
        };
        utm.onto(url)
    }
}

/// Who makes a link, and under which idempotency key.
#[derive(Clone, Debug)]
pub struct Creator {
    /// Who.
    pub principal: Principal,
    /// The key and what was asked for under it, if one was sent.
    pub idempotent: Option<Idempotent>,
}

/// A link that may be written.
pub(super) struct Draft {
    /// The link, and the record that goes with it.
    pub(super) new: NewLink,
    /// Whether somebody chose its code.
    pub(super) is_alias: bool,
}

/// A request that passed the rules.
struct Accepted {
    target: TargetUrl,
    alias: Option<Alias>,
    lifetime: Lifetime,
    tags: Tags,
    details: Details,
}

impl Links {
    /// Makes a link, or answers as the first request with the same key was answered.
    ///
    /// Run it in an owned task: dropped half-way it leaves the answer to its copies open.
    pub async fn create_link(&self, by: &Creator, asked: CreateLink) -> Result<Outcome<Link>, LinkError> {
        let Some(idempotent) = &by.idempotent else {
            return self.create(by, None, asked).await;
        };
        let scope = RecordScope {
            tenant: by.principal.tenant.clone(),
            user: by.principal.user.clone(),
            key: idempotent.key.clone(),
        };
        let parts = asked.details.clone();
        let work = || async {
            // Looked for before the rules are applied: the first answer stands, though the alias is taken (by it) and
            // its expiry may have passed.
            if let Some(record) = self.store.recall(&scope, self.clock.unix_ms()).await? {
                // Its commit may have come after the first request gave up, and a redirect in between found nothing.
                self.look_for_new(&record.link.code).await;
                return Ok(replayed(record, &idempotent.fingerprint)?);
            }
            self.create(by, Some((&scope, idempotent.fingerprint)), asked)
                .await
        };
        let outcome = self
            .in_flight
            .run(scope.clone(), idempotent.fingerprint, work)
            .await?;
        self.same_password(&outcome, &parts).await?;
        Ok(outcome)
    }

    async fn create(
        &self,
        by: &Creator,
        record: Option<(&RecordScope, Fingerprint)>,
        asked: CreateLink,
    ) -> Result<Outcome<Link>, LinkError> {
        let draft = self.draft(by, record, asked).await?;
        let created = self.store_new(&draft.new).await?;
        self.concluded(draft, created).await
    }

    async fn store_new(&self, new: &NewLink) -> Result<Created, StoreError> {
        #[cfg(feature = "planted-bugs")]
        if planted_bugs::is_planted(planted_bugs::Bug::AckBeforeDurable) {
            return Ok(self.acknowledge_first(new.clone()));
        }
        let write = self.destinations.write_new(new.link.code).await;
        let created = self.store.create(&new.link, new.record.as_ref()).await;
        // Somebody may have asked for this code while it led nowhere.
        told(write, &created).await;
        created
    }

    /// A planted bug: the answer does not wait for the write.
    #[cfg(feature = "planted-bugs")]
    fn acknowledge_first(&self, new: NewLink) -> Created {
        const LATER: std::time::Duration = std::time::Duration::from_secs(1);
        let store = std::sync::Arc::clone(&self.store);
        tokio::spawn(async move {
            tokio::time::sleep(LATER).await;
            let _ = store.create(&new.link, new.record.as_ref()).await;
        });
        Created::Now
    }

    /// The link that is to be written: the rules are kept, its code and id are its own.
    pub(super) async fn draft(
        &self,
        by: &Creator,
        record: Option<(&RecordScope, Fingerprint)>,
        asked: CreateLink,
    ) -> Result<Draft, LinkError> {
        let now_ms = self.clock.unix_ms();
        let accepted = self.accept(by, asked, now_ms).await?;
        let code = match accepted.alias {
            Some(alias) => alias.code(),
            None => self.codes.next().await?,
        };
        let link = Link {
            id: self.ids.next()?,
            tenant: by.principal.tenant.clone(),
            code,
            target: accepted.target,
            lifetime: accepted.lifetime,
            tags: accepted.tags,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
            revision: 1,
            details: accepted.details,
        };
        let record = record.map(|(scope, fingerprint)| NewRecord {
            scope: scope.clone(),
            fingerprint,
            asked_at_ms: now_ms,
            expires_at_ms: now_ms.saturating_add(self.limits.record_ttl_ms),
        });
        Ok(Draft {
            new: NewLink { link, record },
            is_alias: accepted.alias.is_some(),
        })
    }

    /// What is answered once the store has spoken. Where it says that a generated code is taken, that was brought along by an import
    /// after another process had leased the range it lies in: the link gets another code, out of another range.
    pub(super) async fn concluded(
        &self,
        mut draft: Draft,
        mut created: Created,
    ) -> Result<Outcome<Link>, LinkError> {
        let mut tries = 0;
        while created == Created::Taken && !draft.is_alias && tries < OTHER_CODES_MAX {
            tries += 1;
            let link = &mut draft.new.link;
            tracing::warn!(code = %link.code, tries, "a generated code is taken; the link gets another one");
            self.codes.give_up(&link.code).await;
            // With an id of its own: what the store still does about the former try is not done to this one.
            (link.code, link.id) = (self.codes.next().await?, self.ids.next()?);
            created = self.store_new(&draft.new).await?;
        }
        let NewLink { link, record } = draft.new;
        if let Created::Before(first) = &created {
            self.look_for_new(&first.link.code).await;
        }
        match (created, &record) {
            (Created::Now, _) => Ok(Outcome::Fresh(link)),
            (Created::Before(first), Some(record)) => Ok(replayed(*first, &record.fingerprint)?),
            (Created::Taken, _) if draft.is_alias => Err(LinkError::AliasTaken),
            (Created::Taken | Created::Before(_), _) => Err(LinkError::CodeCollision),
        }
    }

    async fn accept(&self, by: &Creator, asked: CreateLink, now_ms: u64) -> Result<Accepted, LinkError> {
        let rules = self.url_rules(&by.principal.tenant).await?;
        let mut errors = Vec::new();
        let target = rules
            .target("/url", &asked.utm.onto(&asked.url))
            .map_err(|error| errors.push(error));
        let alias = asked.alias.as_deref().map(Alias::parse).transpose();
        let alias = alias.map_err(|error| errors.push(field_error("/alias", &error)));
        let expiry = self
            .expiry(asked.expires_at_ms, now_ms)
            .map_err(|error| errors.push(error));
        let lifetime = Lifetime::of(asked.permanent, asked.expires_at_ms);
        let lifetime = lifetime.map_err(|error| errors.push(field_error("/expires_at", &error)));
        let tags = self.tags(asked.tags).map_err(|error| errors.push(error));
        let mut details = Details {
            owner: Some(by.principal.user.clone()),
            ..Details::default()
        };
        self.amend(&mut details, &asked.details, &rules, now_ms, &mut errors);
        if let Ok(lifetime) = lifetime {
            let guarded = asked.details.sets_password();
            let found = conflicts(lifetime, &details, guarded).into_iter();
            errors.extend(found.map(|conflict| field_error(&conflict.pointer(|_| true), &conflict)));
        }
        let (Ok(target), Ok(alias), Ok(()), Ok(lifetime), Ok(tags), []) =
            (target, alias, expiry, lifetime, tags, errors.as_slice())
        else {
            return Err(LinkError::Invalid(errors));
        };
        // Only now, for it is what costs.
        details.password = self.hashed(&asked.details).await?;
        Ok(Accepted {
            target,
            alias,
            lifetime,
            tags,
            details,
        })
    }

    pub(super) fn tags(&self, tags: Vec<String>) -> Result<Tags, FieldError> {
        use crate::link::TagsError;
        Tags::parse(tags, self.limits.tags_max, self.limits.tag_chars_max).map_err(|error| match error {
            TagsError::TooMany { .. } => field_error("/tags", &error),
            TagsError::Length { index, .. } | TagsError::Control { index } => {
                field_error(&format!("/tags/{index}"), &error)
            }
        })
    }

    pub(super) fn expiry(&self, expires_at_ms: Option<u64>, now_ms: u64) -> Result<(), FieldError> {
        let Some(at_ms) = expires_at_ms else { return Ok(()) };
        if at_ms <= now_ms {
            return Err(field_error("/expires_at", &"this moment has passed"));
        }
        if at_ms - now_ms > self.limits.expiry_ms_max {
            return Err(field_error("/expires_at", &"this moment is too far ahead"));
        }
        Ok(())
    }
}

pub(super) fn replayed(record: Record, asked: &Fingerprint) -> Result<Outcome<Link>, IdempotencyError> {
    if record.fingerprint == *asked {
        Ok(Outcome::Replayed(record.link))
    } else {
        Err(IdempotencyError::Mismatch)
    }
}

pub(super) fn field_error(pointer: &str, detail: &dyn Display) -> FieldError {
    FieldError {
        pointer: pointer.to_owned(),
        detail: detail.to_string(),
    }
}
