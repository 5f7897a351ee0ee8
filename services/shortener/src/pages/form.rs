//! The form of a link, new or to be changed: as it is sent, and as it is shown again when something is wrong with it.

mod destinations;

use idempotency::{Fingerprint, IdempotencyError, IdempotencyKey, Idempotent};
use problem::{FieldError, Problem};
use serde::Deserialize;

use crate::error::LinkError;
use crate::http::{LinkPatchBody, NewLinkBody, PasswordText, UtmBody, show_moment};
use crate::link::Link;

/// What stands in the form. Without a script a browser sends every field as text, and a box only when it is ticked.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct LinkForm {
    /// Tells this form from every other that was shown: sent twice, it makes one link.
    pub(super) key: String,
    /// Which revision of a link was shown, for a link that there is: what others changed since is not undone.
    pub(super) revision: String,
    pub(super) url: String,
    pub(super) alias: String,
    pub(super) tags: String,
    pub(super) title: String,
    pub(super) notes: String,
    pub(super) expires_at: String,
    pub(super) active_from: String,
    pub(super) fallback_url: String,
    pub(super) max_clicks: String,
    pub(super) password: String,
    /// Whether the password is to be taken away.
    pub(super) remove_password: Option<String>,
    pub(super) permanent: Option<String>,
    pub(super) destinations: String,
    pub(super) edge_cache_s: String,
    pub(super) utm_source: String,
    pub(super) utm_medium: String,
    pub(super) utm_campaign: String,
    pub(super) utm_term: String,
    pub(super) utm_content: String,
    /// What is wrong with it; never sent.
    #[serde(skip)]
    pub(super) errors: Vec<FieldError>,
}

impl LinkForm {
    /// For a new link.
    pub(super) fn empty() -> Self {
        Self {
            key: fresh_key(),
            ..Self::default()
        }
    }

    /// For a link as it is.
    pub(super) fn of(link: &Link) -> Self {
        let details = &link.details;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Self {
            revision: link.revision.to_string(),
            url: link.target.as_str().to_owned(),
            tags: link.tags.as_slice().join(", "),
            title: text(&details.title),
            notes: text(&details.notes),
            expires_at: link.lifetime.expires_at_ms().map(local).unwrap_or_default(),
            active_from: details.active_from_ms.map(local).unwrap_or_default(),
            fallback_url: details
                .fallback
                .as_ref()
                .map_or("", |url| url.as_str())
                .to_owned(),
            max_clicks: details.click_cap.map(|cap| cap.to_string()).unwrap_or_default(),
            permanent: link.lifetime.is_permanent().then(|| "yes".to_owned()),
            destinations: destinations::show(&details.routing),
            edge_cache_s: details.edge_cache_s.map(|s| s.to_string()).unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Whether anything is filled in that most links do not have; then it is shown at once.
    pub(super) fn uses_options(&self) -> bool {
        let plain = Self {
            key: self.key.clone(),
            revision: self.revision.clone(),
            url: self.url.clone(),
            alias: self.alias.clone(),
            tags: self.tags.clone(),
            errors: self.errors.clone(),
            ..Self::default()
        };
        *self != plain
    }

    /// The request the form stands for, and its idempotency key.
    pub(super) fn request(&self) -> Result<(NewLinkBody, Option<Idempotent>), LinkError> {
        let utm = UtmBody {
            source: unless_blank(&self.utm_source),
            medium: unless_blank(&self.utm_medium),
            campaign: unless_blank(&self.utm_campaign),
            term: unless_blank(&self.utm_term),
            content: unless_blank(&self.utm_content),
        };
        let body = NewLinkBody {
            url: self.url.trim().to_owned(),
            alias: unless_blank(&self.alias),
            expires_at: unless_blank(&self.expires_at).map(|local| utc(&local)),
            permanent: self.permanent.is_some(),
            tags: self.tag_list(),
            title: unless_blank(&self.title),
            notes: unless_blank(&self.notes),
            active_from: unless_blank(&self.active_from).map(|local| utc(&local)),
            fallback_url: unless_blank(&self.fallback_url),
            max_clicks: number("/max_clicks", &self.max_clicks)?,
            password: password(&self.password),
            destinations: destinations::read(&self.destinations)?,
            edge_cache_s: number("/edge_cache_s", &self.edge_cache_s)?,
            utm: (utm != UtmBody::default()).then_some(utm),
            archived: false,
        };
        let idempotent = match unless_blank(&self.key) {
            Some(key) => {
                let fingerprint = Fingerprint::of("POST", super::HOME, &body.canonical());
                Some(Idempotent::new(IdempotencyKey::parse(&key)?, fingerprint))
            }
            None => None,
        };
        Ok((body, idempotent))
    }

    /// Which revision of the link the form was made from; none if it does not say.
    pub(super) fn seen_revision(&self) -> Result<Option<u64>, LinkError> {
        number("/revision", &self.revision)
    }

    /// What is said when the link is no longer as the form was made from, but as `now`: nothing that was typed is lost silently.
    pub(super) fn outdated(&self, now: &Self) -> String {
        let parts = [
            ("address", &self.url, &now.url),
            ("title", &self.title, &now.title),
            ("tags", &self.tags, &now.tags),
            ("notes", &self.notes, &now.notes),
            ("active from", &self.active_from, &now.active_from),
            ("expires", &self.expires_at, &now.expires_at),
            ("fallback address", &self.fallback_url, &now.fallback_url),
            ("most clicks", &self.max_clicks, &now.max_clicks),
            ("destinations", &self.destinations, &now.destinations),
            ("edge seconds", &self.edge_cache_s, &now.edge_cache_s),
        ];
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut sent: Vec<String> = parts
            .into_iter()
            .filter(|(_, mine, theirs)| words(mine) != words(theirs))
            .map(|(name, mine, _)| format!("{name} \u{201c}{}\u{201d}", mine.trim()))
            .collect();
        if self.permanent.is_some() != now.permanent.is_some() {
            let mine = if self.permanent.is_some() {
                "permanent"
            } else {
                "not permanent"
            };
            sent.push(mine.to_owned());
        }
        if !self.password.is_empty() || self.remove_password.is_some() {
            sent.push("another password, or none".to_owned());
        }
        let why = "nothing was saved: the link was changed by others since this form was shown";
        if sent.is_empty() {
            format!("{why}; the form shows it as it is now")
        } else {
            format!(
                "{why}. The form shows it as it is now; you had sent: {}",
                sent.join(", ")
            )
        }
    }

    /// What is to be changed about a link that is now shown as `shown`, so that it becomes as this form has it. That undoes what others
    /// changed since the form was sent out, unless its revision goes along: then nothing is changed.
    pub(super) fn patch(&self, shown: &Self) -> Result<LinkPatchBody, LinkError> {
        let changed =
            |mine: &String, theirs: &String| (mine.trim() != theirs.trim()).then(|| unless_blank(mine));
        let moment =
            |mine: &String, theirs: &String| changed(mine, theirs).map(|text| text.map(|local| utc(&local)));
        let url = (self.url.trim() != shown.url).then(|| self.url.trim().to_owned());
        let tags = (self.tags.trim() != shown.tags.trim()).then(|| self.tag_list());
        let password = match (&self.remove_password, password(&self.password)) {
            (_, Some(new)) => Some(Some(new)),
            (Some(_), None) => Some(None),
            (None, None) => None,
        };
        let max_clicks = (self.max_clicks.trim() != shown.max_clicks)
            .then(|| number("/max_clicks", &self.max_clicks))
            .transpose()?;
        let edge_cache_s = (self.edge_cache_s.trim() != shown.edge_cache_s)
            .then(|| number("/edge_cache_s", &self.edge_cache_s))
            .transpose()?;
        let lines = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let destinations = (lines(&self.destinations) != lines(&shown.destinations))
            .then(|| destinations::read(&self.destinations))
            .transpose()?;
        // A browser breaks lines in its own way.
        let notes = changed(
            &self.notes.replace("\r\n", "\n"),
            &shown.notes.replace("\r\n", "\n"),
        );
        Ok(LinkPatchBody {
            url,
            expires_at: moment(&self.expires_at, &shown.expires_at),
            permanent: (self.permanent.is_some() != shown.permanent.is_some())
                .then_some(self.permanent.is_some()),
            tags,
            title: changed(&self.title, &shown.title),
            notes,
            active_from: moment(&self.active_from, &shown.active_from),
            fallback_url: changed(&self.fallback_url, &shown.fallback_url),
            max_clicks,
            password,
            destinations,
            edge_cache_s,
            ..LinkPatchBody::default()
        })
    }

    fn tag_list(&self) -> Vec<String> {
        let tags = self.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        tags.map(str::to_owned).collect()
    }

    /// The form to be shown again, and what is said above it. It keeps its key where the same request may have had, or may
    /// still have, its effect: sent again it finds that. A password is typed again: it is never sent back.
    pub(super) fn refused(self, error: &LinkError, problem: &Problem) -> (Self, String) {
        let errors = match error {
            LinkError::Invalid(errors) => errors.clone(),
            LinkError::AliasTaken => {
                vec![FieldError {
                    pointer: "/alias".to_owned(),
                    detail: error.to_string(),
                }]
            }
            _ => Vec::new(),
        };
        let notice = match error {
            // Gone back to, changed and sent again: that is another link, and needs another key.
            LinkError::Idempotency(IdempotencyError::Mismatch) => {
                "this form was sent before with other values; send it again to make another link".to_owned()
            }
            _ if errors.is_empty() => problem.detail().to_owned(),
            _ => {
                let mut marked = errors.iter().filter(|error| !is_shown(&error.pointer));
                match marked.next() {
                    Some(error) => error.detail.clone(),
                    None => "nothing was changed; please look at the marked fields".to_owned(),
                }
            }
        };
        let in_flight = matches!(error, LinkError::Idempotency(IdempotencyError::InFlight { .. }));
        let key = if in_flight || problem.status().is_server_error() {
            self.key
        } else {
            fresh_key()
        };
        let form = Self {
            key,
            errors,
            password: String::new(),
            ..self
        };
        (form, notice)
    }

    /// What is wrong with a field, or nothing.
    pub(super) fn error(&self, field: &str) -> &str {
        let of_field = |error: &&FieldError| part(&error.pointer) == field;
        self.errors
            .iter()
            .find(of_field)
            .map_or("", |error| &error.detail)
    }
}

/// The field that a pointer leads into.
fn part(pointer: &str) -> &str {
    pointer
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default()
}

/// Whether there is a field to mark.
fn is_shown(pointer: &str) -> bool {
    const FIELDS: [&str; 13] = [
        "url",
        "alias",
        "tags",
        "title",
        "notes",
        "expires_at",
        "active_from",
        "fallback_url",
        "max_clicks",
        "password",
        "permanent",
        "destinations",
        "edge_cache_s",
    ];
    FIELDS.contains(&part(pointer))
}

fn unless_blank(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Spaces may be part of it.
fn password(text: &str) -> Option<PasswordText> {
    (!text.is_empty()).then(|| PasswordText(text.to_owned()))
}

fn number<T: std::str::FromStr>(pointer: &str, text: &str) -> Result<Option<T>, LinkError> {
    let number = unless_blank(text).map(|text| text.parse());
    number
        .transpose()
        .map_err(|_| LinkError::field(pointer, "this is not a whole number, or too large"))
}

/// A browser sends `2027-01-01T10:30`; the form says that UTC is meant.
fn utc(local: &str) -> String {
    match local.len() {
        16 => format!("{local}:00Z"),
        19 | 23 => format!("{local}Z"),
        _ => local.to_owned(),
    }
}

/// The other way: to the minute where that is all there is.
fn local(at_ms: u64) -> String {
    let text = show_moment(at_ms);
    let text = text.trim_end_matches('Z').trim_end_matches(".000");
    text.strip_suffix(":00").unwrap_or(text).to_owned()
}

fn fresh_key() -> String {
    format!("form-{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests;
