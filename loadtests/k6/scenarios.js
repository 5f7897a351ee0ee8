// The services that every scenario loads, one line each in both lists. SERVICES (all) names those of a run, with commas between.

import payment from './scenarios/payment.js';
import shortener from './scenarios/shortener.js';

const ALL = [shortener, payment];

export const SERVICES = ALL.filter(({ name }) => !__ENV.SERVICES || __ENV.SERVICES.split(',').includes(name));
