//! The fields of a link's form.

use pages::{Field, Input, Markup, checkbox, disclosure, field, html};

use super::form::LinkForm;
use crate::operations::Limits;

/// Which form it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A link to be made: it may have an alias, and campaign parameters go into its address.
    New,
    /// A link that there is; whether it asks for a password.
    Change { has_password: bool },
}

/// Draws the form `form` with its fields but without a button. What most links do not have is behind a disclosure.
pub(super) fn fields(form: &LinkForm, limits: &Limits, purpose: Purpose) -> Markup {
    let is_new = purpose == Purpose::New;
    let wrong = form
        .errors
        .iter()
        .any(|error| !matches!(error.pointer.split('/').nth(1), Some("url" | "alias" | "tags")));
    html! {
        (field(&Field {
            label: "Address", name: "url", input: Input::Url, value: &form.url, error: form.error("url"),
            hint: if is_new { "An http or https address." } else { "" }, required: true, length_max: limits.url_bytes_max,
            ..Field::default()
        }))
        div.columns {
            @if is_new {
                (field(&Field {
                    label: "Alias", name: "alias", value: &form.alias, error: form.error("alias"),
                    hint: "3 to 64 letters, digits, _ and -. A code is generated without one.",
                    pattern: "[A-Za-z0-9_][A-Za-z0-9_\\-]*[A-Za-z0-9_]", length_max: 64, ..Field::default()
                }))
            } @else {
                (title(form, limits))
            }
            (field(&Field {
                label: "Tags", name: "tags", value: &form.tags, error: form.error("tags"),
                hint: "Separated by commas.", ..Field::default()
            }))
        }
        (disclosure("options", "More options", wrong || form.uses_options(), &html! {
            @if is_new { (title(form, limits)) }
            (notes(form, limits))
            (times(form, limits))
            (gates(form, limits, purpose))
            @if is_new { (campaign(form)) }
            (routes(form))
        }))
    }
}

fn title(form: &LinkForm, limits: &Limits) -> Markup {
    field(&Field {
        label: "Title",
        name: "title",
        value: &form.title,
        error: form.error("title"),
        length_max: limits.details.title_chars_max,
        ..Field::default()
    })
}

fn notes(form: &LinkForm, limits: &Limits) -> Markup {
    field(&Field {
        label: "Notes",
        name: "notes",
        input: Input::Lines,
        value: &form.notes,
        error: form.error("notes"),
        length_max: limits.details.notes_chars_max,
        ..Field::default()
    })
}

fn times(form: &LinkForm, limits: &Limits) -> Markup {
    html! {
        div.columns {
            (field(&Field {
                label: "Active from (UTC)", name: "active_from", input: Input::DateTime, value: &form.active_from,
                error: form.error("active_from"), ..Field::default()
            }))
            (field(&Field {
                label: "Expires (UTC)", name: "expires_at", input: Input::DateTime, value: &form.expires_at,
                error: form.error("expires_at"), hint: "Not for a permanent link.", ..Field::default()
            }))
        }
        (field(&Field {
            label: "Fallback address", name: "fallback_url", input: Input::Url, value: &form.fallback_url,
            error: form.error("fallback_url"), hint: "Where it leads before its time, after it, and once its clicks are used up.",
            length_max: limits.url_bytes_max, ..Field::default()
        }))
    }
}

fn gates(form: &LinkForm, limits: &Limits, purpose: Purpose) -> Markup {
    let has_password = purpose == Purpose::Change { has_password: true };
    html! {
        div.columns {
            (field(&Field {
                label: "Most clicks", name: "max_clicks", input: Input::Number, value: &form.max_clicks,
                error: form.error("max_clicks"), hint: "Never one more is followed.", ..Field::default()
            }))
            div {
                (field(&Field {
                    label: if has_password { "New password" } else { "Password" }, name: "password", input: Input::NewPassword,
                    value: "", error: form.error("password"), hint: "Asked of everybody who follows it.",
                    length_max: limits.password_bytes_max, ..Field::default()
                }))
                @if has_password { (checkbox("Take the password away", "remove_password", "yes", form.remove_password.is_some())) }
            }
        }
        (checkbox("Permanent (answers 301, which browsers remember)", "permanent", "yes", form.permanent.is_some()))
        @if !form.error("permanent").is_empty() { p.error { (form.error("permanent")) } }
    }
}

fn campaign(form: &LinkForm) -> Markup {
    let parts = [
        ("Source", "utm_source", &form.utm_source),
        ("Medium", "utm_medium", &form.utm_medium),
        ("Campaign", "utm_campaign", &form.utm_campaign),
        ("Term", "utm_term", &form.utm_term),
        ("Content", "utm_content", &form.utm_content),
    ];
    html! {
        fieldset {
            legend { "Campaign parameters, put into the address" }
            div.columns.tight {
                @for (label, name, value) in parts {
                    (field(&Field { label, name, value, required: false, length_max: 200, ..Field::default() }))
                }
            }
        }
    }
}

fn routes(form: &LinkForm) -> Markup {
    html! {
        (field(&Field {
            label: "Destinations for some", name: "destinations", input: Input::Lines, value: &form.destinations,
            error: form.error("destinations"),
            hint: "One a line: countries and devices, or a weight, then the address. DE,AT mobile https://example.com/de, or 30 https://example.com/b.",
            ..Field::default()
        }))
        (field(&Field {
            label: "Seconds that an edge may answer in our place", name: "edge_cache_s", input: Input::Number, value: &form.edge_cache_s,
            error: form.error("edge_cache_s"), hint: "What it answers is not counted.", ..Field::default()
        }))
    }
}
