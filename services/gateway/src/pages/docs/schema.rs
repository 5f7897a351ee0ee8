//! JSON Schema in words: what a value is, and what a field of an object must be.

use serde_json::Value;

use super::document::OpenApi;

/// The schema a reference leads to, and its name; of what is none, the schema itself.
pub(super) fn resolve<'a>(api: &'a OpenApi, schema: &'a Value) -> (Option<&'a str>, &'a Value) {
    let Some(name) = reference(schema) else {
        return (None, schema);
    };
    (
        Some(name),
        api.components.schemas.get(name).unwrap_or(&Value::Null),
    )
}

fn reference(schema: &Value) -> Option<&str> {
    schema
        .get("$ref")?
        .as_str()?
        .strip_prefix("#/components/schemas/")
}

/// A type in words. Of a reference only the name is known here: the page links it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Words<'a> {
    Plain(String),
    Named(&'a str),
    ListOf(Box<Words<'a>>),
    OneOf(Vec<Words<'a>>),
}

pub(super) fn words(schema: &Value) -> Words<'_> {
    if let Some(name) = reference(schema) {
        return Words::Named(name);
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(choices) = schema.get(key).and_then(Value::as_array) {
            let mut choices: Vec<Words<'_>> = choices.iter().map(words).collect();
            return match choices.len() {
                1 => choices.remove(0),
                _ => Words::OneOf(choices),
            };
        }
    }
    let kinds = kinds(schema);
    if kinds.contains(&"array") {
        let items = schema.get("items").map_or(Words::Plain("anything".into()), words);
        return Words::ListOf(Box::new(items));
    }
    let format = schema.get("format").and_then(Value::as_str);
    match (kinds.as_slice(), format) {
        ([], _) => Words::Plain("anything".into()),
        (kinds, Some("date-time")) => Words::Plain(kinds.join(" or ").replace("string", "date and time")),
        (kinds, Some(format)) if kinds.contains(&"string") => {
            Words::Plain(format!("{} ({format})", kinds.join(" or ")))
        }
        (kinds, _) => Words::Plain(kinds.join(" or ")),
    }
}

fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ if schema.get("properties").is_some() => vec!["object"],
        _ => Vec::new(),
    }
}

/// What else is asked of a value: bounds, pattern, default.
pub(super) fn bounds(schema: &Value) -> Vec<String> {
    let range = |least: &str, most: &str, what: &str| {
        let (least, most) = (schema.get(least), schema.get(most));
        match (least, most) {
            (Some(least), Some(most)) => Some(format!("{least} to {most}{what}")),
            (Some(least), None) if *least == 1 && !what.is_empty() => Some("not empty".to_owned()),
            (Some(least), None) => Some(format!("at least {least}{what}")),
            (None, Some(most)) => Some(format!("at most {most}{what}")),
            (None, None) => None,
        }
    };
    let mut said: Vec<String> = [
        range("minimum", "maximum", ""),
        range("minLength", "maxLength", " characters"),
        range("minItems", "maxItems", " items"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let choices: Vec<String> = choices
            .iter()
            .map(|choice| format!("`{}`", bare(choice)))
            .collect();
        said.push(choices.join(", "));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        said.push(format!("`{pattern}`"));
    }
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        said.push(format!("default `{}`", bare(default)));
    }
    said
}

/// A value without the quotes of a string.
pub(super) fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A field of an object.
pub(super) struct Property<'a> {
    pub(super) name: &'a str,
    pub(super) schema: &'a Value,
    pub(super) required: bool,
}

/// The fields of an object, those that must be there first; those of all parts where it is put together of some.
pub(super) fn properties<'a>(api: &'a OpenApi, schema: &'a Value) -> Vec<Property<'a>> {
    let mut all = Vec::new();
    gather(api, schema, 0, &mut all);
    all.sort_by_key(|property| !property.required);
    all
}

fn gather<'a>(api: &'a OpenApi, schema: &'a Value, depth: u8, all: &mut Vec<Property<'a>>) {
    const DEPTH_MAX: u8 = 8;
    let (_, schema) = resolve(api, schema);
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array)
        && depth < DEPTH_MAX
    {
        for part in parts {
            gather(api, part, depth + 1, all);
        }
    }
    let required = |name: &str| {
        let names = schema.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|one| one == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        all.push(Property {
            name,
            schema,
            required: required(name),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_said_in_words() {
        let plain = |text: &str| Words::Plain(text.into());
        let named = json!({"$ref": "#/components/schemas/Link"});
        let list = json!({"type": "array", "items": {"$ref": "#/components/schemas/Tag"}});
        let maybe = json!({"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Tag"}]});
        let moment = json!({"type": ["string", "null"], "format": "date-time"});
        assert_eq!(words(&named), Words::Named("Link"));
        assert_eq!(words(&list), Words::ListOf(Box::new(Words::Named("Tag"))));
        assert_eq!(
            words(&maybe),
            Words::OneOf(vec![plain("null"), Words::Named("Tag")])
        );
        assert_eq!(words(&moment), plain("date and time or null"));
        assert_eq!(
            words(&json!({"type": "integer", "format": "int64"})),
            plain("integer")
        );
        assert_eq!(words(&json!({})), plain("anything"));
    }

    #[test]
    fn bounds_are_said_in_words() {
        let text =
            json!({"type": "string", "minLength": 3, "maxLength": 64, "pattern": "^a$", "default": "x"});
        assert_eq!(bounds(&text), ["3 to 64 characters", "`^a$`", "default `x`"]);
        assert_eq!(bounds(&json!({"minimum": 0})), ["at least 0"]);
        assert_eq!(bounds(&json!({"enum": ["svg", "png"]})), ["`svg`, `png`"]);
    }
}
