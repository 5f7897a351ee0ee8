//! Examples made of schemas, and a line to paste for each operation.

use serde_json::{Map, Value, json};

use super::document::{Call, Media, OpenApi, RequestBody};
use super::schema::{bare, properties, resolve};

/// A schema may hold itself.
const DEPTH_MAX: u8 = 6;

/// A body of that media type, as text.
pub(super) fn body(api: &OpenApi, media: &Media, pretty: bool) -> String {
    let value = match &media.example {
        Some(example) => example.clone(),
        None => value(api, &media.schema, 0),
    };
    let text = if pretty {
        serde_json::to_string_pretty(&value)
    } else {
        serde_json::to_string(&value)
    };
    text.unwrap_or_default()
}

/// A value that the schema accepts, as far as the schema says.
fn value(api: &OpenApi, schema: &Value, depth: u8) -> Value {
    let (_, schema) = resolve(api, schema);
    let examples = schema.get("examples").and_then(|all| all.get(0));
    let given = schema
        .get("example")
        .or(examples)
        .or(schema.get("default"))
        .or(schema.get("const"));
    if let Some(given) = given.filter(|given| !given.is_null()) {
        return given.clone();
    }
    if depth >= DEPTH_MAX {
        return Value::Null;
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(choices) = schema.get(key).and_then(Value::as_array) {
            let some = choices
                .iter()
                .find(|choice| choice.get("type") != Some(&json!("null")));
            return some.map_or(Value::Null, |choice| value(api, choice, depth + 1));
        }
    }
    if let Some(choice) = schema.get("enum").and_then(|choices| choices.get(0)) {
        return choice.clone();
    }
    match kind(schema) {
        "object" => object(api, schema, depth),
        "array" => match schema.get("items") {
            Some(items) => Value::Array(vec![value(api, items, depth + 1)]),
            None => Value::Array(Vec::new()),
        },
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => Value::Bool(true),
        "string" => Value::String(text(schema)),
        _ => Value::Null,
    }
}

fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or(""),
        _ if schema.get("properties").is_some() || schema.get("allOf").is_some() => "object",
        _ => "",
    }
}

fn object(api: &OpenApi, schema: &Value, depth: u8) -> Value {
    let fields = properties(api, schema)
        .into_iter()
        .map(|property| (property.name.to_owned(), value(api, property.schema, depth + 1)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn text(schema: &Value) -> String {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2027-01-01T00:00:00Z",
        Some("date") => "2027-01-01",
        Some("uri") => "https://example.com/",
        _ => "text",
    }
    .to_owned()
}

/// The fields of a request that must be there and those with an example: enough to try it, and no wish that was not meant.
fn least(api: &OpenApi, media: &Media) -> Value {
    if let Some(example) = &media.example {
        return example.clone();
    }
    let (_, schema) = resolve(api, &media.schema);
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    let all = properties(api, schema);
    let needed = all.iter().any(|property| property.required);
    let fields = all
        .iter()
        .filter(|property| property.required || !needed)
        .take(if needed { usize::MAX } else { 1 })
        .map(|property| (property.name.to_owned(), value(api, property.schema, 1)));
    if all.is_empty() {
        return value(api, schema, 0);
    }
    Value::Object(fields.collect::<Map<_, _>>())
}

/// The operation as a line for a shell.
pub(super) fn curl(api: &OpenApi, call: &Call<'_>, public_url: &str) -> String {
    let begin = match call.method {
        "GET" => "curl -s".to_owned(),
        "HEAD" => "curl -sI".to_owned(),
        method => format!("curl -s -X {method}"),
    };
    let mut words = vec![begin, format!("\"{public_url}{}\"", target(call))];
    if call.scopes().is_some() {
        words.push("-H \"Authorization: Bearer $TOKEN\"".to_owned());
    }
    for parameter in &call.operation.parameters {
        if parameter.place == "header" && (parameter.required || parameter.name == "Idempotency-Key") {
            let given = parameter
                .example
                .as_ref()
                // A key is of one request: pasted below one another, the lines are several.
                .map_or_else(
                    || format!("first-{}", call.path.rsplit('/').next().unwrap_or_default()),
                    bare,
                );
            words.push(format!("-H {}", quoted(&format!("{}: {given}", parameter.name))));
        }
    }
    if let Some(body) = &call.operation.request_body {
        words.extend(data(api, body));
    }
    words.join(" ")
}

/// The path with what one has to fill in as variables of the shell, and the query parameters that must be there.
fn target(call: &Call<'_>) -> String {
    let variable = |name: &str| format!("${}", name.trim_start_matches('*').to_ascii_uppercase());
    let path = call.path.split('{').map(|part| match part.split_once('}') {
        Some((name, rest)) => variable(name) + rest,
        None => part.to_owned(),
    });
    let needed = call.operation.parameters.iter();
    let needed = needed.filter(|parameter| parameter.place == "query" && parameter.required);
    let query: Vec<String> = needed
        .map(|parameter| {
            let given = parameter.example.as_ref();
            let given = given.map_or_else(|| variable(&parameter.name), bare);
            format!("{}={given}", parameter.name)
        })
        .collect();
    let path: String = path.collect();
    if query.is_empty() {
        path
    } else {
        format!("{path}?{}", query.join("&"))
    }
}

fn data(api: &OpenApi, body: &RequestBody) -> Vec<String> {
    if let Some(media) = body.content.get("application/json") {
        let text = least(api, media).to_string();
        return vec![
            "-H 'Content-Type: application/json'".to_owned(),
            format!("-d {}", quoted(&text)),
        ];
    }
    if let Some(media) = body.content.get("application/x-www-form-urlencoded") {
        let fields = least(api, media);
        let fields = fields.as_object().into_iter().flatten();
        let word = |(name, value): (&String, &Value)| quoted(&format!("{name}={}", bare(value)));
        return fields
            .map(|field| format!("--data-urlencode {}", word(field)))
            .collect();
    }
    let kind = body.content.keys().next();
    let word = |kind: &String| {
        format!(
            "-H {} --data-binary @FILE",
            quoted(&format!("Content-Type: {kind}"))
        )
    };
    kind.map(word).into_iter().collect()
}

/// One word of a shell's, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> OpenApi {
        serde_json::from_value(json!({
            "info": {"title": "T"},
            "paths": {"/v1/links/{code}": {"patch": {
                "operationId": "update_link",
                "parameters": [{"name": "code", "in": "path", "required": true, "schema": {"type": "string"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}},
                "security": [{"token": ["links:write"]}]
            }}},
            "components": {"schemas": {"Node": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "example": "it's"},
                    "next": {"$ref": "#/components/schemas/Node"},
                    "at": {"type": ["string", "null"], "format": "date-time"}
                }
            }}}
        }))
        .expect("a document")
    }

    #[test]
    fn a_line_to_paste_asks_for_what_is_needed_and_is_one_for_any_shell() {
        let api = api();
        let line = curl(&api, &api.calls()[0], "http://127.0.0.1:8080");
        assert_eq!(
            line,
            "curl -s -X PATCH \"http://127.0.0.1:8080/v1/links/$CODE\" -H \"Authorization: Bearer $TOKEN\" \
             -H 'Content-Type: application/json' -d '{\"name\":\"it'\\''s\"}'"
        );
    }

    #[test]
    fn the_example_of_a_whole_body_goes_before_those_of_its_fields() {
        let mut api = api();
        api.components.schemas.get_mut("Node").expect("there")["example"] =
            json!({"name": "both", "next": null});
        let line = curl(&api, &api.calls()[0], "http://127.0.0.1:8080");
        assert!(line.ends_with(r#"-d '{"name":"both","next":null}'"#), "{line}");
    }

    #[test]
    fn a_schema_that_holds_itself_has_an_example_with_an_end() {
        let api = api();
        let media = Media {
            schema: json!({"$ref": "#/components/schemas/Node"}),
            example: None,
        };
        let text = body(&api, &media, false);
        assert!(text.starts_with("{\"at\":\"2027-01-01T00:00:00Z\""), "{text}");
        assert_eq!(text.matches("\"name\"").count(), usize::from(DEPTH_MAX));
    }
}
