//! The folder that holds the embedded engines' files, and the locks that keep a second instance out.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::roles::RoleName;

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataFolderError {
    #[error("the data folder {} cannot be used: {source}; choose another with --data DIR", path.display())]
    Unusable { path: PathBuf, source: std::io::Error },
    #[error(
        "another instance runs the {role} on the data folder {} already; stop it, or choose another folder with --data DIR",
        path.display()
    )]
    InUse { path: PathBuf, role: RoleName },
}

/// Held for as long as the roles run: the kernel gives the locks back, also after `kill -9`.
#[derive(Debug)]
pub(crate) struct DataFolder {
    _locks: Vec<File>,
}

impl DataFolder {
    /// Makes the folder where it is missing and locks each given role's part of it.
    pub(crate) fn lock(path: &Path, roles: &[RoleName]) -> Result<Self, DataFolderError> {
        create(path)?;
        let mut locks = Vec::new();
        for role in roles.iter().filter(|r| r.owns_data()) {
            locks.push(lock_role(path, *role)?);
        }
        Ok(Self { _locks: locks })
    }
}

/// Makes the folder, for its owner alone: it holds signing keys.
pub(crate) fn create(path: &Path) -> Result<(), DataFolderError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| DataFolderError::Unusable {
            path: path.to_owned(),
            source,
        })
}

fn lock_role(path: &Path, role: RoleName) -> Result<File, DataFolderError> {
    let unusable = |source| DataFolderError::Unusable {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join(format!("{role}.lock")))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DataFolderError::InUse {
            path: path.to_owned(),
            role,
        }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::{DataFolder, DataFolderError};
    use crate::roles::{ROLES, RoleName};

    #[test]
    fn a_second_instance_on_the_same_folder_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::lock(folder.path(), &ROLES).unwrap();
        let second = DataFolder::lock(folder.path(), &ROLES).unwrap_err();
        assert!(matches!(second, DataFolderError::InUse { .. }), "{second}");
        drop(first);
        DataFolder::lock(folder.path(), &ROLES).unwrap();
    }

    #[test]
    fn two_roles_share_a_folder_in_two_processes() {
        let folder = tempfile::tempdir().unwrap();
        let _issuer = DataFolder::lock(folder.path(), &[RoleName::Issuer]).unwrap();
        DataFolder::lock(folder.path(), &[RoleName::Shortener]).unwrap();
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_named_with_the_flag() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let message = DataFolder::lock(&file, &ROLES).unwrap_err().to_string();
        assert!(message.contains("--data"), "{message}");
    }
}
