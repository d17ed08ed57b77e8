// Runs the cases in the page, and posts the result of each.

import { cases } from '/cases/core.mjs';
import { Events } from '/support/events.mjs';
import { Tap } from '/support/tap.mjs';

const endpoint = new URLSearchParams(location.search).get('endpoint');

const post = async (path, body) => (await fetch(path, { method: 'POST', body: JSON.stringify(body) })).text();

async function run(codec, name) {
  const clients = [];
  const env = {
    token: (claims) => post('/token', claims),
    client(codec, options) {
      const tap = new Tap();
      const one = new globalThis.SDKs[codec](endpoint, {
        websocket: tap.socketClass(WebSocket),
        timeout: 60_000,
        maxServerPingDelay: 60_000,
        minReconnectDelay: 20,
        maxReconnectDelay: 200,
        ...options,
      });
      clients.push(one);
      return Object.assign(one, { codec, tap, events: new Events(one, `the ${codec} client`) });
    },
  };
  const begin = performance.now();
  let error;
  try {
    await cases[name](env, codec);
  } catch (thrown) {
    error = thrown?.stack ?? String(thrown);
  }
  for (const one of clients) one.disconnect();
  await post('/result', { codec, name, error, duration: performance.now() - begin });
}

try {
  for (const codec of ['json', 'protobuf']) {
    for (const name of Object.keys(cases)) await run(codec, name);
  }
} finally {
  await post('/end', {});
}
