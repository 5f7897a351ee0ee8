// The shortener: visitors follow links, members make and read them, and a journey checks a link's whole life.

import http from 'k6/http';
import { check, sleep } from 'k6';
import { BASE, asMember, someOf, unique } from '../lib/orrery.js';

// How long a click may take until it is counted, before that is a wrong answer.
const COUNTED_WITHIN_MS = 5000;
const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0';

export default {
  name: 'shortener',
  scopes: 'links:read links:write',
  // Which requests, by their tag `kind`, count for which objectives. One request may count for several.
  objectives: {
    redirects: ['shortener-redirects-available', 'shortener-redirects-fast'],
    management: ['shortener-management-available', 'shortener-management-fast'],
  },
  reads: { visitors: visit },
  writes: { members: manage },
  journeys: { journeys: journey },
  prepare,
};

/** The links to follow. */
function prepare(data, many) {
  const links = [];
  for (let i = 0; i < many; i += 1) {
    const link = create(data, `https://example.com/${data.run}/setup/${i}`, `${data.run}-setup-${i}`);
    if (!link) {
      throw new Error('the links to follow cannot be made');
    }
    links.push(link);
  }
  return { links };
}

/** One visitor's errand. */
function visit(data) {
  follow(someOf(data.shortener.links));
}

/** One member's errand: makes a link, or now and then looks at one. */
function manage(data) {
  if (Math.random() < 0.5) {
    read(data, someOf(data.shortener.links));
  } else {
    create(data, freshUrl(data), unique(data));
  }
}

/** A link's life: made, made again under the same key, followed, read, counted. */
function journey(data) {
  const key = unique(data);
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

/** A target that nothing else has. */
function freshUrl(data) {
  return `https://example.com/${unique(data)}`;
}

/** Makes a link and checks that it is the one that was asked for; null, where none was made. */
function create(data, url, key) {
  const answer = http.post(`${BASE}/v1/links`, JSON.stringify({ url }), asMember(data, 'management', key));
  const made = check(answer, {
    'a link is made': (a) => a.status === 201,
    'it leads where it was asked to': (a) => a.status === 201 && a.json('url') === url,
  });
  return made ? { id: answer.json('id'), code: answer.json('code'), url } : null;
}

/** Sends the same wish again: there is still one link. */
function createAgain(data, link, key) {
  const answer = http.post(`${BASE}/v1/links`, JSON.stringify({ url: link.url }), asMember(data, 'management', key));
  check(answer, {
    'the same Idempotency-Key finds the same link': (a) =>
      a.status === 201 && a.json('id') === link.id && a.json('code') === link.code,
  });
}

/** Follows a link: the location is its target. */
function follow(link) {
  const answer = http.get(`${BASE}/${link.code}`, {
    redirects: 0,
    headers: { 'User-Agent': BROWSER, Referer: 'https://news.example/today' },
    // One name for all codes: a URL each would be a time series each.
    tags: { kind: 'redirects', name: '/{code}' },
  });
  check(answer, {
    'a redirect leads to the target': (a) => a.status === 302 && a.headers.Location === link.url,
  });
}

/** Reads a link: it still leads there. */
function read(data, link) {
  const params = asMember(data, 'management');
  params.tags.name = '/v1/links/{code}';
  const answer = http.get(`${BASE}/v1/links/${link.code}`, params);
  check(answer, { 'a link is read as it was made': (a) => a.status === 200 && a.json('url') === link.url });
}

/** Every click is counted, and none twice. Asks until it is so, within a time. */
function countsClicks(data, link, clicks) {
  const params = asMember(data, 'management');
  params.tags.name = '/v1/links/{code}/stats';
  const deadline = Date.now() + COUNTED_WITHIN_MS;
  let counted = -1;
  while (counted < clicks && Date.now() < deadline) {
    const answer = http.get(`${BASE}/v1/links/${link.code}/stats`, params);
    counted = answer.status === 200 ? answer.json('clicks') : counted;
    if (counted < clicks) {
      sleep(0.1);
    }
  }
  check(counted, { 'the statistics count every click once': (n) => n === clicks });
}
