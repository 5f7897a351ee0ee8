// More and more, until an objective breaks: the rate at which it ends is what this machine can do. RATE (5000) is where it gives up
// looking, after MINUTES (10).

import { setting } from './lib/orrery.js';
import { mixed, prepare, thresholds } from './lib/scenario.js';

export { errand } from './lib/scenario.js';

// Arrivals that nobody was free for: the generator, or the platform, is at its end.
const all = thresholds('rate>0.99', { dropped_iterations: ['rate<10'] });

export const options = {
  scenarios: mixed(
    'ramping-arrival-rate',
    [
      { duration: '10s', target: 50 },
      { duration: `${setting('MINUTES', 10)}m`, target: setting('RATE', 5000) },
    ],
    0.05,
  ),
  thresholds: Object.fromEntries(
    Object.entries(all).map(([metric, list]) => [
      metric,
      list.map((threshold) => ({ threshold, abortOnFail: true, delayAbortEval: '30s' })),
    ]),
  ),
};

export function setup() {
  return prepare(500);
}
