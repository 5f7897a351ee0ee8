use super::*;
use crate::Evaluator;
use crate::exposition::Sample;

fn shop() -> ServiceObjectives {
    ServiceObjectives::parse(include_str!("../../../tests/shop.yaml")).unwrap()
}

fn named<'a>(stories: &'a [Story], part: &str) -> &'a Story {
    stories.iter().find(|story| story.name.contains(part)).unwrap()
}

#[test]
fn an_outage_pages_when_a_fiftieth_of_the_budget_is_gone() {
    let (shop, policy) = (shop(), Policy::standard());
    let available = &shop.objectives[0];
    let stories = stories::hours(available, &policy);
    let expected = named(&stories, "total outage").expected(available, &policy);
    let page = expected
        .iter()
        .find(|e| e.firing.contains(&Severity::Page))
        .unwrap();
    // 14.4 times 1/1000 of an hour is 51.84 s; the next step of 30 s is a minute after the beginning.
    assert_eq!(page.at, Duration::from_mins(241));
    assert!(!expected.last().unwrap().firing.contains(&Severity::Page));
}

#[test]
fn each_story_ends_as_its_name_says() {
    let (shop, policy) = (shop(), Policy::standard());
    for objective in &shop.objectives {
        let hours = stories::hours(objective, &policy);
        let fired = |story: &Story| -> BTreeSet<Severity> {
            story
                .expected(objective, &policy)
                .into_iter()
                .flat_map(|e| e.firing)
                .collect()
        };
        for quiet in ["noise", "never asked", "quiet"] {
            let story = named(&hours, quiet);
            assert!(fired(story).is_empty(), "{quiet} of {}", objective.name);
            assert!(
                story.expected(objective, &policy).len() >= 2,
                "{quiet} is looked at"
            );
        }
        let both = BTreeSet::from(Severity::ALL);
        let ticket = BTreeSet::from([Severity::Ticket]);
        for (pair, fires) in [
            ("14.4", &both),
            ("of 6", &both),
            ("of 3", &ticket),
            ("of 1", &ticket),
        ] {
            let story = hours.iter().find(|s| s.name.ends_with(pair)).unwrap();
            assert_eq!(&fired(story), fires, "{pair} of {}", objective.name);
        }
        for story in stories::days(objective, &policy) {
            assert_eq!(fired(&story), ticket, "{} of {}", story.name, objective.name);
        }
    }
}

#[test]
fn noise_would_page_if_the_short_window_were_alone() {
    let shop = shop();
    let mut policy = Policy::standard();
    for pair in &mut policy.windows {
        pair.long = pair.short;
    }
    for objective in &shop.objectives {
        let stories = stories::hours(objective, &Policy::standard());
        let noise = named(&stories, "noise");
        let at = noise.looks[0] + noise.step;
        assert!(
            noise.firing(objective, &policy, at).contains(&Severity::Page),
            "{}",
            objective.name
        );
    }
}

#[test]
fn without_any_one_pair_some_expectation_is_another() {
    let (shop, policy) = (shop(), Policy::standard());
    let all = |policy: &Policy| -> Vec<Vec<Severity>> {
        let objective = &shop.objectives[0];
        let told = [
            stories::hours(objective, &Policy::standard()),
            stories::days(objective, &Policy::standard()),
        ]
        .concat();
        told.iter()
            .flat_map(|story| {
                let looks = story.expected(objective, &Policy::standard());
                looks
                    .into_iter()
                    .map(|e| story.firing(objective, policy, e.at))
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    for dropped in 0..policy.windows.len() {
        let mut fewer = policy.clone();
        fewer.windows.remove(dropped);
        assert_ne!(all(&policy), all(&fewer), "nobody misses pair {dropped}");
    }
}

/// The evaluator is the other way to the same alerts: it must fire when the policy's arithmetic says.
#[test]
fn the_evaluator_agrees_with_the_arithmetic() {
    let (shop, policy) = (shop(), Policy::standard());
    for objective in &shop.objectives {
        let told = [
            stories::hours(objective, &policy),
            stories::days(objective, &policy),
        ]
        .concat();
        for story in told {
            let expected = story.expected(objective, &policy);
            let series = Series::of(objective).unwrap();
            let mut evaluator = Evaluator::new(vec![objective.clone()], policy.clone());
            let mut at = Duration::ZERO;
            while at <= story.ends() {
                let samples: Vec<Sample> = series
                    .0
                    .iter()
                    .map(|made| sample(&made.to_string(), (made.of)(story.counted(at))))
                    .collect();
                evaluator.ingest(at, "gateway", "a", &samples);
                if let Some(expected) = expected.iter().find(|e| e.at == at) {
                    let alerts = evaluator.alerts(at);
                    let firing: Vec<Severity> =
                        alerts.iter().filter(|a| a.firing).map(|a| a.severity).collect();
                    assert_eq!(
                        firing, expected.firing,
                        "{}: {} at {at:?}",
                        objective.name, story.name
                    );
                }
                at += story.sample;
            }
        }
    }
}

fn sample(series: &str, value: f64) -> Sample {
    let mut samples = crate::exposition::parse(&format!("{series} {value}"));
    samples.pop().unwrap()
}
