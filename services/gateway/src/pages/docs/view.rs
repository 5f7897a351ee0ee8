//! What an API looks like: a list of its operations, each with what it takes and what it answers, and the types below.

use maud::{Markup, html};
use pages::{card, code_block, hero, link_button};

use super::document::{Call, Media, OpenApi, Parameter, slug};
use super::schema::{Words, bounds, properties, words};
use super::{example, schema};

/// Every refusal is one, so only the beginning of a page says it.
const PROBLEM: &str = "application/problem+json";

/// One API, as the overview says it.
pub(super) struct About {
    role: &'static str,
    pub(super) title: String,
    description: String,
    operations: usize,
}

impl About {
    pub(super) fn of(role: &'static str, api: &OpenApi) -> Self {
        Self {
            role,
            title: api.info.title.clone(),
            description: api.info.description.clone(),
            operations: api.calls().len(),
        }
    }
}

/// The overview.
pub(super) fn index(apis: &[&About], token_command: &str) -> Markup {
    html! {
        (hero("API", "What every role promises, from the documents that are generated from its code.", &html! {}))
        div.grid {
            @for about in apis {
                (card(about.role, &about.title, &html! {
                    p { (prose(&about.description)) }
                    p.hint { (about.operations) " operations · OpenAPI 3.1" }
                    div.actions {
                        (link_button(&format!("/docs/{}", about.role), "Read"))
                        (link_button(&format!("/docs/{}/openapi.json", about.role), "openapi.json"))
                    }
                }))
            }
        }
        (card("begin", "To begin", &html! {
            p { "Calls that need a token take it as " code { "Authorization: Bearer" } ". On the machine and in the folder that the platform was started in:" }
            (code_block("Getting a token", &format!("TOKEN=$({token_command})")))
            p.hint { "Every refusal is a problem document (RFC 9457) with a stable " code { "code" } "." }
        }))
    }
}

/// One API in full.
pub(super) fn document(role: &str, api: &OpenApi, public_url: &str) -> Markup {
    let calls = api.calls();
    html! {
        div.docs {
            nav.contents aria-label="Operations" {
                details open {
                    summary { "Operations" }
                    (contents(api, &calls))
                }
            }
            div.body {
                h1 { (api.info.title) }
                p.lead { (prose(&api.info.description)) }
                p.hint {
                    "Version " (api.info.version) " · " a href=(format!("/docs/{role}/openapi.json")) { "openapi.json" }
                    " · " a href="/docs" { "all APIs" }
                    @if let Some(problem) = api.components.schemas.get_key_value("Problem") {
                        " · refusals are problem documents: " a href=(format!("#{}", type_id(problem.0))) { "Problem" }
                    }
                }
                @for call in &calls { (operation(api, call, public_url)) }
                @if !api.components.schemas.is_empty() {
                    h2.part id="types" { "Types" }
                    @for (name, schema) in &api.components.schemas {
                        section.card.type id=(type_id(name)) aria-labelledby=(format!("{}-title", type_id(name))) {
                            h3 id=(format!("{}-title", type_id(name))) { code { (name) } }
                            @if let Some(text) = text_of(schema) { p { (prose(text)) } }
                            (fields(api, schema))
                        }
                    }
                }
            }
        }
    }
}

fn contents(api: &OpenApi, calls: &[Call<'_>]) -> Markup {
    html! {
        @for group in calls.chunk_by(|a, b| a.group() == b.group()) {
            @let name = group[0].group();
            @let told = api.tags.iter().find(|tag| tag.name == name).map(|tag| tag.description.as_str());
            @if !name.is_empty() { p.group title=[told] { (name) } }
            ul {
                @for call in group {
                    li { a href=(format!("#{}", call.id())) { (method(call.method)) span { (call.summary()) } } }
                }
            }
        }
        @if !api.components.schemas.is_empty() { p.group { a href="#types" { "types" } } }
    }
}

fn method(name: &str) -> Markup {
    html! { span class=(format!("method {}", name.to_ascii_lowercase())) { (name) } }
}

fn operation(api: &OpenApi, call: &Call<'_>, public_url: &str) -> Markup {
    let id = call.id();
    let operation = call.operation;
    html! {
        section.card.operation id=(id) aria-labelledby=(format!("{id}-title")) {
            h2 id=(format!("{id}-title")) { a href=(format!("#{id}")) { (call.summary()) } }
            p.call { (method(call.method)) " " code { (call.path) } }
            @if !operation.description.is_empty() { p { (prose(&operation.description)) } }
            p.hint {
                @match call.scopes() {
                    Some(scopes) if scopes.is_empty() => "Needs to know who asks.",
                    Some(scopes) => { "Needs a token with " @for (i, scope) in scopes.iter().enumerate() { @if i > 0 { ", " } code { (scope) } } "." }
                    None => "Needs no token.",
                }
            }
            @if !operation.parameters.is_empty() {
                h3 { "Parameters" }
                (parameters(&operation.parameters))
            }
            @if let Some(body) = &operation.request_body {
                h3 { "Body" }
                @if !body.description.is_empty() { p { (prose(&body.description)) } }
                @for (kind, media) in &body.content { (content(api, kind, media)) }
            }
            h3 { "Answers" }
            (answers(api, call))
            h3 { "To try" }
            (code_block(&format!("{}: a line to paste", call.summary()), &example::curl(api, call, public_url)))
        }
    }
}

fn parameters(all: &[Parameter]) -> Markup {
    html! {
        dl.fields {
            @for parameter in all {
                dt { code { (parameter.name) } @if parameter.required { " " span.must { "required" } } }
                dd {
                    p.what { (parameter.place) ", " (said(&words(&parameter.schema))) (asked(&parameter.schema)) }
                    @if !parameter.description.is_empty() { p { (prose(&parameter.description)) } }
                }
            }
        }
    }
}

fn content(api: &OpenApi, kind: &str, media: &Media) -> Markup {
    html! {
        p.what { code { (kind) } ": " (said(&words(&media.schema))) }
        (fields_unless_named(api, media))
        @if kind.ends_with("json") {
            details { summary { "Example" } (code_block("Example", &example::body(api, media, true))) }
        }
    }
}

/// A named type has its own place on the page, but what a request takes should stand where one reads it.
fn fields_unless_named(api: &OpenApi, media: &Media) -> Markup {
    let (_, schema) = schema::resolve(api, &media.schema);
    fields(api, schema)
}

fn answers(api: &OpenApi, call: &Call<'_>) -> Markup {
    html! {
        dl.fields.answers {
            @for (status, response) in &call.operation.responses {
                dt { span class=(format!("status s{}", &status.chars().next().unwrap_or('d'))) { (status) } }
                dd {
                    p { (prose(&response.description)) @if response.description.is_empty() { "As asked." } }
                    @for (kind, media) in response.content.iter().filter(|(kind, _)| *kind != PROBLEM) {
                        p.what { code { (kind) } @if !media.schema.is_null() { ": " (said(&words(&media.schema))) } }
                        @if kind == "application/json" && status.starts_with('2') {
                            details { summary { "Example" } (code_block("Example", &example::body(api, media, true))) }
                        }
                    }
                    @if !response.headers.is_empty() {
                        p.what {
                            "headers: "
                            @for (i, (name, header)) in response.headers.iter().enumerate() {
                                @if i > 0 { ", " }
                                code title=[(!header.description.is_empty()).then_some(&header.description)] { (name) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The fields of an object, or what else a value must be.
fn fields(api: &OpenApi, of: &serde_json::Value) -> Markup {
    let all = properties(api, of);
    html! {
        @if all.is_empty() {
            p.what { (said(&words(of))) (asked(of)) }
        } @else {
            dl.fields {
                @for property in &all {
                    dt { code { (property.name) } @if property.required { " " span.must { "required" } } }
                    dd {
                        p.what { (said(&words(property.schema))) (asked(property.schema)) }
                        @if let Some(text) = text_of(property.schema) { p { (prose(text)) } }
                    }
                }
            }
        }
    }
}

fn said(what: &Words<'_>) -> Markup {
    match what {
        Words::Plain(text) => html! { (text) },
        Words::Named(name) => html! { a href=(format!("#{}", type_id(name))) { (name) } },
        Words::ListOf(items) => html! { "list of " (said(items)) },
        Words::OneOf(choices) => html! {
            @for (i, choice) in choices.iter().enumerate() { @if i > 0 { " or " } (said(choice)) }
        },
    }
}

fn asked(schema: &serde_json::Value) -> Markup {
    html! { @for bound in bounds(schema) { ", " (prose(&bound)) } }
}

fn type_id(name: &str) -> String {
    format!("type-{}", slug(name))
}

fn text_of(schema: &serde_json::Value) -> Option<&str> {
    schema.get("description").and_then(serde_json::Value::as_str)
}

/// Text with `code` in backquotes, as descriptions are written.
fn prose(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
