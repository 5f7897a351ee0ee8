use super::*;

fn object(kind: &str, spec: &str) -> String {
    format!(
        "apiVersion: chaos-mesh.org/v1alpha1\nkind: {kind}\nmetadata:\n  name: x\n  namespace: orrery\nspec:\n  mode: one\n  selector:\n    namespaces: [orrery]\n    labelSelectors:\n      app.kubernetes.io/name: shortener\n{spec}"
    )
}

fn parse(kind: &str, spec: &str) -> Result<Experiment, DrillError> {
    Experiment::parse("x.yaml", &object(kind, spec))
}

#[test]
fn each_kind_becomes_what_a_laptop_does() {
    for (kind, spec, fault) in [
        (
            "PodChaos",
            "  action: pod-kill\n",
            Fault::Kill {
                grace: Duration::ZERO,
                restart_after: Duration::ZERO,
            },
        ),
        (
            "PodChaos",
            "  action: pod-failure\n  duration: 2s\n",
            Fault::Freeze,
        ),
        (
            "NetworkChaos",
            "  action: partition\n  duration: 2s\n",
            Fault::Cut,
        ),
        (
            "NetworkChaos",
            "  action: delay\n  delay: {latency: 120ms}\n  duration: 2s\n",
            Fault::Slow(Duration::from_millis(120)),
        ),
        (
            "NetworkChaos",
            "  action: bandwidth\n  bandwidth: {rate: 1mbps, limit: 1, buffer: 1}\n  duration: 2s\n",
            Fault::Throttle(1_000_000),
        ),
        (
            "StressChaos",
            "  stressors: {cpu: {workers: 2, load: 50}}\n  duration: 2s\n",
            Fault::BurnCpu {
                workers: 2,
                load_percent: 50,
            },
        ),
        (
            "StressChaos",
            "  stressors: {memory: {workers: 2, size: 64MB}}\n  duration: 2s\n",
            Fault::FillMemory { bytes: 128 << 20 },
        ),
        (
            "IOChaos",
            "  action: fault\n  errno: 28\n  volumePath: /data\n  methods: [write]\n  duration: 2s\n",
            Fault::FillDisk { mib: 64 },
        ),
        (
            "TimeChaos",
            "  timeOffset: '-30s'\n  duration: 2s\n",
            Fault::StepClock(Offset {
                back: true,
                by: Duration::from_secs(30),
            }),
        ),
    ] {
        let experiment = parse(kind, spec).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(experiment.fault, fault, "{kind}");
        assert_eq!(experiment.target, "shortener");
    }
}

#[test]
fn a_partition_with_a_target_strikes_the_target() {
    let spec = "  action: partition\n  direction: to\n  duration: 2s\n  target:\n    mode: all\n    selector:\n      labelSelectors:\n        app.kubernetes.io/name: cql\n";
    let experiment = parse("NetworkChaos", spec).unwrap();
    assert_eq!((experiment.target.as_str(), experiment.all), ("cql", true));
}

#[test]
fn what_a_laptop_cannot_honour_is_refused_by_its_name() {
    for (kind, spec, named) in [
        (
            "IOChaos",
            "  action: latency\n  delay: 10ms\n  volumePath: /data\n  duration: 2s\n",
            "IOChaos",
        ),
        (
            "IOChaos",
            "  action: fault\n  errno: 5\n  volumePath: /data\n  duration: 2s\n",
            "errno",
        ),
        (
            "IOChaos",
            "  action: fault\n  errno: 28\n  percent: 50\n  volumePath: /data\n  duration: 2s\n",
            "percentage",
        ),
        ("DNSChaos", "  action: error\n", "DNSChaos"),
        ("KernelChaos", "  failKernRequest: {}\n", "KernelChaos"),
        (
            "NetworkChaos",
            "  action: loss\n  loss: {loss: '25'}\n  duration: 2s\n",
            "loss",
        ),
        ("NetworkChaos", "  action: corrupt\n  duration: 2s\n", "corrupt"),
        (
            "NetworkChaos",
            "  action: partition\n  direction: from\n  duration: 2s\n",
            "direction",
        ),
        (
            "NetworkChaos",
            "  action: delay\n  delay: {latency: 1s, jitter: 1s}\n  duration: 2s\n",
            "jitter",
        ),
        (
            "TimeChaos",
            "  timeOffset: 1s\n  clockIds: [CLOCK_MONOTONIC]\n  duration: 2s\n",
            "clockIds",
        ),
    ] {
        let error = parse(kind, spec).unwrap_err();
        assert_eq!(error.code(), "experiment_not_here", "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
    let percent = object("PodChaos", "  action: pod-kill\n").replace("mode: one", "mode: fixed-percent");
    let error = Experiment::parse("x.yaml", &percent).unwrap_err();
    assert!(error.to_string().contains("fixed-percent"), "{error}");
}

#[test]
fn a_field_that_chaos_mesh_does_not_have_is_refused() {
    for (kind, spec) in [
        ("PodChaos", "  action: pod-kill\n  graceperiod: 3\n"),
        ("PodChaos", "  action: pod-nap\n"),
        ("PodChaos", "  action: pod-failure\n"),
        (
            "NetworkChaos",
            "  action: partition\n  delay: {latency: 1s}\n  duration: 2s\n",
        ),
        (
            "NetworkChaos",
            "  action: bandwidth\n  bandwidth: {rate: fast, limit: 1, buffer: 1}\n  duration: 2s\n",
        ),
        (
            "StressChaos",
            "  stressors: {cpu: {workers: 900}}\n  duration: 2s\n",
        ),
        (
            "StressChaos",
            "  stressors: {memory: {workers: 9, size: 1GB}}\n  duration: 2s\n",
        ),
        ("PodChoas", "  action: pod-kill\n"),
    ] {
        let error = parse(kind, spec).unwrap_err();
        assert_eq!(error.code(), "drill_malformed", "{kind}: {error}");
        assert!(error.to_string().starts_with("x.yaml: "), "{error}");
    }
}

#[test]
fn a_killed_pod_stays_away_as_long_as_its_annotation_says() {
    let yaml = object("PodChaos", "  action: pod-kill\n  gracePeriod: 12\n").replace(
        "  name: x\n",
        "  name: x\n  annotations:\n    orrery.dev/restart-after: 3s\n",
    );
    let experiment = Experiment::parse("x.yaml", &yaml).unwrap();
    assert_eq!(
        experiment.fault,
        Fault::Kill {
            grace: Duration::from_secs(12),
            restart_after: Duration::from_secs(3),
        }
    );
}
