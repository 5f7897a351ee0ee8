//! What `kubectl kustomize` prints, as the rules look at it.

use serde_json::Value;

/// One overlay, built.
#[derive(Clone, Debug)]
pub(crate) struct Overlay {
    pub(crate) name: String,
    /// As it was printed.
    pub(crate) text: String,
    pub(crate) objects: Vec<Object>,
}

/// One object of Kubernetes.
#[derive(Clone, Debug)]
pub(crate) struct Object(pub(crate) Value);

impl Overlay {
    pub(crate) fn parse(name: String, text: String) -> Result<Self, String> {
        let objects: Vec<Value> =
            serde_saphyr::from_multiple(&text).map_err(|e| format!("k8s/overlays/{name}: {e}"))?;
        let objects = objects.into_iter().map(Object).collect();
        Ok(Self { name, text, objects })
    }

    /// Every object of a kind.
    pub(crate) fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |object| object.kind() == kind)
    }

    /// Everything that makes pods.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|object| object.pod().is_object())
    }

    /// Every value of every ConfigMap.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let maps = self.of("ConfigMap").filter_map(|map| map.0["data"].as_object());
        maps.flatten()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    }
}

impl Object {
    pub(crate) fn kind(&self) -> &str {
        self.0["kind"].as_str().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// `Kind/name`, for messages.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.kind(), self.name())
    }

    pub(crate) fn spec(&self) -> &Value {
        &self.0["spec"]
    }

    /// What its pods are made by; null where it makes none.
    pub(crate) fn pod(&self) -> &Value {
        &self.0["spec"]["template"]["spec"]
    }

    /// The labels of its pods.
    pub(crate) fn pod_labels(&self) -> &Value {
        &self.0["spec"]["template"]["metadata"]["labels"]
    }

    /// Its containers, those that run first included.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &Value> {
        let lists = ["initContainers", "containers"].map(|list| self.pod()[list].as_array());
        lists.into_iter().flatten().flatten()
    }

    /// The role that its container serves.
    pub(crate) fn role(&self) -> Option<&str> {
        let args = self
            .containers()
            .find_map(|container| container["args"].as_array())?;
        (args.first()?.as_str()? == "serve").then(|| args.get(1)?.as_str())?
    }

    /// Whether it says why there is only ever one of it (`orrery.dev/alone: reason`).
    pub(crate) fn is_alone(&self) -> bool {
        let reason = self.0["metadata"]["annotations"]["orrery.dev/alone"].as_str();
        reason.is_some_and(|reason| !reason.is_empty())
    }

    /// The number of a port that a container of its has given a name.
    pub(crate) fn port(&self, name: &str) -> Option<u64> {
        self.containers()
            .filter_map(|container| container["ports"].as_array())
            .flatten()
            .find(|port| port["name"] == name)?["containerPort"]
            .as_u64()
    }
}

/// A scalar as it would stand in an environment variable.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether every label that a selector asks for is there; one that asks for nothing takes all.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let asked = selector["matchLabels"]
        .as_object()
        .or_else(|| selector.as_object());
    asked.is_none_or(|asked| asked.iter().all(|(name, value)| &labels[name] == value))
}
