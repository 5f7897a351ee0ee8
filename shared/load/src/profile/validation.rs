//! What the types of a profile cannot say.

use std::collections::{BTreeMap, BTreeSet};

use history::Kind;

use super::step::{Each, Step};
use super::template::Variable;
use super::{Profile, ProfileError};

const RATE_MAX: f64 = 100_000.0;
const SECONDS_MAX: f64 = 86_400.0;
const KEYS_MAX: usize = 1_000_000;
const SESSIONS_MAX: u32 = 10_000;
const IN_FLIGHT_MAX: usize = 10_000;
const STEPS_MAX: usize = 64;
const DEADLINE_MS_MAX: u64 = 600_000;
const INSIST_MAX: u32 = 100;

type Checked = Result<(), ProfileError>;

pub(super) fn check(profile: &Profile) -> Checked {
    if !is_name(&profile.name) {
        return wrong("name", "letters, digits and `-` only, and not empty");
    }
    arrivals(profile)?;
    bounds(profile)?;
    let mut names = BTreeSet::new();
    for (part, steps) in [("setup", &profile.setup), ("operations", &profile.operations)] {
        if steps.len() > STEPS_MAX {
            return wrong(part, &format!("at most {STEPS_MAX} steps"));
        }
        for (number, step) in steps.iter().enumerate() {
            let name = if step.name.is_empty() {
                number.to_string()
            } else {
                step.name.clone()
            };
            let place = format!("{part}.{name}");
            if !is_name(&step.name) || !names.insert(&step.name) {
                return wrong(&place, "a name of letters, digits and `-` that no other step has");
            }
            shape(step, &place)?;
            history(step, &place)?;
            money(step, &place)?;
        }
    }
    roles(profile)?;
    captures(profile)
}

fn wrong(place: &str, reason: &str) -> Checked {
    Err(ProfileError::senseless(place, reason))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn within(value: f64, from: f64, to: f64) -> bool {
    value >= from && value <= to
}

fn arrivals(profile: &Profile) -> Checked {
    let arrivals = &profile.arrivals;
    let rate = format!("a rate from 0 to {RATE_MAX} a second, not 0 throughout");
    if !within(arrivals.per_second, 0.0, RATE_MAX)
        || !within(arrivals.per_second_max(), f64::MIN_POSITIVE, RATE_MAX)
    {
        return wrong("arrivals.per_second", &rate);
    }
    if arrivals.duration_s.is_some() != arrivals.stages.is_empty() {
        return wrong(
            "arrivals",
            "either duration_s or stages, not both and not neither",
        );
    }
    for (number, stage) in arrivals.stages.iter().enumerate() {
        if !within(stage.to_per_second, 0.0, RATE_MAX) {
            return wrong(&format!("arrivals.stages.{number}.to_per_second"), &rate);
        }
        if !within(stage.over_s, f64::MIN_POSITIVE, SECONDS_MAX) {
            return wrong(&format!("arrivals.stages.{number}.over_s"), "more than 0 seconds");
        }
    }
    if !within(arrivals.duration().as_secs_f64(), f64::MIN_POSITIVE, SECONDS_MAX) {
        return wrong(
            "arrivals",
            &format!("a duration of more than 0 and at most {SECONDS_MAX} seconds"),
        );
    }
    Ok(())
}

fn bounds(profile: &Profile) -> Checked {
    if !(1..=IN_FLIGHT_MAX).contains(&profile.in_flight_max) {
        return wrong("in_flight_max", &format!("from 1 to {IN_FLIGHT_MAX}"));
    }
    if !(1..=SESSIONS_MAX).contains(&profile.sessions) {
        return wrong("sessions", &format!("from 1 to {SESSIONS_MAX}"));
    }
    if !(1..=DEADLINE_MS_MAX).contains(&profile.deadline_ms) {
        return wrong("deadline_ms", &format!("from 1 to {DEADLINE_MS_MAX}"));
    }
    if !within(profile.errors_max_share, 0.0, 1.0) {
        return wrong("errors_max_share", "a share from 0 to 1");
    }
    if !(1..=KEYS_MAX).contains(&profile.keys.count) {
        return wrong("keys.count", &format!("from 1 to {KEYS_MAX}"));
    }
    if !within(profile.keys.zipf, 0.0, 10.0) {
        return wrong("keys.zipf", "from 0 (all alike) to 10");
    }
    Ok(())
}

fn shape(step: &Step, place: &str) -> Checked {
    if step.expect.is_empty() || step.expect.iter().any(|status| !(100..=599).contains(status)) {
        return wrong(&format!("{place}.expect"), "one or more statuses from 100 to 599");
    }
    if !step.path.to_string().starts_with('/') {
        return wrong(
            &format!("{place}.path"),
            "a path that begins with `/`; the host is the run's",
        );
    }
    for name in step.headers.keys() {
        if http::HeaderName::try_from(name.as_str()).is_err() {
            return wrong(
                &format!("{place}.headers"),
                &format!("`{name}` is no field's name"),
            );
        }
    }
    Ok(())
}

fn history(step: &Step, place: &str) -> Checked {
    let Some(rule) = &step.history else { return Ok(()) };
    let place = format!("{place}.history");
    let (key, value, seen) = (rule.key.is_some(), rule.value.is_some(), rule.seen.is_some());
    let lacks = match rule.kind {
        Kind::Claim if !key && rule.key_from.is_none() => "a claim needs key or key_from",
        Kind::Claim | Kind::Write if !value => "a claim or write needs value: what it would write",
        Kind::Write | Kind::Delete | Kind::Read | Kind::Redirect if !key => "key: what it is asked of",
        Kind::Read | Kind::Redirect if !seen => "a read or redirect needs seen: where its value stands",
        Kind::Read | Kind::Redirect | Kind::Delete if value => "value is for a claim or write",
        Kind::Claim | Kind::Write | Kind::Delete if seen => "seen is for a read or redirect",
        _ => return Ok(()),
    };
    wrong(&place, lacks)
}

fn money(step: &Step, place: &str) -> Checked {
    if let Some(rule) = &step.ledger {
        let place = format!("{place}.ledger");
        if let Some(lacks) = rule.lacks() {
            return wrong(&place, lacks);
        }
        if step.history.is_some() || step.intent().is_none() {
            return wrong(
                &place,
                "no `history` beside it, and an Idempotency-Key among the headers",
            );
        }
    }
    let Some(repeats) = &step.repeats else {
        return Ok(());
    };
    let shares = [repeats.doubled, repeats.late, repeats.abandoned];
    if step.ledger.is_none()
        || !shares.iter().all(|share| within(*share, 0.0, 1.0))
        || repeats.share() > 1.0
        || repeats.insist > INSIST_MAX
        || repeats.patience_ms.saturating_add(repeats.later_ms) > DEADLINE_MS_MAX
    {
        return wrong(
            &format!("{place}.repeats"),
            &format!(
                "shares from 0 to 1 that add up to 1 at most, insist up to {INSIST_MAX}, and `ledger` beside it: such copies belong into a history"
            ),
        );
    }
    Ok(())
}

/// What belongs to the setup alone, and to operations alone.
fn roles(profile: &Profile) -> Checked {
    if profile.operations.is_empty() {
        return wrong("operations", "at least one");
    }
    for step in &profile.setup {
        if step.each.is_none() || step.weight.is_some() || step.repeats.is_some() {
            return wrong(
                &format!("setup.{}", step.name),
                "each: run, session or key; no weight and no repeats",
            );
        }
    }
    for step in &profile.operations {
        let place = format!("operations.{}", step.name);
        if step.each.is_some() {
            return wrong(&place, "each is for the setup");
        }
        if step.weight.unwrap_or(0) == 0 {
            return wrong(
                &format!("{place}.weight"),
                "1 or more; leave out an operation that nobody does",
            );
        }
    }
    Ok(())
}

/// A place can be filled only with what an earlier step has taken; an operation may take anew what the setup took.
fn captures(profile: &Profile) -> Checked {
    let mut known: BTreeMap<&str, Each> = BTreeMap::new();
    for step in &profile.setup {
        let place = format!("setup.{}", step.name);
        let each = step.each.unwrap_or(Each::Run);
        uses(step, &place, &known, each)?;
        for name in step.capture.keys() {
            if known.insert(name, each).is_some_and(|before| before != each) {
                return wrong(
                    &place,
                    &format!("captured.{name} was taken by a step with another `each`"),
                );
            }
        }
    }
    for step in &profile.operations {
        let place = format!("operations.{}", step.name);
        uses(step, &place, &known, Each::Key)?;
        if let Some(name) = step
            .capture
            .keys()
            .find(|name| !known.contains_key(name.as_str()))
        {
            let reason = format!(
                "captured.{name} must be taken by a step of the setup first, so that it is always there"
            );
            return wrong(&place, &reason);
        }
    }
    Ok(())
}

fn uses(step: &Step, place: &str, known: &BTreeMap<&str, Each>, each: Each) -> Checked {
    for variable in step.templates().into_iter().flat_map(super::Template::variables) {
        match variable {
            Variable::Captured(name) => match known.get(name.as_str()) {
                None => {
                    return wrong(
                        place,
                        &format!("{{{{captured.{name}}}}} is taken by no earlier step of the setup"),
                    );
                }
                // A step once a session has no key to look under, and the other way round.
                Some(of) if step.each.is_some() && *of != each && *of != Each::Run => {
                    return wrong(place, &format!("captured.{name} is not one a {each:?}"));
                }
                Some(_) => {}
            },
            Variable::Key if step.each.is_some_and(|each| each != Each::Key) => {
                return wrong(place, "{{key}} has a meaning only once a key");
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Profile;

    const GOOD: &str = "
name: p
description: d
arrivals: {kind: constant, per_second: 10, duration_s: 1}
keys: {count: 2, zipf: 1}
setup:
  - {name: make, each: key, method: POST, path: /v1/things, body: {n: '{{key}}'}, expect: [201], capture: {id: 'json:/id'}}
operations:
  - {name: look, weight: 1, method: GET, path: '/v1/things/{{captured.id}}', expect: [200],
     history: {kind: read, key: '{{captured.id}}', seen: 'json:/n'}}
";

    #[test]
    fn a_good_profile_is_read() {
        let profile = Profile::parse(GOOD).unwrap();
        assert_eq!(
            profile.operations[0].path.to_string(),
            "/v1/things/{{captured.id}}"
        );
        assert_eq!((profile.sessions, profile.deadline_ms), (64, 5_000));
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_place() {
        for (from, to, said) in [
            ("zipf: 1", "zipf: 1, zip: 2", "zip"),
            ("weight: 1", "weight: 0", "operations.look.weight"),
            ("captured.id}}', expect", "captured.di}}', expect", "captured.di"),
            ("'{{key}}'", "'{{kye}}'", "`{{kye}}` is no variable"),
            ("expect: [200]", "expect: []", "operations.look.expect"),
            ("expect: [200]", "expect: [2000]", "operations.look.expect"),
            ("duration_s: 1", "duration_s: 0", "duration"),
            ("duration_s: 1", "duration_s: .nan", "duration"),
            (", duration_s: 1", "", "either duration_s or stages"),
            ("per_second: 10", "per_second: -1", "arrivals.per_second"),
            ("per_second: 10", "per_second: 0", "arrivals.per_second"),
            ("count: 2", "count: 0", "keys.count"),
            ("GET", "FETCH", "`FETCH` is no method"),
            ("each: key", "each: session", "{{key}}"),
            ("each: key, ", "", "setup.make"),
            ("seen: 'json:/n'", "seen: 'body:/n'", "no place in an answer"),
            (", seen: 'json:/n'", "", "needs seen"),
            ("name: look", "name: make", "no other step"),
            ("path: /v1/things,", "path: v1/things,", "setup.make.path"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = Profile::parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
