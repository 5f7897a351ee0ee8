//! The form of a new link, as it is sent and as it is shown again when something is wrong with it.

use idempotency::{Fingerprint, IdempotencyError, IdempotencyKey, Idempotent};
use problem::{FieldError, Problem};
use serde::Deserialize;

use super::view::Notice;
use crate::error::LinkError;
use crate::http::NewLinkBody;

/// What stands in the form.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct NewLinkForm {
    /// Tells this form from every other that was shown: sent twice, it makes one link.
    #[serde(default)]
    pub(super) key: String,
    #[serde(default)]
    pub(super) url: String,
    #[serde(default)]
    pub(super) alias: String,
    #[serde(default)]
    pub(super) expires_at: String,
    #[serde(default)]
    pub(super) permanent: Option<String>,
    #[serde(default)]
    pub(super) tags: String,
    /// What is wrong with it; never sent.
    #[serde(skip)]
    pub(super) errors: Vec<FieldError>,
}

impl NewLinkForm {
    pub(super) fn empty() -> Self {
        Self {
            key: fresh_key(),
            ..Self::default()
        }
    }

    /// The request the form stands for, and its idempotency key.
    pub(super) fn request(&self) -> Result<(NewLinkBody, Option<Idempotent>), LinkError> {
        let body = NewLinkBody {
            url: self.url.trim().to_owned(),
            alias: unless_blank(&self.alias),
            expires_at: unless_blank(&self.expires_at).map(|local| utc(&local)),
            permanent: self.permanent.is_some(),
            tags: self
                .tags
                .split(',')
                .map(str::trim)
                .filter(|tag| !tag.is_empty())
                .map(str::to_owned)
                .collect(),
            ..NewLinkBody::default()
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

    /// The form to be shown again, and what is said above it. It keeps its key where the same request may have had, or may
    /// still have, its effect: sent again it finds that.
    pub(super) fn refused(self, error: &LinkError, problem: &Problem) -> (Self, Notice) {
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
            _ => "nothing was made; please look at the marked fields".to_owned(),
        };
        let in_flight = matches!(error, LinkError::Idempotency(IdempotencyError::InFlight { .. }));
        let key = if in_flight || problem.status().is_server_error() {
            self.key
        } else {
            fresh_key()
        };
        (Self { key, errors, ..self }, Notice::Refused(notice))
    }

    /// What is wrong with a field, or nothing.
    pub(super) fn error(&self, field: &str) -> &str {
        let of_field = |error: &&FieldError| {
            let pointer = error.pointer.trim_start_matches('/');
            pointer == field
                || pointer
                    .strip_prefix(field)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        self.errors
            .iter()
            .find(of_field)
            .map_or("", |error| &error.detail)
    }
}

fn unless_blank(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A browser sends `2027-01-01T10:30`; the form says that UTC is meant.
fn utc(local: &str) -> String {
    match local.len() {
        16 => format!("{local}:00Z"),
        19 => format!("{local}Z"),
        _ => local.to_owned(),
    }
}

fn fresh_key() -> String {
    format!("form-{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn a_form_is_read_as_people_fill_it() {
        let form = NewLinkForm {
            url: "  https://example.com/ ".into(),
            alias: " ".into(),
            expires_at: "2027-01-01T10:30".into(),
            tags: "a, b ,,c".into(),
            ..NewLinkForm::empty()
        };
        let (body, idempotent) = form.request().unwrap();
        assert_eq!(body.url, "https://example.com/");
        assert_eq!((body.alias, body.permanent), (None, false));
        assert_eq!(body.expires_at.as_deref(), Some("2027-01-01T10:30:00Z"));
        assert_eq!(body.tags, ["a", "b", "c"]);
        assert!(idempotent.is_some());
    }

    fn refused(form: NewLinkForm, error: &LinkError) -> (NewLinkForm, Notice) {
        form.refused(error, &Problem::from(error.clone()))
    }

    #[test]
    fn a_form_keeps_its_key_where_the_link_may_be_made_already_or_soon() {
        let retry_after = std::time::Duration::from_secs(1);
        for error in [
            LinkError::Idempotency(IdempotencyError::InFlight { retry_after }),
            LinkError::Store(StoreError::Unknown("disk".into())),
        ] {
            let form = NewLinkForm::empty();
            let key = form.key.clone();
            assert_eq!(refused(form, &error).0.key, key, "{error}");
        }
    }

    #[test]
    fn a_refused_form_keeps_what_was_typed_and_marks_the_field() {
        let form = NewLinkForm {
            tags: "x".into(),
            ..NewLinkForm::empty()
        };
        let key = form.key.clone();
        let (form, _) = refused(form, &LinkError::field("/tags/0", "too long"));
        assert_eq!(
            (form.tags.as_str(), form.error("tags"), form.error("url")),
            ("x", "too long", "")
        );
        assert_ne!(form.key, key);
    }
}
