// A post goes round the world: from a tenth of RATE (1500) a second to all of it within five seconds, and back. What is refused
// meanwhile must be refused honestly, and afterwards everything is as before.

import { setting } from './lib/orrery.js';
import { mixed, prepare, thresholds } from './lib/scenario.js';

export { errand } from './lib/scenario.js';

const RATE = setting('RATE', 1500);
const CALM = Math.ceil(RATE / 10);

export const options = {
  scenarios: mixed(
    'ramping-arrival-rate',
    [
      { duration: '30s', target: CALM },
      { duration: '5s', target: RATE },
      { duration: '30s', target: RATE },
      { duration: '5s', target: CALM },
      { duration: '60s', target: CALM },
    ],
    0.02,
  ),
  thresholds: thresholds('rate>0.99'),
};

export function setup() {
  // One hot link more than others: that is what a spike is.
  return prepare(20);
}
