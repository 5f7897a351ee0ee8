// What a scenario is made of: the errands of every listed service at some rate, and the thresholds that their objectives set.

import exec from 'k6/execution';
import { SERVICES } from '../scenarios.js';
import { signIn } from './orrery.js';

// Written by `orrery slo generate` from each service's slo.yaml.
const THRESHOLDS = JSON.parse(open('../thresholds.json'));
// By the names of k6's scenarios, which each service chooses.
const ERRANDS = merged((service) => Object.assign({}, service.reads, service.writes, service.journeys));
const OBJECTIVES = merged((service) => service.objectives);

/** One table of all services'; a name of two of them would hide the one's errands or requests behind the other's. */
function merged(of) {
  const all = {};
  for (const service of SERVICES) {
    for (const [name, value] of Object.entries(of(service))) {
      if (name in all) {
        throw new Error(`scenarios/${service.name}.js: another service has a ${name} already`);
      }
      all[name] = value;
    }
  }
  return all;
}

/**
 * The thresholds of all objectives, and that of the checks: what share of the business answers must be right. A quantile
 * near 1 says nothing after a hundred requests, so a short run takes those on `http_req_failed` only.
 */
export function thresholds(checksRate, more, only) {
  const all = Object.assign({ checks: [checksRate] }, more);
  for (const [kind, objectives] of Object.entries(OBJECTIVES)) {
    for (const objective of objectives) {
      const of = THRESHOLDS[objective];
      if (!of) {
        throw new Error(`thresholds.json has no objective ${objective}: see the objectives of each file in scenarios/`);
      }
      if (only && of.metric !== only) {
        continue;
      }
      const metric = `${of.metric}{kind:${kind}}`;
      all[metric] = (all[metric] || []).concat(of.thresholds);
    }
  }
  return all;
}

/** What a scenario's `setup` gives to everybody: a token, a name of the run, and of each service `many` things to ask for. */
export function prepare(many) {
  const scopes = SERVICES.map((service) => service.scopes).join(' ');
  const data = { scopes, token: signIn(scopes), run: `k6-${Date.now().toString(36)}` };
  for (const service of SERVICES) {
    data[service.name] = service.prepare(data, many);
  }
  return data;
}

/** The one function that k6 calls, whatever the errand: so that a new service changes none of the files that k6 is given. */
export function errand(data) {
  ERRANDS[exec.scenario.name](data);
}

/** Of each service at rates that go through the same stages: what reads, and what writes, which is `share` of all. */
export function mixed(executor, stages, share) {
  const at = (part) => {
    const scaled = stages.map((stage) => ({ duration: stage.duration, target: Math.max(1, Math.round(stage.target * part)) }));
    const highest = Math.max(...scaled.map((stage) => stage.target));
    return {
      executor,
      exec: 'errand',
      startRate: scaled[0].target,
      timeUnit: '1s',
      stages: scaled,
      preAllocatedVUs: Math.min(50, highest),
      // An arrival for which nobody is free is dropped, and counted as such.
      maxVUs: Math.min(2000, Math.max(50, highest * 2)),
    };
  };
  return each((service) => [
    [service.reads, at((1 - share) / Object.keys(service.reads).length)],
    [service.writes, at(share / Object.keys(service.writes).length)],
  ]);
}

/** Of each service at constant rates: what reads, and journeys, which check every answer. */
export function steady(duration) {
  // All users are there from the start: while k6 makes another one, an arrival that finds nobody free is dropped.
  const at = (rate, seconds, more) => Object.assign(
    { executor: 'constant-arrival-rate', exec: 'errand', rate, timeUnit: '1s', duration, preAllocatedVUs: rate * seconds },
    more,
  );
  return each((service) => [
    [service.reads, at(20, 3)],
    // A journey may wait ten seconds for what is done behind its back, and asks a few things besides.
    [service.journeys, at(4, 12, { gracefulStop: '10s' })],
  ]);
}

/** k6's scenarios: of every service, each table's errands as the settings beside it say. */
function each(of) {
  const scenarios = {};
  for (const [errands, settings] of SERVICES.flatMap(of)) {
    for (const name of Object.keys(errands)) {
      scenarios[name] = settings;
    }
  }
  return scenarios;
}
