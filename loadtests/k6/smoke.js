// Does it work at all? A few seconds, every business answer checked; one wrong one fails it.

import { prepare, steady, thresholds } from './lib/scenario.js';

export { errand } from './lib/scenario.js';

export const options = {
  scenarios: steady(__ENV.DURATION || '4s'),
  thresholds: thresholds('rate==1', { dropped_iterations: ['count==0'] }, 'http_req_failed'),
};

export function setup() {
  return prepare(10);
}
