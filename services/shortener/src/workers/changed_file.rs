//! A file that is read again when it has changed.

use std::fs::File;
use std::io::Error;
use std::path::PathBuf;
use std::time::SystemTime;

/// What a file was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    changed: Option<SystemTime>,
    bytes: u64,
}

/// A file, and what it was when it was last looked at.
#[derive(Debug)]
pub(super) struct ChangedFile {
    path: PathBuf,
    /// None while there is no file.
    seen: Option<Seen>,
}

impl ChangedFile {
    /// Reads the file for the first time.
    pub(super) async fn open<T, E>(
        path: PathBuf,
        parse: impl FnOnce(File) -> Result<T, E> + Send + 'static,
    ) -> Result<(T, Self), E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (parsed, seen) = read(path.clone(), parse).await?;
        let seen = Some(seen);
        Ok((parsed, Self { path, seen }))
    }

    /// What is in the file, if it has changed. What cannot be used is said once, not at each look, and so is that the file is gone: until it
    /// is back nobody hears of its changes. One that is replaced otherwise than by renaming may be missed for a moment, which is said too.
    pub(super) async fn look<T, E>(
        &mut self,
        parse: impl FnOnce(File) -> Result<T, E> + Send + 'static,
    ) -> Result<Option<T>, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let path = self.path.clone();
        let now = match blocking(move || seen(&File::open(path)?)).await {
            Ok(now) => Some(now),
            Err(gone) if self.seen.take().is_some() => return Err(gone.into()),
            Err(_) => return Ok(None),
        };
        if now == self.seen {
            return Ok(None);
        }
        self.seen = now;
        let (parsed, seen) = read(self.path.clone(), parse).await?;
        self.seen = Some(seen);
        Ok(Some(parsed))
    }
}

/// What it was is asked before it is read: a change meanwhile is seen at the next look.
async fn read<T, E>(
    path: PathBuf,
    parse: impl FnOnce(File) -> Result<T, E> + Send + 'static,
) -> Result<(T, Seen), E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    blocking(move || {
        let file = File::open(path)?;
        let seen = seen(&file)?;
        Ok((parse(file)?, seen))
    })
    .await
}

fn seen(file: &File) -> Result<Seen, Error> {
    let metadata = file.metadata()?;
    Ok(Seen {
        changed: metadata.modified().ok(),
        bytes: metadata.len(),
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("reading a file does not panic")
}
