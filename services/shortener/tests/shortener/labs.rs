//! Each lab in its short form: the shape of what it shows, never a time.

use lab::{Bench, Report};
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, Kind};
use tokio::sync::Mutex;

/// Labs load both cores: each is about its own load, not about another's.
static TURN: Mutex<()> = Mutex::const_new(());

/// A busy machine may take longer than a person is asked to wait.
const DEADLINE: std::time::Duration = std::time::Duration::from_mins(2);

async fn report(name: &str, redis: Option<String>) -> Report {
    let _turn = TURN.lock().await;
    let clock = clock::SystemClock::shared();
    let telemetry = Telemetry::new("lab-test", "1", &TelemetrySettings::default(), clock.clone()).unwrap();
    let mut bench = Bench::new(1, clock, telemetry).unwrap();
    bench.brief = true;
    bench.redis = redis;
    let labs = shortener::labs();
    let lab = labs.iter().find(|lab| lab.name() == name).unwrap();
    let report = lab::run(lab.as_ref(), &bench, DEADLINE).await.unwrap();
    println!("{report}");
    assert!(!report.sentence.is_empty() && report.figure.svg().contains("<svg"));
    report
}

/// The value of a column in each of some arms.
fn of<const N: usize>(report: &Report, column: &str, arms: [&str; N]) -> [f64; N] {
    arms.map(|arm| report.value(arm, column).unwrap())
}

#[tokio::test]
async fn in_a_stampede_everybody_reads_the_origin_unless_one_load_is_shared() {
    let report = report("stampede", None).await;
    let arms = ["none", "single-flight", "XFetch"];
    let [none, single, ahead] = of(&report, "origin reads", arms);
    assert!(none >= 5.0 * single.max(ahead), "{report}");
    assert!(single >= 1.0, "the key expired: {report}");
    let [many, one, also_one] = of(&report, "at once", arms);
    assert!(
        many >= 5.0 && (one - 1.0).abs() < 0.1 && (also_one - 1.0).abs() < 0.1,
        "{report}"
    );
    let [_, waited, waited_ahead] = of(&report, "readers that waited", arms);
    assert!(waited_ahead < waited, "{report}");
}

#[tokio::test]
async fn in_an_avalanche_jitter_spreads_the_reads() {
    let report = report("avalanche", None).await;
    // Not how many in 250 ms: a busy machine stretches the wave until it looks like what jitter spreads.
    let [together, spread] = of(&report, "at once", ["no jitter", "50 % jitter"]);
    assert!(together >= 2.0 * spread, "{report}");
}

#[tokio::test]
async fn what_is_not_there_reaches_the_origin_unless_it_is_remembered_or_guarded_against() {
    let report = report("penetration", None).await;
    let arms = [
        "none",
        "negative caching",
        "and a Bloom filter",
        "and the code's counter",
    ];
    let [none, negative, bloom, counter] = of(&report, "in vain", arms);
    assert!(negative < 0.95 * none, "the dead link is remembered: {report}");
    assert!(negative > 0.5 * none, "guesses are not: {report}");
    assert!(
        bloom < 0.1 * negative,
        "one guess in a hundred comes through: {report}"
    );
    assert!(counter <= 1.0, "only the dead link's alias: {report}");
    let [answered, ..] = of(&report, "readers answered", arms);
    assert!(answered > 0.0, "{report}");
}

#[tokio::test]
async fn a_near_cache_takes_the_hot_key_off_the_shared_level() {
    near_cache(None, "stands in").await;
}

#[tokio::test]
async fn a_near_cache_takes_the_hot_key_off_redis() {
    if let Some(redis) = engines::url(Kind::Redis, "the lab of a hot key") {
        near_cache(Some(redis), "is a Redis").await;
    }
}

async fn near_cache(redis: Option<String>, said: &str) {
    let report = report("hot-key", redis).await;
    assert!(report.setting.iter().any(|line| line.contains(said)), "{report}");
    let arms = [
        "shared level only",
        "near cache, 50 links",
        "near cache, all links",
    ];
    let [alone, small, large] = of(&report, "for the hottest key", arms);
    assert!(alone >= 5.0 * small && alone >= 5.0 * large, "{report}");
    let [alone, small, _] = of(&report, "shared level asked", arms);
    assert!(alone >= 1.5 * small, "{report}");
    let [requests, ..] = of(&report, "requests", arms);
    assert!(alone >= requests, "without it every request asks: {report}");
}

#[tokio::test]
async fn only_write_behind_loses_in_a_crash_and_only_write_around_is_stale() {
    let report = report("write-policies", None).await;
    let arms = ["aside", "through", "around", "refresh-ahead", "behind"];
    let [aside, through, around, ahead, behind] = of(&report, "lost by the crash", arms);
    assert!((aside + through + around + ahead).abs() < 0.1, "{report}");
    assert!(behind >= 1.0, "{report}");
    let [aside, through, around, ahead, behind] = of(&report, "stale reads", arms);
    assert!((aside + through + ahead + behind).abs() < 0.1, "{report}");
    assert!(around >= 1.0, "{report}");
    let [aside, through, .., behind] = of(&report, "origin writes", arms);
    assert!(behind < aside / 2.0, "{report}");
    assert!(through > 1.0, "{report}");
    let [aside, through, ..] = of(&report, "reads that waited", arms);
    let [of_aside, of_through, ..] = of(&report, "reads", arms);
    assert!(through / of_through < aside / of_aside, "{report}");
}

#[tokio::test]
async fn a_crawler_finds_the_neighbours_of_sequential_codes_and_of_no_others() {
    let report = report("short-codes", None).await;
    let arms = ["sequential", "random, checked", "permuted"];
    let [sequential, random, permuted] = of(&report, "links found", arms);
    let [guesses, ..] = of(&report, "guesses", arms);
    assert!(sequential > 0.9 * guesses && guesses > 0.0, "{report}");
    assert!((random + permuted).abs() < 0.1, "{report}");
    let [none, checks, also_none] = of(&report, "checks while making them", arms);
    assert!(checks > 0.0 && (none + also_none).abs() < 0.1, "{report}");
}
