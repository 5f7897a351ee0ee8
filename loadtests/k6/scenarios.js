// The services that every scenario loads, one line each in both lists.

import shortener from './scenarios/shortener.js';

export const SERVICES = [shortener];
