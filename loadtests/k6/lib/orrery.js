// What the scenarios of every service share: where the platform is, who asks, and what a run calls what it makes.
//
// Environment: BASE_URL (http://127.0.0.1:8080), and CLIENT_ID with CLIENT_SECRET (both lines of `orrery key create`), or TOKEN.

import http from 'k6/http';
import exec from 'k6/execution';
import encoding from 'k6/encoding';

export const BASE = (__ENV.BASE_URL || 'http://127.0.0.1:8080').replace(/\/$/, '');
// A token lives 15 minutes; a new one is fetched when less than this is left.
const TOKEN_LEFT_MS_MIN = 5 * 60 * 1000;

// An objective on availability is about server errors and lost answers: what a client did wrong is answered as it should be.
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 499 }));

/** A token with these scopes by the client credentials of an API key: `{value, until}`. */
export function signIn(scopes) {
  if (__ENV.TOKEN) {
    return { value: __ENV.TOKEN, until: Number.MAX_SAFE_INTEGER };
  }
  if (!__ENV.CLIENT_ID || !__ENV.CLIENT_SECRET) {
    throw new Error('set CLIENT_ID and CLIENT_SECRET to the two lines of `orrery key create --tenant load`, or TOKEN');
  }
  const basic = encoding.b64encode(`${__ENV.CLIENT_ID}:${__ENV.CLIENT_SECRET}`);
  const answer = http.post(
    `${BASE}/oauth2/token`,
    { grant_type: 'client_credentials', scope: scopes },
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
    token = signIn(data.scopes);
  }
  return token.value;
}

/** The parameters of a request of this kind by a member, under an `Idempotency-Key` where one is given. */
export function asMember(data, kind, key) {
  const headers = { Authorization: `Bearer ${bearer(data)}`, 'Content-Type': 'application/json' };
  if (key) {
    headers['Idempotency-Key'] = key;
  }
  return { headers, tags: { kind } };
}

/** What nothing else in this run is called, and nothing in another. */
export function unique(data) {
  return `${data.run}-${exec.scenario.name}-${exec.scenario.iterationInTest}`;
}

/** One of them; few are hot: about as often as Zipf's law with exponent 1 has it. */
export function someOf(list) {
  const rank = Math.floor(Math.pow(list.length + 1, Math.random())) - 1;
  return list[Math.min(rank, list.length - 1)];
}

/** A whole number from the environment. */
export function setting(name, standard) {
  const value = __ENV[name] === undefined ? standard : Number(__ENV[name]);
  if (!Number.isInteger(value) || value <= 0) {
    throw new Error(`${name} must be a whole number above 0, not ${__ENV[name]}`);
  }
  return value;
}
