//! The profiles that stand in `loadtests/profiles`, in the binary, so that it needs no checkout.

use super::{Profile, ProfileError};

const FILES: [(&str, &str); 4] = [
    (
        "payment",
        include_str!("../../../../loadtests/profiles/payment.yaml"),
    ),
    (
        "shortener",
        include_str!("../../../../loadtests/profiles/shortener.yaml"),
    ),
    (
        "shortener-redirects",
        include_str!("../../../../loadtests/profiles/shortener-redirects.yaml"),
    ),
    ("smoke", include_str!("../../../../loadtests/profiles/smoke.yaml")),
];

/// The names of all of them.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

impl Profile {
    /// The profile that ships under this name.
    pub fn shipped(name: &str) -> Result<Self, ProfileError> {
        let file = FILES.iter().find(|(known, _)| *known == name);
        let (_, text) = file.ok_or_else(|| ProfileError::NoSuch {
            name: name.to_owned(),
            known: names().collect::<Vec<_>>().join(", "),
        })?;
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_ships_under_its_name_and_is_a_profile() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../loadtests/profiles");
        let paths = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let files: BTreeSet<String> = paths
            .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(files, names().map(str::to_owned).collect(), "add a line to FILES");
        for name in names() {
            let profile = Profile::shipped(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(profile.name, name);
        }
        let error = Profile::shipped("shortner").unwrap_err().to_string();
        assert!(error.contains("`shortner`") && error.contains("smoke"), "{error}");
    }
}
