// Beyond a good day, in steps of RATE (400) up to five times that: do the objectives still hold, and what gives way first?

import { setting } from './lib/orrery.js';
import { mixed, prepare, thresholds } from './lib/scenario.js';

export { errand } from './lib/scenario.js';

const RATE = setting('RATE', 400);
const HOLD = `${setting('SECONDS', 60)}s`;

const steps = [1, 2, 3, 4, 5].flatMap((times) => [
  { duration: '10s', target: RATE * times },
  { duration: HOLD, target: RATE * times },
]);

export const options = {
  scenarios: mixed('ramping-arrival-rate', steps.concat([{ duration: '10s', target: 1 }]), 0.1),
  thresholds: thresholds('rate>0.999'),
};

export function setup() {
  return prepare(500);
}
