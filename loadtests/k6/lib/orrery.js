// What every scenario shares: where the platform is, who asks, what a right answer is, and which thresholds its objectives set.
//
// Environment: BASE_URL (http://127.0.0.1:8080), and CLIENT_ID with CLIENT_SECRET (both lines of `orrery key create`), or TOKEN.

import http from 'k6/http';
import exec from 'k6/execution';
import { check, sleep } from 'k6';
import encoding from 'k6/encoding';

const BASE = (__ENV.BASE_URL || 'http://127.0.0.1:8080').replace(/\/$/, '');
// Written by `orrery slo generate` from each service's slo.yaml.
const THRESHOLDS = JSON.parse(open('../thresholds.json'));
// Which requests count for which objectives. One request may count for several.
const OBJECTIVES = {
  redirects: ['shortener-redirects-available', 'shortener-redirects-fast'],
  management: ['shortener-management-available', 'shortener-management-fast'],
};
const SCOPES = 'links:read links:write';
// A token lives 15 minutes; a new one is fetched when less than this is left.
const TOKEN_LEFT_MS_MIN = 5 * 60 * 1000;
// How long a click may take until it is counted, before that is a wrong answer.
const COUNTED_WITHIN_MS = 5000;
const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0';

// An objective on availability is about server errors and lost answers: what a client did wrong is answered as it should be.
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 499 }));

/**
 * The thresholds of these kinds of requests, and that of the checks: what share of the business answers must be right. A quantile
 * near 1 says nothing after a hundred requests, so a short run takes those on `http_req_failed` only.
 */
export function thresholds(kinds, checksRate, more, only) {
  const all = Object.assign({ checks: [checksRate] }, more);
  for (const kind of kinds) {
    for (const objective of OBJECTIVES[kind]) {
      const of = THRESHOLDS[objective];
      if (!of) {
        throw new Error(`thresholds.json has no objective ${objective}: see OBJECTIVES in lib/orrery.js`);
      }
      if (only && of.metric !== only) {
        continue;
      }
      const metric = `${of.metric}{kind:${kind}}`;
      all[metric] = (all[metric] || []).concat(of.thresholds);
    }
  }
  return all;
}

/** A token by the client credentials of an API key: `{value, until}`. */
export function signIn() {
  if (__ENV.TOKEN) {
    return { value: __ENV.TOKEN, until: Number.MAX_SAFE_INTEGER };
  }
  if (!__ENV.CLIENT_ID || !__ENV.CLIENT_SECRET) {
    throw new Error('set CLIENT_ID and CLIENT_SECRET to the two lines of `orrery key create --tenant load`, or TOKEN');
  }
  const basic = encoding.b64encode(`${__ENV.CLIENT_ID}:${__ENV.CLIENT_SECRET}`);
  const answer = http.post(
    `${BASE}/oauth2/token`,
    { grant_type: 'client_credentials', scope: SCOPES },
    { headers: { Authorization: `Basic ${basic}` }, tags: { kind: 'token' } },
  );
  if (answer.status !== 200) {
    throw new Error(`no token: ${answer.status} ${answer.body}`);
  }
  return { value: answer.json('access_token'), until: Date.now() + answer.json('expires_in') * 1000 };
}

// Of this VU.
let token = null;

function bearer(data) {
  token = token || data.token;
  if (token.until - Date.now() < TOKEN_LEFT_MS_MIN) {
    token = signIn();
  }
  return token.value;
}

function managed(data, key) {
  const headers = { Authorization: `Bearer ${bearer(data)}`, 'Content-Type': 'application/json' };
  if (key) {
    headers['Idempotency-Key'] = key;
  }
  return { headers, tags: { kind: 'management' } };
}

/** A target that nothing else has. */
export function freshUrl(data) {
  return `https://example.com/${data.run}/${exec.scenario.name}/${exec.scenario.iterationInTest}`;
}

/** Makes a link and checks that it is the one that was asked for; null, where none was made. */
export function create(data, url, key) {
  const answer = http.post(`${BASE}/v1/links`, JSON.stringify({ url }), managed(data, key));
  const made = check(answer, {
    'a link is made': (a) => a.status === 201,
    'it leads where it was asked to': (a) => a.status === 201 && a.json('url') === url,
  });
  return made ? { id: answer.json('id'), code: answer.json('code'), url } : null;
}

/** Sends the same wish again: there is still one link. */
export function createAgain(data, link, key) {
  const answer = http.post(`${BASE}/v1/links`, JSON.stringify({ url: link.url }), managed(data, key));
  check(answer, {
    'the same Idempotency-Key finds the same link': (a) =>
      a.status === 201 && a.json('id') === link.id && a.json('code') === link.code,
  });
}

/** Follows a link: the location is its target. */
export function follow(link) {
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
export function read(data, link) {
  const params = managed(data);
  params.tags.name = '/v1/links/{code}';
  const answer = http.get(`${BASE}/v1/links/${link.code}`, params);
  check(answer, { 'a link is read as it was made': (a) => a.status === 200 && a.json('url') === link.url });
}

/** Every click is counted, and none twice. Asks until it is so, within a time. */
export function countsClicks(data, link, clicks) {
  const params = managed(data);
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

/** What a scenario's `setup` gives to everybody: a token, a name of the run, and links to follow. */
export function prepare(links) {
  const data = { token: signIn(), run: `k6-${Date.now().toString(36)}`, links: [] };
  for (let i = 0; i < links; i += 1) {
    const link = create(data, `https://example.com/${data.run}/setup/${i}`, `${data.run}-setup-${i}`);
    if (!link) {
      throw new Error('the links to follow cannot be made');
    }
    data.links.push(link);
  }
  return data;
}

/** Few links are hot: about as often as Zipf's law with exponent 1 has it. */
export function someLink(data) {
  const rank = Math.floor(Math.pow(data.links.length + 1, Math.random())) - 1;
  return data.links[Math.min(rank, data.links.length - 1)];
}

/** One visitor's errand. */
export function visit(data) {
  follow(someLink(data));
}

/** One member's errand: makes a link, or now and then looks at one. */
export function manage(data) {
  if (Math.random() < 0.5) {
    read(data, someLink(data));
  } else {
    const key = `${data.run}-${exec.scenario.name}-${exec.scenario.iterationInTest}`;
    create(data, freshUrl(data), key);
  }
}

/** Visitors and members at rates that go through the same stages; members are `share` of all. */
export function mixed(executor, stages, share) {
  const at = (part) => {
    const scaled = stages.map((stage) => ({ duration: stage.duration, target: Math.max(1, Math.round(stage.target * part)) }));
    const highest = Math.max(...scaled.map((stage) => stage.target));
    return {
      executor,
      startRate: scaled[0].target,
      timeUnit: '1s',
      stages: scaled,
      preAllocatedVUs: Math.min(50, highest),
      // An arrival for which nobody is free is dropped, and counted as such.
      maxVUs: Math.min(2000, Math.max(50, highest * 2)),
    };
  };
  return {
    visitors: Object.assign(at(1 - share), { exec: 'visit' }),
    members: Object.assign(at(share), { exec: 'manage' }),
  };
}

/** A whole number from the environment. */
export function setting(name, standard) {
  const value = __ENV[name] === undefined ? standard : Number(__ENV[name]);
  if (!Number.isInteger(value) || value <= 0) {
    throw new Error(`${name} must be a whole number above 0, not ${__ENV[name]}`);
  }
  return value;
}
