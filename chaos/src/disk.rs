//! A small disk of a drill's own, to be filled: a tmpfs over a data folder. Mounting one takes root.
//!
//! What is written there outlives a killed process as it would on a disk; a machine that loses power is no matter of these drills.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::DrillError;

/// What fills it.
const FILLER: &str = "filler";
/// Written at once.
const PIECE_BYTES: usize = 256 * 1024;

/// A mounted folder. Dropping it takes it away again.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many MiB over a folder, which is made.
    pub(crate) fn over(folder: &Path, mib: u32) -> Result<Self, DrillError> {
        std::fs::create_dir_all(folder).map_err(DrillError::file(folder))?;
        let size = format!("size={mib}m,mode=0755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "orrery-drill"])
            .arg(folder)
            .output()
            .map_err(DrillError::system("mount cannot be started"))?;
        if !mounted.status.success() {
            return Err(DrillError::NotInstalled {
                what: "a small disk".to_owned(),
                hint: format!(
                    "mounting a tmpfs takes root: {}",
                    String::from_utf8_lossy(&mounted.stderr).trim()
                ),
            });
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Writes until nothing more fits.
    pub(crate) fn fill(&self) -> Result<(), DrillError> {
        use std::io::Write as _;
        let path = self.folder.join(FILLER);
        let mut file = std::fs::File::create(&path).map_err(DrillError::file(&path))?;
        let piece = vec![0; PIECE_BYTES];
        let mut bytes = PIECE_BYTES;
        // The last page too: what fits less than a piece fits a smaller one.
        while bytes > 0 {
            match file.write_all(&piece[..bytes]) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => bytes /= 2,
                Err(error) => return Err(DrillError::file(&path)(error)),
            }
        }
        Ok(())
    }

    /// Makes room again.
    pub(crate) fn free(&self) -> Result<(), DrillError> {
        let path = self.folder.join(FILLER);
        std::fs::remove_file(&path).map_err(DrillError::file(&path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // At once, and for good when the last who uses it is gone.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).output();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_takes_nothing_and_a_freed_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let disk = match SmallDisk::over(&folder.path().join("disk"), 1) {
            Ok(disk) => disk,
            // Without root there is none to be had, and a drill that needs one says so.
            Err(error) => return assert_eq!(error.code(), "not_installed"),
        };
        let file = folder.path().join("disk/kept");
        std::fs::write(&file, "before").unwrap();
        disk.fill().unwrap();
        let refused = std::fs::write(folder.path().join("disk/more"), "more").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::StorageFull);
        disk.free().unwrap();
        std::fs::write(folder.path().join("disk/more"), "more").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
        drop(disk);
        assert!(!file.exists(), "it is not mounted any more");
    }
}
