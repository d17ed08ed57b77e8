// Waiting for events, and comparing: what cases use in Node and in a browser alike.

/** How long anything may take that must happen, in milliseconds. Only a failure takes that long. */
export const LIMIT = 90_000;

/** Waits for a promise, at most LIMIT. */
export function limit(promise, what) {
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), LIMIT);
  });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}

/** Waits until a function returns something true, and returns that. */
export async function until(poll, what) {
  const begin = Date.now();
  for (;;) {
    const value = await poll();
    if (value) return value;
    if (Date.now() - begin > LIMIT) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Fails if two values differ. */
export function equal(found, expected, what = 'value') {
  if (text(found) !== text(expected)) {
    throw new Error(`${what}: found ${text(found)}, expected ${text(expected)}`);
  }
}

/** Fails if a condition does not hold. */
export function check(condition, what) {
  if (!condition) throw new Error(what);
}

/** JSON, with the keys of objects in order and without those that are undefined. */
function text(value) {
  return JSON.stringify(value, (_, inner) => {
    if (inner instanceof Uint8Array) return `bytes ${Array.from(inner)}`;
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

const NAMES = [
  'connecting', 'connected', 'disconnected', 'subscribing', 'subscribed', 'unsubscribed',
  'publication', 'join', 'leave', 'error', 'message',
];

/** What a client or subscription has told so far, and what it tells next. */
export class Events {
  #queues = Object.fromEntries(NAMES.map((name) => [name, []]));
  #taken = Object.fromEntries(NAMES.map((name) => [name, 0]));
  #order = [];
  #waiting = new Set();

  constructor(emitter, what) {
    this.what = what;
    for (const name of NAMES) {
      emitter.on(name, (context) => {
        this.#queues[name].push(context);
        this.#order.push(`${name} ${text(context)?.slice(0, 200)}`);
        for (const look of this.#waiting) look();
      });
    }
  }

  /** Returns every event of this name so far. */
  all(name) {
    return this.#queues[name];
  }

  /** Returns the next event of this name that has not been taken, and for which the condition holds. */
  async next(name, condition = () => true) {
    let look;
    const found = new Promise((resolve) => {
      look = () => {
        while (this.#taken[name] < this.#queues[name].length) {
          const context = this.#queues[name][this.#taken[name]++];
          if (!condition(context)) continue;
          this.#waiting.delete(look);
          return resolve(context);
        }
      };
      this.#waiting.add(look);
      look();
    });
    try {
      return await limit(found, `'${name}'`);
    } catch (error) {
      throw new Error(`${error.message} of ${this.what}; it told: ${this.#order.slice(-20).join('; ')}`);
    } finally {
      this.#waiting.delete(look);
    }
  }

  /** Returns the next events of this name. */
  async take(name, count) {
    const events = [];
    while (events.length < count) events.push(await this.next(name));
    return events;
  }
}

/** Returns the error with which a promise is rejected. */
export async function rejection(promise, what = 'promise') {
  try {
    await limit(promise, what);
  } catch (error) {
    return error;
  }
  throw new Error(`${what}: not rejected`);
}

/** Returns code and message of the error with which a call is rejected. */
export async function refusal(call) {
  const { code, message } = await rejection(call, 'call');
  return { code, message };
}

let last = 0;
const run = Math.random().toString(36).slice(2, 8);

/** Returns a name that no other case uses. */
export function unique(name) {
  return `${name}-${run}-${++last}`;
}

/** Runs a function for each of some values, all at once. */
export function together(values, run) {
  return Promise.all(Array.from(values, run));
}

const utf8 = new TextEncoder();

/** Returns a value as this client publishes and receives it. */
export function pack(codec, value) {
  return codec === 'json' ? value : utf8.encode(JSON.stringify(value));
}

/** Returns the value that this client has received. */
export function unpack(codec, data) {
  return codec === 'json' ? data : JSON.parse(new TextDecoder().decode(data));
}
