// Does it work at all? A few seconds, every business answer checked; one wrong one fails it.

import { countsClicks, create, createAgain, follow, freshUrl, prepare, read, thresholds } from './lib/orrery.js';
import exec from 'k6/execution';

export { visit } from './lib/orrery.js';

const DURATION = __ENV.DURATION || '4s';

export const options = {
  scenarios: {
    visitors: {
      executor: 'constant-arrival-rate', exec: 'visit', rate: 20, timeUnit: '1s', duration: DURATION,
      preAllocatedVUs: 10, maxVUs: 50,
    },
    journeys: {
      executor: 'constant-arrival-rate', exec: 'journey', rate: 4, timeUnit: '1s', duration: DURATION,
      preAllocatedVUs: 10, maxVUs: 50, gracefulStop: '10s',
    },
  },
  thresholds: thresholds(['redirects', 'management'], 'rate==1', { dropped_iterations: ['count==0'] }, 'http_req_failed'),
};

export function setup() {
  return prepare(10);
}

/** A link's life: made, made again under the same key, followed, read, counted. */
export function journey(data) {
  const key = `${data.run}-journey-${exec.scenario.iterationInTest}`;
  const link = create(data, freshUrl(data), key);
  if (!link) {
    return;
  }
  createAgain(data, link, key);
  follow(link);
  follow(link);
  read(data, link);
  countsClicks(data, link, 2);
}
