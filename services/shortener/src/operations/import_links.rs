//! Taking in links that were exported, here or elsewhere.

use futures::{StreamExt as _, stream};
use idempotency::Idempotent;
use identity::{Principal, Tenant, User};
use problem::FieldError;

use super::Links;
use super::create_link::{Draft, field_error};
use super::create_links::{Drafted, Recalled, number};
use super::details::DetailsChange;
use crate::error::LinkError;
use crate::link::{Alias, Code, Details, Lifetime, Link, conflicts};
use crate::store::NewLink;

/// A link as it is to be taken in. Its time may be over: an expired link is kept as such.
#[derive(Clone, Debug)]
pub struct ImportLink {
    /// For whom.
    pub tenant: Tenant,
    /// Whose it is to be.
    pub owner: User,
    /// What should stand behind the slash; generated if nothing is given.
    pub code: Option<String>,
    /// Proves that a generated code was this tenant's.
    pub code_proof: Option<String>,
    /// Where it should lead.
    pub url: String,
    /// Whether it answers with 301.
    pub permanent: bool,
    /// When it ends, or ended (Unix ms).
    pub expires_at_ms: Option<u64>,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it was made (Unix ms); now, unless given.
    pub created_at_ms: Option<u64>,
    /// When it was last changed (Unix ms).
    pub updated_at_ms: Option<u64>,
    /// What most links do not have.
    pub details: DetailsChange,
}

/// A link that was taken in.
#[derive(Clone, Debug)]
pub struct ImportedLink {
    /// As it stands.
    pub link: Link,
    /// Whether it was there already, the very same.
    pub was_there: bool,
}

/// One row of an import, and the key of this very row, if the request had one.
pub(crate) type ImportItem = (ImportLink, Option<Idempotent>);

impl Links {
    /// Takes in links, each with an outcome of its own. What is there already and the same is left alone, so an import may be repeated.
    /// Run it in an owned task.
    pub async fn import_links(
        &self,
        principal: &Principal,
        items: Vec<Result<ImportItem, LinkError>>,
    ) -> Vec<Result<ImportedLink, LinkError>> {
        let named: Vec<Code> = items
            .iter()
            .flatten()
            .filter_map(|(asked, _)| self.imported_code(asked).ok().flatten())
            .collect();
        // Before a row without a code is given one, which may be that of another row.
        if let Err(error) = self.codes.pass_over(named.iter()).await {
            let failed =
                |item: Result<ImportItem, LinkError>| item.err().unwrap_or_else(|| error.clone().into());
            return items.into_iter().map(|item| Err(failed(item))).collect();
        }
        let mut drafts = Vec::with_capacity(items.len());
        for item in items {
            drafts.push(self.draft_import(principal, item));
        }
        let drafts = stream::iter(drafts).buffered(self.limits.bulk.at_once_max.max(1));
        let mut drafts: Vec<Drafted> = drafts.collect().await;
        // An export begins with the newest.
        number(&mut drafts, true);
        let wanted: Vec<Option<Link>> = drafts.iter().map(link_of).collect();
        let mut imported = Vec::with_capacity(drafts.len());
        for (wanted, made) in wanted.into_iter().zip(self.make_all(drafts).await) {
            imported.push(match (made, wanted) {
                (Ok(made), _) => Ok(ImportedLink {
                    // Sent again, its row is answered as before: with this key it was made.
                    was_there: false,
                    link: made.get().clone(),
                }),
                (Err(LinkError::AliasTaken), Some(wanted)) => self.perhaps_there(wanted).await,
                (Err(error), _) => Err(error),
            });
        }
        imported
    }

    async fn perhaps_there(&self, wanted: Link) -> Result<ImportedLink, LinkError> {
        match self.store.find(&wanted.tenant, &wanted.code).await? {
            Some(now) if says_the_same(&now.link, &wanted) => Ok(ImportedLink {
                link: now.link,
                was_there: true,
            }),
            _ => Err(LinkError::AliasTaken),
        }
    }

    async fn draft_import(&self, principal: &Principal, item: Result<ImportItem, LinkError>) -> Drafted {
        let drafted = async {
            let (asked, idempotent) = item?;
            let record = match &idempotent {
                None => None,
                Some(idempotent) => match self.recalled(principal, idempotent).await? {
                    Recalled::Before(outcome) => return Ok(Drafted::Answered(Box::new(Ok(outcome)))),
                    Recalled::New(record) => Some(record),
                },
            };
            let is_alias = asked.code.is_some();
            let link = self.accept_import(asked).await?;
            let new = NewLink { link, record };
            Ok(Drafted::Ready(Box::new(Draft { new, is_alias })))
        };
        drafted
            .await
            .unwrap_or_else(|error: LinkError| Drafted::Answered(Box::new(Err(error))))
    }

    async fn accept_import(&self, asked: ImportLink) -> Result<Link, LinkError> {
        let now_ms = self.clock.unix_ms();
        let rules = self.url_rules(&asked.tenant).await?;
        let mut errors: Vec<FieldError> = Vec::new();
        let target = rules
            .target("/url", &asked.url)
            .map_err(|error| errors.push(error));
        let code = self.imported_code(&asked).map_err(|error| errors.push(error));
        let lifetime = Lifetime::of(asked.permanent, asked.expires_at_ms);
        let lifetime = lifetime.map_err(|error| errors.push(field_error("/expires_at", &error)));
        let tags = self.tags(asked.tags).map_err(|error| errors.push(error));
        let created_at_ms = asked.created_at_ms.unwrap_or(now_ms);
        let updated_at_ms = asked.updated_at_ms.unwrap_or(created_at_ms);
        for (pointer, at_ms) in [("/created_at", created_at_ms), ("/updated_at", updated_at_ms)] {
            if at_ms > now_ms {
                errors.push(field_error(pointer, &"this moment lies ahead"));
            }
        }
        let mut details = Details {
            owner: Some(asked.owner),
            ..Details::default()
        };
        self.amend(&mut details, &asked.details, &rules, now_ms, &mut errors);
        if let Ok(lifetime) = lifetime {
            let found = conflicts(lifetime, &details, asked.details.sets_password()).into_iter();
            errors.extend(found.map(|conflict| field_error(&conflict.pointer(|_| true), &conflict)));
        }
        let (Ok(target), Ok(code), Ok(lifetime), Ok(tags), []) =
            (target, code, lifetime, tags, errors.as_slice())
        else {
            return Err(LinkError::Invalid(errors));
        };
        details.password = self.hashed(&asked.details).await?;
        Ok(Link {
            id: self.ids.next()?,
            tenant: asked.tenant,
            code: match code {
                Some(code) => code,
                None => self.codes.next().await?,
            },
            target,
            lifetime,
            tags,
            created_at_ms,
            updated_at_ms: updated_at_ms.max(created_at_ms),
            revision: 1,
            details,
        })
    }

    /// A generated code may have led somewhere else before, so it is given only to whom it belonged.
    fn imported_code(&self, asked: &ImportLink) -> Result<Option<Code>, FieldError> {
        let Some(text) = &asked.code else { return Ok(None) };
        let code = Code::parse(text).filter(Code::is_generated_shape);
        let Some(code) = code else {
            let alias = Alias::parse(text).map_err(|error| field_error("/code", &error))?;
            return Ok(Some(alias.code()));
        };
        let proof = asked.code_proof.as_deref().unwrap_or_default();
        if self.codes.proves(&asked.tenant, &code, proof) {
            Ok(Some(code))
        } else {
            let why = "a generated code is imported only with the `code_proof` of an export of the same tenant and code key; \
                       leave it out, and another one is generated";
            Err(field_error("/code", &why))
        }
    }
}

fn link_of(draft: &Drafted) -> Option<Link> {
    match draft {
        Drafted::Ready(draft) => Some(draft.new.link.clone()),
        Drafted::Answered(_) => None,
    }
}

/// But for what every installation gives out for itself.
fn says_the_same(now: &Link, wanted: &Link) -> bool {
    let parts = |link: &Link| {
        (
            link.target.clone(),
            link.lifetime,
            link.tags.clone(),
            link.details.clone(),
        )
    };
    parts(now) == parts(wanted)
}
