// What the Node.js clients' checks share: naming and printing checks, bodies, and bounded waits.
//
// Every script is started with the broker's URL as its only argument, prints `ok <check>` for
// each check that holds, and ends with an error at the first that does not.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';

export const LARGE_BODY = 64 << 20;
// Milliseconds that anything may take; far more than it needs, so that a broken check ends.
export const LIMIT = 20_000;
export const LARGE_LIMIT = 60_000;
// Seconds.
export const HEARTBEAT = 1;
// Milliseconds, longer than the time after which either side gives up a silent peer.
export const IDLE = 3500;
export const CHANNELS = 1000;
export const LOGIN_REFUSED =
  'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. ' +
  'For details see the broker logfile.';

if (process.argv.length !== 3) {
  console.error('usage: node SCRIPT amqp://user:password@host:port/%2f');
  process.exit(2);
}

// The broker's URL, with changed parts and these parameters in its query.
export function url(parameters = {}, parts = {}) {
  const place = Object.assign(new URL(process.argv[2]), parts);
  for (const [name, value] of Object.entries(parameters)) place.searchParams.set(name, value);
  return place.href;
}

// A name that no other run uses.
export const unique = (name) => `clients.${name}.${randomBytes(6).toString('hex')}`;

export const noQueue = (name) => `NOT_FOUND - no queue '${name}' in vhost '/'`;

export const inequivalentDurable = (name) =>
  `PRECONDITION_FAILED - inequivalent arg 'durable' for queue '${name}' in vhost '/': ` +
  "received 'true' but current is 'false'";

// Around the edge of one frame: a body frame carries frameMax - 8 bytes.
export const bodySizes = (frameMax) =>
  [0, 1, frameMax - 8, frameMax - 7, frameMax, 1 << 20];

// As many bytes that do not repeat, the same ones at every call.
export function body(size) {
  const bytes = Buffer.alloc(size);
  let state = size + 1;
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

// Compares by length and hash: the difference of two large bodies is not worth printing.
export function sameBody(actual, expected) {
  assert.equal(actual.length, expected.length, 'length of the body');
  const [got, sent] = [actual, expected].map((bytes) =>
    createHash('sha256').update(bytes).digest('hex'),
  );
  assert.equal(got, sent, `SHA-256 of ${expected.length} bytes`);
}

// Prints `ok <name>` if what is done does not fail, and names the check if it does.
export async function check(name, work) {
  try {
    await work();
  } catch (error) {
    console.error(`failed: ${name}\n`, error);
    process.exit(1);
  }
  console.log(`ok ${name}`);
}

// Waits for a promise, but no longer than `limit` milliseconds.
export async function within(what, promise, limit = LIMIT) {
  let timer;
  const late = new Promise((_, reject) => {
    const error = new Error(`waited ${limit} ms in vain for ${what}`);
    timer = setTimeout(() => reject(error), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Asks until the answer is neither false nor null.
export async function eventually(what, ask, limit = LIMIT) {
  const end = Date.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${limit} ms in vain until ${what}`);
  }
}

// Waits while nothing happens.
export const idle = () => new Promise((resolve) => setTimeout(resolve, IDLE));

// What has arrived and was not taken yet, and whoever waits for the next.
export class Inbox {
  #items = [];
  #takers = [];

  put = (item) => {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  };

  get length() {
    return this.#items.length;
  }

  take(what, limit = LIMIT) {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    return within(what, new Promise((resolve) => this.#takers.push(resolve)), limit);
  }
}
