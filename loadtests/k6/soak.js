// Nothing unusual, for HOURS (4): what leaks, fills up or drifts shows only so. Longer than a token lives, on purpose.

import { setting } from './lib/orrery.js';
import { mixed, prepare, thresholds } from './lib/scenario.js';

export { errand } from './lib/scenario.js';

const RATE = setting('RATE', 100);

export const options = {
  scenarios: mixed(
    'ramping-arrival-rate',
    [
      { duration: '1m', target: RATE },
      { duration: `${setting('HOURS', 4)}h`, target: RATE },
    ],
    0.05,
  ),
  thresholds: thresholds('rate>0.9995', { dropped_iterations: ['rate<0.1'] }),
};

export function setup() {
  return prepare(500);
}
