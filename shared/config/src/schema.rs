//! Reads the leaves out of a JSON schema that has no references in it.

use serde_json::{Map, Value};

use crate::kind::Kind;

/// One leaf as the schema has it.
pub(crate) struct Leaf {
    pub path: String,
    pub doc: String,
    pub kind: Kind,
    pub optional: bool,
    pub secret: bool,
}

/// Collects the leaves under `schema`.
pub(crate) fn leaves(schema: &Value, path: &str, found: &mut Vec<Leaf>) {
    let (inner, optional) = without_null(schema);
    if let Some(Value::Object(properties)) = inner.get("properties") {
        for (name, property) in properties {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            leaves(property, &path, found);
        }
        return;
    }
    let doc = [schema, inner]
        .into_iter()
        .find_map(|s| s.get("description")?.as_str())
        .unwrap_or_default();
    found.push(Leaf {
        path: path.to_owned(),
        doc: first_paragraph(doc),
        kind: kind(inner),
        optional,
        secret: is_password(inner),
    });
}

/// An optional field is written either as `type: [x, null]` or as `anyOf: [x, null]`.
fn without_null(schema: &Value) -> (&Value, bool) {
    if let Some(Value::Array(options)) = schema.get("anyOf") {
        let mut real = options
            .iter()
            .filter(|option| option.get("type") != Some(&Value::from("null")));
        if let (Some(one), None) = (real.next(), real.next()) {
            return (one, options.len() > 1);
        }
    }
    let nullable = |key| {
        schema
            .get(key)
            .and_then(Value::as_array)
            .is_some_and(|v| v.contains(&one_null(key)))
    };
    (schema, nullable("type") || nullable("enum"))
}

fn one_null(key: &str) -> Value {
    if key == "type" {
        Value::from("null")
    } else {
        Value::Null
    }
}

fn is_password(schema: &Value) -> bool {
    schema.get("format").and_then(Value::as_str) == Some("password")
}

fn kind(schema: &Value) -> Kind {
    if let Some(words) = choice(schema) {
        return Kind::Choice(words);
    }
    let type_name = match schema.get("type") {
        Some(Value::String(name)) => name.as_str(),
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
            .unwrap_or_default(),
        _ => "",
    };
    match type_name {
        "boolean" => Kind::Boolean,
        "integer" => integer(schema),
        "number" => Kind::Number,
        "string" => Kind::Text,
        "array" => match schema.get("items").map(kind) {
            Some(Kind::Unsupported | Kind::Table) | None => Kind::Unsupported,
            Some(item) => Kind::List(Box::new(item)),
        },
        "object"
            if schema
                .get("additionalProperties")
                .is_some_and(|v| *v != Value::Bool(false)) =>
        {
            Kind::Table
        }
        _ => Kind::Unsupported,
    }
}

/// Words of an enum: `enum: [..]`, or `oneOf` of constants when the words have docs.
fn choice(schema: &Value) -> Option<Vec<String>> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values.iter().filter(|v| !v.is_null()).map(word).collect();
    }
    let Some(Value::Array(options)) = schema.get("oneOf") else {
        return None;
    };
    let nested = options.iter().map(|option| match option.get("const") {
        Some(value) => word(value).map(|word| vec![word]),
        None => choice(option),
    });
    nested.collect::<Option<Vec<_>>>().map(|words| words.concat())
}

fn integer(schema: &Value) -> Kind {
    let (mut min, mut max) = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => (0, i128::from(u8::MAX)),
        Some("uint16") => (0, i128::from(u16::MAX)),
        Some("uint32") => (0, i128::from(u32::MAX)),
        Some("uint64" | "uint") => (0, i128::from(u64::MAX)),
        Some("int8") => (i128::from(i8::MIN), i128::from(i8::MAX)),
        Some("int16") => (i128::from(i16::MIN), i128::from(i16::MAX)),
        Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    let bound = |key| {
        schema
            .get(key)
            .and_then(Value::as_number)
            .and_then(serde_json::Number::as_i128)
    };
    min = bound("minimum").unwrap_or(min).max(min);
    max = bound("maximum").unwrap_or(max).min(max);
    Kind::Integer { min, max }
}

fn first_paragraph(doc: &str) -> String {
    let lines = doc.lines().map(str::trim).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// The value at a dotted path.
pub(crate) fn at<'v>(root: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(root, |value, part| value.get(part))
}

/// Puts `value` at a dotted path, making the tables on the way.
pub(crate) fn put(root: &mut Value, path: &str, value: Value) {
    let mut here = root;
    for part in path.split('.') {
        if !here.is_object() {
            *here = Value::Object(Map::new());
        }
        let Value::Object(table) = here else { return };
        here = table.entry(part).or_insert(Value::Null);
    }
    *here = value;
}
