// Pings, pongs, and what happens without them.

import { after, describe, it } from 'node:test';

import { client, CODECS, connected, subscribed, WEBSOCKET_ONLY } from '../support/client.mjs';
import { equal, pack, unique, unpack, until } from '../support/events.mjs';
import { Raw } from '../support/raw.mjs';
import { Relay } from '../support/relay.mjs';
import { Server } from '../support/server.mjs';

const [calm, hasty] = await Promise.all([
  Server.start('--client.ping-interval', '10s', '--client.pong-timeout', '9s'),
  Server.start('--client.ping-interval', '1s', '--client.pong-timeout', '500ms'),
]);
after(() => Promise.all([calm.stop(), hasty.stop()]));

const isPing = (reply) => Object.keys(reply).length === 0;

describe('pings', { concurrency: true }, () => {
  it('are sent and answered', async (t) => {
    const one = await connected(t, calm);
    const [{ ping, pong }] = one.tap.replies('connect');
    equal([ping, pong], [10, true]);
    await until(() => one.tap.received.filter(isPing).length >= 2, 'two pings');
    await until(() => one.tap.sent.filter(isPing).length >= 2, 'two pongs');
    equal([one.state, one.tap.sockets.length], ['connected', 1]);
  });

  it('are sent and answered in Protobuf', WEBSOCKET_ONLY, async (t) => {
    const one = await connected(t, calm, 'protobuf');
    let pings = 0;
    one.tap.sockets[0].on('message', (data) => {
      if (data.byteLength === 1 && new Uint8Array(data)[0] === 0) pings += 1;
    });
    await until(() => pings >= 2, 'two pings');
    equal([one.state, one.tap.sockets.length], ['connected', 1]);
  });

  it('that are not answered get 3012, and the SDK connects again', async (t) => {
    const one = client(t, hasty);
    one.tap.pongs = false;
    one.connect();
    await one.events.next('connected');
    equal(await one.events.next('connecting', ({ code }) => code > 0), { code: 3012, reason: 'no pong' });
    await one.events.next('connected');
  });

  it('that are answered twice get 3501', async (t) => {
    const raw = await Raw.open(t, calm, { user: '42' });
    while (!isPing(await raw.next()));
    raw.send('{}');
    raw.send('{}');
    equal((await raw.end()).code, 3501);
  });

  it('that do not come make the SDK connect again and recover', async (t) => {
    for (const codec of CODECS) {
      const relay = await Relay.start(t, hasty);
      const channel = unique('open:silence');
      const one = await connected(t, relay, codec, { maxServerPingDelay: 1000 });
      const sub = await subscribed(one, channel);
      relay.pause();
      equal(await one.events.next('connecting', ({ code }) => code === 2), { code: 2, reason: 'no ping' });
      const source = await connected(t, hasty, codec);
      await source.publish(channel, pack(codec, 1));
      equal((await sub.events.next('subscribed')).recovered, true);
      equal(unpack(codec, (await sub.events.next('publication')).data), 1);
    }
  });
});
