//! The parts that most links do not have: what was asked for, checked and put into a link.

use std::fmt;

use idempotency::{IdempotencyError, Outcome};
use problem::FieldError;

use super::Links;
use super::create_link::field_error;
use super::targets::UrlRules;
use crate::error::LinkError;
use crate::link::{Details, Link, PasswordHash, Routing, Rule, TargetUrl, Weighted};
use crate::passwords::parse_hash;
use crate::visit::{Country, Device};

/// A cap beyond this is none.
const CLICKS_MAX: u64 = 1_000_000_000_000;
/// The largest weight of a destination.
const WEIGHT_MAX: u32 = 1_000_000;

/// What should become of a link's parts; `None` leaves one as it is, `Some(None)` takes it away.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::option_option,
    reason = "left out, taken away and set are three things"
)]
pub struct DetailsChange {
    /// What people call it.
    pub title: Option<Option<String>>,
    /// What people wrote about it.
    pub notes: Option<Option<String>>,
    /// Whether it is put away.
    pub archived: Option<bool>,
    /// From when on it is followed (Unix ms).
    pub active_from_ms: Option<Option<u64>>,
    /// Where it leads out of its time, and past its cap.
    pub fallback_url: Option<Option<String>>,
    /// Most clicks that are followed.
    pub max_clicks: Option<Option<u64>>,
    /// What is asked for before it is followed.
    pub password: Option<Option<NewPassword>>,
    /// Who is led elsewhere, all of them.
    pub destinations: Option<Vec<NewDestination>>,
    /// How long an edge may answer in our place, in seconds.
    pub edge_cache_s: Option<Option<u32>>,
}

/// A password as it comes.
#[derive(Clone, PartialEq, Eq)]
pub enum NewPassword {
    /// In clear.
    Clear(String),
    /// Hashed elsewhere, in PHC form.
    Hashed(String),
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("NewPassword(..)")
    }
}

/// A destination as it was asked for: for visitors from some countries or with some devices, or by weight.
#[derive(Clone, Debug, Default)]
pub struct NewDestination {
    /// ISO 3166-1 alpha-2.
    pub countries: Vec<String>,
    /// `desktop`, `mobile`, `tablet`, `other`.
    pub devices: Vec<String>,
    /// Its share of the visitors that no rule leads elsewhere.
    pub weight: Option<u32>,
    /// Where to.
    pub url: String,
}

impl DetailsChange {
    /// Whether a part was named, by its name on the wire.
    pub(super) fn names(&self, part: &str) -> bool {
        match part {
            "title" => self.title.is_some(),
            "notes" => self.notes.is_some(),
            "archived" => self.archived.is_some(),
            "active_from" => self.active_from_ms.is_some(),
            "fallback_url" => self.fallback_url.is_some(),
            "max_clicks" => self.max_clicks.is_some(),
            "password" => self.password.is_some(),
            "destinations" => self.destinations.is_some(),
            "edge_cache_s" => self.edge_cache_s.is_some(),
            _ => false,
        }
    }

    /// Whether there is a new password.
    pub(super) fn sets_password(&self) -> bool {
        matches!(self.password, Some(Some(_)))
    }
}

impl Links {
    /// The hash of a password that is to be set. `None` when none is.
    pub(super) async fn hashed(&self, change: &DetailsChange) -> Result<Option<PasswordHash>, LinkError> {
        match &change.password {
            Some(Some(NewPassword::Clear(password))) => Ok(Some(self.passwords.hash(password).await?)),
            Some(Some(NewPassword::Hashed(hash))) => Ok(parse_hash(hash)),
            _ => Ok(None),
        }
    }

    /// A replayed creation was the same only if its password was: the fingerprint of a request does not cover it, since from a
    /// fingerprint it could be guessed quickly.
    pub(super) async fn same_password(
        &self,
        outcome: &Outcome<Link>,
        change: &DetailsChange,
    ) -> Result<(), LinkError> {
        let Outcome::Replayed(link) = outcome else {
            return Ok(());
        };
        let same = match &link.details.password {
            Some(kept) => self.keeps_password(change, kept).await?,
            None => true,
        };
        if same {
            Ok(())
        } else {
            Err(IdempotencyError::Mismatch.into())
        }
    }

    /// Whether the password that is to be set, if one is, is the kept one.
    pub(super) async fn keeps_password(
        &self,
        change: &DetailsChange,
        kept: &PasswordHash,
    ) -> Result<bool, LinkError> {
        match &change.password {
            Some(Some(NewPassword::Clear(password))) => {
                Ok(self.passwords.matches(password, Some(kept)).await?)
            }
            Some(Some(NewPassword::Hashed(hash))) => Ok(*hash == kept.0),
            _ => Ok(true),
        }
    }

    /// Puts what was asked for into `details`, but for the password, of which only the form is looked at. What is wrong with it goes
    /// into `errors`.
    pub(super) fn amend(
        &self,
        details: &mut Details,
        change: &DetailsChange,
        rules: &UrlRules<'_>,
        now_ms: u64,
        errors: &mut Vec<FieldError>,
    ) {
        let limits = &self.limits.details;
        let mut set = Amend { errors };
        set.text(
            "/title",
            &change.title,
            limits.title_chars_max,
            &[],
            &mut details.title,
        );
        set.text(
            "/notes",
            &change.notes,
            limits.notes_chars_max,
            &['\n', '\r', '\t'],
            &mut details.notes,
        );
        details.archived = change.archived.unwrap_or(details.archived);
        if let Some(from) = change.active_from_ms {
            let too_far = from.is_some_and(|ms| ms.saturating_sub(now_ms) > self.limits.expiry_ms_max);
            set.refuse(too_far, "/active_from", &"this moment is too far ahead");
            details.active_from_ms = from;
        }
        if let Some(fallback) = &change.fallback_url {
            let checked = fallback.as_deref().map(|url| rules.target("/fallback_url", url));
            details.fallback = checked.and_then(|checked| set.checked(checked));
        }
        if let Some(cap) = change.max_clicks {
            let wrong = cap.is_some_and(|cap| !(1..=CLICKS_MAX).contains(&cap));
            set.refuse(
                wrong,
                "/max_clicks",
                &format!("must be between 1 and {CLICKS_MAX}"),
            );
            details.click_cap = cap;
        }
        match &change.password {
            None => {}
            Some(None) => details.password = None,
            Some(Some(password)) => set.refused(self.unfit(password)),
        }
        if let Some(wanted) = &change.destinations {
            let most = limits.destinations_max;
            set.refuse(
                wanted.len() > most,
                "/destinations",
                &format!("at most {most} destinations"),
            );
            details.routing = set.routing(wanted.iter().take(most), rules);
        }
        if let Some(seconds) = change.edge_cache_s {
            let most = limits.edge_cache_s_max;
            let wrong = seconds.is_some_and(|seconds| !(1..=most).contains(&seconds));
            set.refuse(wrong, "/edge_cache_s", &format!("must be between 1 and {most}"));
            details.edge_cache_s = seconds;
        }
    }

    fn unfit(&self, password: &NewPassword) -> Option<FieldError> {
        let (least, most) = (self.limits.password_chars_min, self.limits.password_bytes_max);
        let wrong = match password {
            NewPassword::Clear(text) if text.chars().count() < least => {
                format!("a password has at least {least} characters")
            }
            NewPassword::Clear(text) if text.len() > most => format!("a password has at most {most} bytes"),
            NewPassword::Clear(text) if text.chars().any(char::is_control) => {
                "a password has no control characters".to_owned()
            }
            NewPassword::Hashed(hash) if parse_hash(hash).is_none() => {
                "this is not the hash of a password (Argon2id in PHC form, of a bearable cost)".to_owned()
            }
            _ => return None,
        };
        Some(field_error("/password", &wrong))
    }
}

/// Collects what is wrong.
struct Amend<'a> {
    errors: &'a mut Vec<FieldError>,
}

impl Amend<'_> {
    fn refuse(&mut self, wrong: bool, pointer: &str, why: &dyn fmt::Display) {
        if wrong {
            self.errors.push(field_error(pointer, why));
        }
    }

    fn refused(&mut self, error: Option<FieldError>) {
        self.errors.extend(error);
    }

    fn checked<T>(&mut self, checked: Result<T, FieldError>) -> Option<T> {
        checked.map_err(|error| self.errors.push(error)).ok()
    }

    #[expect(
        clippy::option_option,
        reason = "left out, taken away and set are three things"
    )]
    #[expect(clippy::ref_option, reason = "it is a field of the change")]
    fn text(
        &mut self,
        pointer: &str,
        wanted: &Option<Option<String>>,
        chars_max: usize,
        allowed: &[char],
        to: &mut Option<String>,
    ) {
        let Some(wanted) = wanted else { return };
        let text = wanted.as_deref().unwrap_or_default().trim();
        let long = text.chars().count() > chars_max;
        self.refuse(long, pointer, &format!("at most {chars_max} characters"));
        let control = text.chars().any(|c| c.is_control() && !allowed.contains(&c));
        self.refuse(control, pointer, &"control characters do not belong here");
        *to = (!text.is_empty()).then(|| text.to_owned());
    }

    fn routing<'d>(
        &mut self,
        wanted: impl Iterator<Item = &'d NewDestination>,
        rules: &UrlRules<'_>,
    ) -> Routing {
        let mut routing = Routing::default();
        for (index, wanted) in wanted.enumerate() {
            let at = format!("/destinations/{index}");
            let to = self.checked(rules.target(&format!("{at}/url"), &wanted.url));
            let countries = self.countries(&at, &wanted.countries);
            let devices = self.devices(&at, &wanted.devices);
            let is_rule = !(wanted.countries.is_empty() && wanted.devices.is_empty());
            match (wanted.weight, is_rule) {
                (Some(_), true) => {
                    let why = "a destination is for some countries or devices, or has a weight; not both";
                    self.refuse(true, &format!("{at}/weight"), &why);
                }
                (None, false) => {
                    let why = "name countries or devices, or a weight";
                    self.refuse(true, &at, &why);
                }
                (Some(weight), false) => {
                    let wrong = !(1..=WEIGHT_MAX).contains(&weight);
                    let why = format!("must be between 1 and {WEIGHT_MAX}");
                    self.refuse(wrong, &format!("{at}/weight"), &why);
                    routing.weighted.extend(to.map(|to| Weighted { weight, to }));
                }
                (None, true) => routing.rules.extend(to.map(|to: TargetUrl| Rule {
                    countries,
                    devices,
                    to,
                })),
            }
        }
        routing
    }

    fn countries(&mut self, at: &str, wanted: &[String]) -> Vec<Country> {
        let mut countries = Vec::new();
        for (index, text) in wanted.iter().enumerate() {
            match Country::parse(text) {
                Some(country) if countries.contains(&country) => {}
                Some(country) => countries.push(country),
                None => self.refuse(
                    true,
                    &format!("{at}/countries/{index}"),
                    &"this is not a country's code of two letters (ISO 3166-1)",
                ),
            }
        }
        countries
    }

    fn devices(&mut self, at: &str, wanted: &[String]) -> Vec<Device> {
        let mut devices = Vec::new();
        for (index, text) in wanted.iter().enumerate() {
            match Device::parse(text) {
                Some(device) if devices.contains(&device) => {}
                Some(device) => devices.push(device),
                None => self.refuse(
                    true,
                    &format!("{at}/devices/{index}"),
                    &"must be desktop, mobile, tablet or other",
                ),
            }
        }
        devices
    }
}
