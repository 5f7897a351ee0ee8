//! A secret that lives in a file of its own, made at first need and shared by whoever is given the same path.

use std::io::{Error, ErrorKind, Write as _};
use std::path::Path;

/// The text of the file, without the line's end; `None` when there is no file.
pub fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes `secret` so that a crash leaves the whole file or none, readable by its owner alone, and answers with what the file
/// holds then: of several that do so at once one is first, and the others get its secret.
pub fn make(path: &Path, secret: &str) -> Result<String, Error> {
    match write(path, secret) {
        Ok(()) => Ok(secret.to_owned()),
        Err(error) => read(path)?.ok_or(error),
    }
}

fn write(path: &Path, secret: &str) -> Result<(), Error> {
    // A name of this call's own: two that write at once never share a file.
    let unfinished = path.with_extension(format!("{:016x}.new", rand::random::<u64>()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    let written = file
        .write_all(format!("{secret}\n").as_bytes())
        .and_then(|()| file.sync_all())
        // A link, unlike a rename, never replaces a secret that another process has made meanwhile.
        .and_then(|()| std::fs::hard_link(&unfinished, path));
    std::fs::remove_file(&unfinished)?;
    written?;
    // The name is durable only once its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_that_make_the_file_at_once_all_hold_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let held: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|number| (number, &path))
                .map(|(number, path)| scope.spawn(move || make(path, &number.to_string()).unwrap()))
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert_eq!(held.len(), 1);
        assert_eq!(read(&path).unwrap(), held.first().cloned());
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "nothing unfinished is left");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        assert_eq!(read(&path).unwrap(), None);
        make(&path, "secret").unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
