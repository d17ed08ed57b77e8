// Clients of the SDK in Node.

import { createRequire } from 'node:module';
import { join } from 'node:path';

import { Events } from './events.mjs';
import { Tap } from './tap.mjs';
import { token } from './token.mjs';

// The packages are installed outside of the source tree.
const require = createRequire(join(process.env.SDK_PACKAGES, 'package.json'));
export const { WebSocket } = require('ws');
const { Centrifuge } = require('centrifuge');
const { Centrifuge: CentrifugeProtobuf } = require('centrifuge/build/protobuf');

const EventSource = require('eventsource');

export { Centrifuge };

/** The transport of the clients: websocket, http_stream or sse. */
export const TRANSPORT = process.env.SDK_TRANSPORT ?? 'websocket';

/** The encodings that the transport has. */
export const CODECS = TRANSPORT === 'sse' ? ['json'] : ['json', 'protobuf'];

/** Options of a case that is about WebSocket, or needs commands to keep their order. */
export const WEBSOCKET_ONLY = {
  skip: TRANSPORT !== 'websocket' && 'commands may overtake one another, or it is about WebSocket',
};

/** Returns where a client connects to. `server` is a server, or a relay before one. */
function endpoint(server, codec) {
  if (TRANSPORT === 'websocket') return server.url();
  const transport = codec === 'json' ? TRANSPORT : 'http_stream';
  return [{ transport, endpoint: http(server.url(`/connection/${transport}`)) }];
}

const http = (url) => url.replace(/^ws/, 'http');

/**
 * Returns a client that is not connected yet, with its `events` and its `tap`. Unless the options say
 * otherwise, it has a token of the user `42`.
 */
export function client(t, server, codec = 'json', options = {}) {
  const tap = new Tap();
  const one = new (codec === 'json' ? Centrifuge : CentrifugeProtobuf)(endpoint(server, codec), {
    websocket: tap.socketClass(WebSocket),
    fetch: tap.fetch,
    readableStream: ReadableStream,
    eventsource: tap.eventSourceClass(EventSource),
    emulationEndpoint: http(server.url('/emulation')),
    // A machine that is busy is no reason to connect again.
    timeout: 60_000,
    maxServerPingDelay: 60_000,
    minReconnectDelay: 20,
    maxReconnectDelay: 200,
    ...('token' in options || 'getToken' in options ? {} : { token: token({ sub: '42' }) }),
    ...options,
  });
  t.after(() => one.disconnect());
  return Object.assign(one, { codec, tap, events: new Events(one, `the ${codec} client`) });
}

/** Returns a client that is connected. */
export async function connected(t, server, codec, options) {
  const one = client(t, server, codec, options);
  one.connect();
  one.id = (await one.events.next('connected')).client;
  return one;
}

/** Returns a new subscription of a client with its `events`, subscribing. */
export function subscribing(one, channel, options = {}) {
  const sub = one.newSubscription(channel, {
    minResubscribeDelay: 20,
    maxResubscribeDelay: 200,
    ...options,
  });
  sub.events = new Events(sub, `the subscription to ${channel}`);
  sub.subscribe();
  return sub;
}

/** Returns a new subscription of a client, subscribed. */
export async function subscribed(one, channel, options) {
  const sub = subscribing(one, channel, options);
  sub.context = await sub.events.next('subscribed');
  return sub;
}
