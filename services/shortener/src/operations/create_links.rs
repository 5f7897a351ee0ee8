//! Making many links, each with an outcome of its own.

use std::collections::HashSet;

use futures::future::join_all;
use futures::{StreamExt as _, stream};
use idempotency::{Idempotent, Outcome};
use identity::Principal;
use ids::Id;

use super::create_link::{CreateLink, Creator, Draft, replayed};
use super::{Links, told};
use crate::error::LinkError;
use crate::link::{Code, Link};
use crate::store::{NewLink, NewRecord, RecordScope};

/// One of many links as it was asked for.
#[derive(Clone, Debug)]
pub struct BatchItem {
    /// The link.
    pub asked: CreateLink,
    /// The key of this very item, if the request had one.
    pub idempotent: Option<Idempotent>,
}

/// A link on its way: accepted, or already answered.
pub(super) enum Drafted {
    Ready(Box<Draft>),
    Answered(Box<Result<Outcome<Link>, LinkError>>),
}

/// What is known under a row's key.
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is returned")]
pub(super) enum Recalled {
    Before(Outcome<Link>),
    New(NewRecord),
}

/// Gives links that were drafted at the same time ids in the order of their rows, so that a list has them in it.
pub(super) fn number(drafts: &mut [Drafted], newest_first: bool) {
    let mut ready: Vec<&mut Draft> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        if let Drafted::Ready(draft) = draft {
            ready.push(draft);
        }
    }
    let mut ids: Vec<Id> = ready.iter().map(|draft| draft.new.link.id).collect();
    ids.sort_unstable_by_key(|id| id.as_u64());
    if newest_first {
        ids.reverse();
    }
    for (draft, id) in ready.into_iter().zip(ids) {
        draft.new.link.id = id;
    }
}

impl Links {
    /// Makes links as [`create_link`](Self::create_link) does, in their order; what is wrong with one does not concern the others.
    /// Run it in an owned task.
    pub async fn create_links(
        &self,
        principal: &Principal,
        items: Vec<Result<BatchItem, LinkError>>,
    ) -> Vec<Result<Outcome<Link>, LinkError>> {
        let mut drafts = Vec::with_capacity(items.len());
        let mut passwords = 0;
        for item in items {
            let item = item.and_then(|item| {
                passwords += usize::from(item.asked.details.sets_password());
                let most = self.limits.bulk.passwords_max;
                if item.asked.details.sets_password() && passwords > most {
                    let why = format!("at most {most} links of one request may be given a password");
                    return Err(LinkError::field("/password", &why));
                }
                Ok(item)
            });
            drafts.push(self.draft_item(principal, item));
        }
        let drafts = stream::iter(drafts).buffered(self.limits.bulk.at_once_max.max(1));
        let mut drafts: Vec<Drafted> = drafts.collect().await;
        number(&mut drafts, false);
        self.make_all(drafts).await
    }

    async fn draft_item(&self, principal: &Principal, item: Result<BatchItem, LinkError>) -> Drafted {
        let drafted = async {
            let BatchItem { asked, idempotent } = item?;
            let by = Creator {
                principal: principal.clone(),
                idempotent,
            };
            let Some(idempotent) = &by.idempotent else {
                return Ok(Drafted::Ready(Box::new(self.draft(&by, None, asked).await?)));
            };
            let record = match self.recalled(principal, idempotent).await? {
                Recalled::Before(outcome) => {
                    self.same_password(&outcome, &asked.details).await?;
                    return Ok(Drafted::Answered(Box::new(Ok(outcome))));
                }
                Recalled::New(record) => record,
            };
            let record = Some((&record.scope, record.fingerprint));
            Ok(Drafted::Ready(Box::new(self.draft(&by, record, asked).await?)))
        };
        drafted
            .await
            .unwrap_or_else(|error: LinkError| Drafted::Answered(Box::new(Err(error))))
    }

    /// What the first request with a row's key was answered, or the record to be written with its link.
    pub(super) async fn recalled(
        &self,
        principal: &Principal,
        idempotent: &Idempotent,
    ) -> Result<Recalled, LinkError> {
        let scope = RecordScope {
            tenant: principal.tenant.clone(),
            user: principal.user.clone(),
            key: idempotent.key.clone(),
        };
        let now_ms = self.clock.unix_ms();
        if let Some(record) = self.store.recall(&scope, now_ms).await? {
            self.look_for_new(&record.link.code).await;
            return Ok(Recalled::Before(replayed(record, &idempotent.fingerprint)?));
        }
        Ok(Recalled::New(NewRecord {
            scope,
            fingerprint: idempotent.fingerprint,
            asked_at_ms: now_ms,
            expires_at_ms: now_ms.saturating_add(self.limits.record_ttl_ms),
        }))
    }

    /// Writes what is ready, some at a time: other writes of the store come in between.
    pub(super) async fn make_all(&self, drafts: Vec<Drafted>) -> Vec<Result<Outcome<Link>, LinkError>> {
        let mut outcomes = Vec::with_capacity(drafts.len());
        let mut waiting: Vec<(usize, Draft)> = Vec::new();
        // The first of several that want one alias has it.
        let mut claimed: HashSet<Code> = HashSet::new();
        for draft in drafts {
            let place = outcomes.len();
            match draft {
                Drafted::Answered(outcome) => outcomes.push(Some(*outcome)),
                Drafted::Ready(draft) if !claimed.insert(draft.new.link.code) => {
                    outcomes.push(Some(Err(LinkError::AliasTaken)));
                }
                Drafted::Ready(draft) => {
                    outcomes.push(None);
                    waiting.push((place, *draft));
                }
            }
        }
        let together = self.limits.bulk.write_rows_max.max(1);
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(together));
            let (places, drafts): (Vec<usize>, Vec<Draft>) =
                std::mem::replace(&mut waiting, rest).into_iter().unzip();
            for (place, outcome) in places.into_iter().zip(self.write(drafts).await) {
                outcomes[place] = Some(outcome);
            }
        }
        outcomes.into_iter().flatten().collect()
    }

    async fn write(&self, drafts: Vec<Draft>) -> Vec<Result<Outcome<Link>, LinkError>> {
        let writes = drafts
            .iter()
            .map(|draft| self.destinations.write_new(draft.new.link.code));
        let writes = join_all(writes).await;
        let (new, chosen): (Vec<NewLink>, Vec<bool>) = drafts
            .into_iter()
            .map(|draft| (draft.new, draft.is_alias))
            .unzip();
        let created = self.store.create_many(&new).await;
        // Somebody may have asked for a code while it led nowhere.
        let each = writes.into_iter().zip(&created);
        join_all(each.map(|(write, created)| told(write, created))).await;
        let mut outcomes = Vec::with_capacity(created.len());
        for ((new, is_alias), created) in new.into_iter().zip(chosen).zip(created) {
            let outcome = match created {
                Ok(created) => self.concluded(Draft { new, is_alias }, created).await,
                Err(error) => Err(error.into()),
            };
            outcomes.push(outcome);
        }
        outcomes
    }
}
