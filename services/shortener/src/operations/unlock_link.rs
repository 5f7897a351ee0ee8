//! Giving a link's password.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Destination, Links};
use crate::error::LinkError;
use crate::link::Code;

impl Links {
    /// Where a code leads, for who knows its password; a link without one leads there anyway.
    ///
    /// A wrong password and a code of no link are one refusal, after the same work: a try is taken, the store is read, a password is
    /// checked. The link comes straight from the store, so that an old password ends with the change of it.
    pub async fn unlock_link(
        &self,
        code: &Code,
        password: &str,
        client: Option<IpAddr>,
    ) -> Result<Arc<Destination>, LinkError> {
        let taken = self.attempts.take(code, password, client).await;
        taken.map_err(LinkError::TooManyTries)?;
        // None that long was ever set.
        if password.len() > self.limits.password_bytes_max {
            return Err(LinkError::PasswordWrong);
        }
        let link = self.store.resolve(code).await?;
        let hash = match &link {
            Some(link) => match &link.details.password {
                Some(hash) => Some(hash),
                // Judged by the row that was read: what is remembered may have had a password a moment ago.
                None => return Ok(Arc::new(Destination::of(link.clone())?)),
            },
            None => None,
        };
        let matches = self.passwords.matches(password, hash).await?;
        match link {
            Some(link) if matches => {
                self.attempts.note_right(code, password, client);
                Ok(Arc::new(Destination::of(link)?))
            }
            _ => Err(LinkError::PasswordWrong),
        }
    }
}
