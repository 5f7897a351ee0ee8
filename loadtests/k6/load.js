// The load of a good day, for as long as an objective's window needs: RATE (200) a second for MINUTES (5).

import { mixed, prepare, setting, thresholds } from './lib/orrery.js';

export { manage, visit } from './lib/orrery.js';

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
  thresholds: thresholds(['redirects', 'management'], 'rate>0.9995', { dropped_iterations: ['rate<0.1'] }),
};

export function setup() {
  return prepare(500);
}
