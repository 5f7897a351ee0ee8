// The ledger: people look at balances, programs move money, and a journey checks that money comes and goes as it was told to.

import http from 'k6/http';
import { check, sleep } from 'k6';
import { BASE, asMember, someOf, unique } from '../lib/orrery.js';

// How long a payment may take until its saga has ended, before that is a wrong answer.
const SETTLED_WITHIN_MS = 10000;
const ENDED = ['captured', 'failed', 'refunded', 'partially_refunded'];

export default {
  name: 'payment',
  scopes: 'ledger:read ledger:write payments:read payments:write',
  objectives: {
    transfers: ['payment-transfers-available', 'payment-transfers-fast'],
    payments: ['payment-payments-available', 'payment-payments-fast'],
  },
  reads: { readers: look },
  writes: { movers: move },
  journeys: { payers: journey },
  prepare,
};

/** Accounts to move money between. */
function prepare(data, many) {
  const accounts = [];
  for (let i = 0; i < Math.max(many, 2); i += 1) {
    const account = open(data, `${data.run}-setup-${i}`);
    if (!account) {
      throw new Error('the accounts to move money between cannot be made');
    }
    accounts.push(account);
  }
  return { accounts };
}

/** One person's errand: what is there? */
function look(data) {
  balance(data, someOf(data.payment.accounts));
}

/** One program's errand: a transfer between two accounts. */
function move(data) {
  const [from, to] = two(data.payment.accounts);
  transfer(data, from, to, '7', unique(data));
}

/** Money's life: an account is made, gets some, holds some, captures half of it, is paid from, and everything adds up. */
function journey(data) {
  const key = unique(data);
  const [from] = two(data.payment.accounts);
  const mine = open(data, `${key}-mine`);
  if (!mine) {
    return;
  }
  const made = transfer(data, from, mine, '1000', `${key}-in`);
  const again = transfer(data, from, mine, '1000', `${key}-in`);
  check(again, { 'the same Idempotency-Key finds the same transfer': (id) => id !== null && id === made });
  const held = hold(data, mine, from, '100', `${key}-hold`);
  if (held) {
    capture(data, held, '40', `${key}-capture`);
  }
  const now = balance(data, mine);
  check(now, { 'what was moved and captured is what is left': (b) => b !== null && b.posted === '960' && b.available === '960' });
  pay(data, mine, from, '60', `${key}-pay`);
}

function two(list) {
  const first = Math.floor(Math.random() * list.length);
  return [list[first], list[(first + 1) % list.length]];
}

/** Opens an account; null, where none was made. */
function open(data, key) {
  const body = JSON.stringify({ currency: 'EUR', kind: 'liability', name: key });
  const answer = http.post(`${BASE}/v1/accounts`, body, asMember(data, 'accounts', key));
  return check(answer, { 'an account is opened': (a) => a.status === 201 }) ? answer.json('id') : null;
}

/** Moves money and checks that it is what was asked for: the transfer's id, or null. */
function transfer(data, from, to, amount, key) {
  const body = JSON.stringify({ debit_account_id: from, credit_account_id: to, amount, currency: 'EUR' });
  const answer = http.post(`${BASE}/v1/transfers`, body, asMember(data, 'transfers', key));
  return check(answer, { 'a transfer is made': (a) => a.status === 201 }) ? answer.json('id') : null;
}

function hold(data, from, to, amount, key) {
  const body = JSON.stringify({ debit_account_id: from, credit_account_id: to, amount, currency: 'EUR', expires_in_s: 60 });
  const answer = http.post(`${BASE}/v1/holds`, body, asMember(data, 'transfers', key));
  return check(answer, { 'money is held': (a) => a.status === 201 }) ? answer.json('id') : null;
}

/** Captures a part of a hold and lets go of the rest. */
function capture(data, held, amount, key) {
  const params = asMember(data, 'transfers', key);
  params.tags.name = '/v1/holds/{id}/capture';
  const answer = http.post(`${BASE}/v1/holds/${held}/capture`, JSON.stringify({ amount, final: true }), params);
  check(answer, { 'held money is captured': (a) => a.status === 201 || a.status === 200 });
}

/** What an account has; null, where it was not told. */
function balance(data, account) {
  const params = asMember(data, 'accounts');
  params.tags.name = '/v1/accounts/{id}/balance';
  const answer = http.get(`${BASE}/v1/accounts/${account}/balance`, params);
  return check(answer, { 'a balance is told': (a) => a.status === 200 }) ? answer.json() : null;
}

/** Pays by card and asks until the saga has ended, within a time. */
function pay(data, payer, merchant, amount, key) {
  const body = JSON.stringify({
    payer_account_id: payer,
    merchant_account_id: merchant,
    amount,
    currency: 'EUR',
    method: { token: 'tok_visa' },
  });
  const answer = http.post(`${BASE}/v1/payments`, body, asMember(data, 'payments', key));
  if (!check(answer, { 'a payment is taken': (a) => a.status === 202 })) {
    return;
  }
  const params = asMember(data, 'payments');
  params.tags.name = '/v1/payments/{id}';
  const deadline = Date.now() + SETTLED_WITHIN_MS;
  let state = answer.json('state');
  while (!ENDED.includes(state) && Date.now() < deadline) {
    sleep(0.1);
    const shown = http.get(`${BASE}/v1/payments/${answer.json('id')}`, params);
    state = shown.status === 200 ? shown.json('state') : state;
  }
  check(state, { 'a payment by a good card succeeds': (s) => s === 'captured' });
}
