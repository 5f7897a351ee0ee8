// The load of a good day, for as long as an objective's window needs: RATE (200) a second of each service for MINUTES (5).

import { setting } from './lib/orrery.js';
import { mixed, prepare, thresholds } from './lib/scenario.js';

export { errand } from './lib/scenario.js';

const RATE = setting('RATE', 200);

export const options = {
  scenarios: mixed(
    'ramping-arrival-rate',
    [
      { duration: '30s', target: RATE },
      { duration: `${setting('MINUTES', 5)}m`, target: RATE },
      { duration: '30s', target: Math.ceil(RATE / 10) },
    ],
    0.1,
  ),
  thresholds: thresholds('rate>0.9995', { dropped_iterations: ['rate<0.1'] }),
};

export function setup() {
  return prepare(500);
}
