//! Kubernetes' own schemas, and Chaos Mesh's, by kubeconform: strictly, so that a field that there is not is an error.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Unchecked;
use super::model::Overlay;
use crate::programs;
use crate::run::{command, prints, target};

/// Carries the schemas of several versions of Kubernetes.
const SCHEMAS: &str = "kubernetes-validate==1.37.0";
/// The version that the overlays are for.
const KUBERNETES: &str = "v1.34.0-local-strict";
const KUBECONFORM: &str = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0";
const CHAOS_MESH: &str = "github.com/chaos-mesh/chaos-mesh@v0.9.1-0.20260902003049-47411975a8cb";

/// Every object of every overlay, and every experiment; says by what they were judged.
pub(super) fn check(overlays: &[Overlay], experiments: &[PathBuf]) -> Result<String, Unchecked> {
    let kubeconform = programs::go_program("kubeconform", KUBECONFORM).map_err(Unchecked::Missing)?;
    let schemas = kubernetes().map_err(Unchecked::Missing)?;
    if !experiments.is_empty() {
        chaos_mesh(&schemas).map_err(Unchecked::Missing)?;
    }
    let built = target().join("xtask/k8s");
    let failed = |e: std::io::Error| Unchecked::Wrong(format!("{}: {e}", built.display()));
    fs::create_dir_all(&built).map_err(failed)?;
    let mut judge = command(kubeconform);
    judge.args(["-strict", "-summary", "-schema-location"]);
    judge.arg(schemas.join("{{.ResourceKind}}{{.KindSuffix}}.json"));
    for overlay in overlays {
        let file = built.join(format!("{}.yaml", overlay.name));
        fs::write(&file, &overlay.text).map_err(failed)?;
        judge.arg(file);
    }
    let output = judge
        .args(experiments)
        .output()
        .map_err(|e| Unchecked::Missing(format!("kubeconform did not start: {e}")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let also = String::from_utf8_lossy(&output.stderr);
        return Err(Unchecked::Wrong(format!("kubeconform: {said}{also}")));
    }
    Ok(said.trim().replace('\n', " "))
}

/// The folder of the schemas, as kubeconform reads them; made once.
fn kubernetes() -> Result<PathBuf, String> {
    let folder = target().join("tools/k8s-schemas").join(KUBERNETES);
    if folder.join("deployment-apps-v1.json").is_file() {
        return Ok(folder);
    }
    programs::ensure_wheel(SCHEMAS, false)?;
    let python = target().join("tools/kubernetes-validate/bin/python");
    let asked = "import os, kubernetes_validate; print(os.path.dirname(kubernetes_validate.__file__))";
    let package = prints(command(python).args(["-c", asked]))?;
    let from = Path::new(package.trim())
        .join("kubernetes-json-schema")
        .join(KUBERNETES);
    let making = folder.with_extension("making");
    let _ = fs::remove_dir_all(&making);
    fs::create_dir_all(&making).map_err(|e| format!("{}: {e}", making.display()))?;
    for entry in fs::read_dir(&from)
        .map_err(|e| format!("{}: {e}", from.display()))?
        .flatten()
    {
        let text = fs::read_to_string(entry.path()).map_err(|e| e.to_string())?;
        let mut schema: Value =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", entry.path().display()))?;
        make_relative(&mut schema);
        fs::write(making.join(entry.file_name()), schema.to_string()).map_err(|e| e.to_string())?;
    }
    // Aside and moved: one that was cut short does not look finished.
    fs::rename(&making, &folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

/// They refer to each other by addresses of a server that there is not.
fn make_relative(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("$id");
            if let Some(Value::String(reference)) = fields.get_mut("$ref") {
                *reference = reference.trim_start_matches("/api/").to_owned();
            }
            fields.values_mut().for_each(make_relative);
        }
        Value::Array(items) => items.iter_mut().for_each(make_relative),
        _ => {}
    }
}

/// The schemas of Chaos Mesh's kinds, out of its definitions, beside Kubernetes' own.
fn chaos_mesh(schemas: &Path) -> Result<(), String> {
    let done = schemas.join("podchaos-chaos-mesh-v1alpha1.json");
    if done.is_file() {
        return Ok(());
    }
    let crds = programs::go_module(CHAOS_MESH)?.join("helm/chaos-mesh/crds");
    for entry in fs::read_dir(&crds)
        .map_err(|e| format!("{}: {e}", crds.display()))?
        .flatten()
    {
        let text = fs::read_to_string(entry.path()).map_err(|e| e.to_string())?;
        let definitions: Vec<Value> =
            serde_saphyr::from_multiple(&text).map_err(|e| format!("{}: {e}", entry.path().display()))?;
        for (name, schema) in definitions.iter().flat_map(schemas_of) {
            fs::write(schemas.join(name), schema.to_string()).map_err(|e| e.to_string())?;
        }
    }
    done.is_file()
        .then_some(())
        .ok_or_else(|| format!("{}: no PodChaos is defined there", crds.display()))
}

/// Each version of a definition: the name of its file and the schema.
fn schemas_of(definition: &Value) -> Vec<(String, Value)> {
    let spec = &definition["spec"];
    let kind = spec["names"]["kind"].as_str().unwrap_or_default().to_lowercase();
    let group = spec["group"].as_str().unwrap_or_default();
    let group = group.split('.').next().unwrap_or_default();
    let versions = spec["versions"].as_array().into_iter().flatten();
    versions
        .map(|version| {
            let mut name = kind.clone();
            let _ = write!(
                name,
                "-{group}-{}.json",
                version["name"].as_str().unwrap_or_default()
            );
            let mut schema = version["schema"]["openAPIV3Schema"].clone();
            make_strict(&mut schema);
            // What every object has is Kubernetes' own.
            schema["properties"]["metadata"] = Value::Object(Map::new());
            (name, schema)
        })
        .collect()
}

/// The API server drops what a definition does not name; here that is an error.
fn make_strict(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    let is_open = fields.contains_key("additionalProperties")
        || fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if fields.contains_key("properties") && !is_open {
        fields.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    // "format: int64" and the like are Kubernetes' words, and no schema's.
    fields.remove("format");
    for (name, inner) in fields {
        match (name.as_str(), inner) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(make_strict),
            ("items" | "additionalProperties", inner) => make_strict(inner),
            ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => all.iter_mut().for_each(make_strict),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{make_relative, schemas_of};

    #[test]
    fn references_are_made_relative_and_ids_dropped() {
        let mut schema = json!({"$id": "x", "items": [{"$ref": "/api/_definitions.json#/$defs/A"}, {"$ref": "#/$defs/B"}]});
        make_relative(&mut schema);
        assert_eq!(
            schema,
            json!({"items": [{"$ref": "_definitions.json#/$defs/A"}, {"$ref": "#/$defs/B"}]})
        );
    }

    #[test]
    fn a_definition_becomes_a_schema_that_knows_no_other_field() {
        let spec = json!({"type": "object", "properties": {"mode": {"type": "string"}}});
        let definition = json!({"spec": {
            "group": "chaos-mesh.org",
            "names": {"kind": "PodChaos"},
            "versions": [{"name": "v1alpha1", "schema": {"openAPIV3Schema": {"properties": {"spec": spec}}}}],
        }});
        let made = schemas_of(&definition);
        assert_eq!(made[0].0, "podchaos-chaos-mesh-v1alpha1.json");
        assert_eq!(made[0].1["properties"]["spec"]["additionalProperties"], false);
        assert_eq!(made[0].1["additionalProperties"], false);
        assert_eq!(made[0].1["properties"]["metadata"], json!({}));
    }
}
