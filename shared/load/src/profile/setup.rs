//! What is done before the first arrival.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::captured::Asker;
use super::recording::{What, Wire};
use super::step::{Each, Step};
use super::{Profile, ProfileError};

/// Steps of the setup at once.
const SETUP_AT_ONCE: usize = 16;
/// A step of the setup is tried so often where trying again may help.
const SETUP_TRIES: u32 = 10;
const SETUP_RETRY: Duration = Duration::from_millis(300);

/// Does one step of the setup for everybody it is for.
pub(super) async fn set_up(
    profile: &Arc<Profile>,
    number: usize,
    wire: &Arc<Wire>,
) -> Result<(), ProfileError> {
    let each = profile.setup[number].each.unwrap_or(Each::Run);
    let times = match each {
        Each::Run => 1,
        Each::Session => profile.sessions as usize,
        Each::Key => profile.keys.count,
    };
    let mut at_once: JoinSet<Result<(), ProfileError>> = JoinSet::new();
    for index in 0..times {
        if at_once.len() >= SETUP_AT_ONCE
            && let Some(ended) = at_once.join_next().await
        {
            flattened(ended)?;
        }
        let place = u32::try_from(index).unwrap_or(u32::MAX);
        let asker = Asker {
            // Beyond those of the load, for each session of a history does one thing at a time.
            session: if each == Each::Session {
                place
            } else {
                profile.sessions.saturating_add(place)
            },
            key: if each == Each::Key { index } else { 0 },
            index: index as u64,
        };
        let (profile, wire) = (profile.clone(), wire.clone());
        at_once.spawn(async move { insist(&profile.setup[number], asker, &wire).await });
    }
    while let Some(ended) = at_once.join_next().await {
        flattened(ended)?;
    }
    Ok(())
}

fn flattened(ended: Result<Result<(), ProfileError>, tokio::task::JoinError>) -> Result<(), ProfileError> {
    ended.unwrap_or_else(|error| {
        Err(ProfileError::Setup {
            step: "?".to_owned(),
            reason: error.to_string(),
        })
    })
}

async fn insist(step: &Step, asker: Asker, wire: &Wire) -> Result<(), ProfileError> {
    let mut tries = 0;
    loop {
        let done = wire.perform(step, asker).await;
        if done.ok {
            return Ok(());
        }
        tries += 1;
        let may_help = matches!(done.what, What::None(_) | What::Status(429 | 502..=504));
        if !may_help || tries >= SETUP_TRIES {
            return Err(ProfileError::Setup {
                step: step.name.clone(),
                reason: format!("{}: {}", done.what, done.body.trim()),
            });
        }
        tokio::time::sleep(SETUP_RETRY).await;
    }
}
