//! Generated histories: true ones are accepted, spoiled ones are judged as brute force and porcupine judge them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod histories {
    pub(crate) mod brute_force;
    mod generated;
    mod porcupine;
    mod scale;
    pub(crate) mod simulation;
}
