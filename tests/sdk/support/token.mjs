// JSON web tokens, as a backend makes them.

import { createHmac } from 'node:crypto';

export const SECRET = 'secret';

/** Seconds since 1970. */
export const now = () => Math.floor(Date.now() / 1000);

const encoded = (part) => Buffer.from(part).toString('base64url');

/** Returns a token with these claims. */
export function token(claims, { algorithm = 'HS256', secret = SECRET, header = {} } = {}) {
  const head = encoded(JSON.stringify({ alg: algorithm, typ: 'JWT', ...header }));
  const body = encoded(typeof claims === 'string' ? claims : JSON.stringify(claims));
  const hash = `sha${algorithm.slice(2)}`;
  const signature = createHmac(hash, secret).update(`${head}.${body}`).digest('base64url');
  return `${head}.${body}.${signature}`;
}
