// Slow readers: what a full send queue does to connections and subscriptions.

import { after, describe, it } from 'node:test';

import { CODECS, connected, subscribed } from '../support/client.mjs';
import { check, equal, pack, unique, unpack, until } from '../support/events.mjs';
import { Raw } from '../support/raw.mjs';
import { Relay } from '../support/relay.mjs';
import { Server } from '../support/server.mjs';

// A peer that reads nothing may do so for longer than usual, as on a busy machine.
const server = await Server.start('--websocket.close-timeout', '60s');
after(() => server.stop());

const FILL = 'x'.repeat(50_000);

/** Publishes until the reader has been cut off, or has lost something, which only the server knows. */
async function flood(codec, source, channel, count) {
  for (let n = 1; n <= count; n += 1) await source.publish(channel, pack(codec, [n, FILL]));
}

describe('a slow reader', { concurrency: false }, () => {
  for (const codec of CODECS) {
    it(`${codec}: gets 3008, and recovers or is told`, async (t) => {
      const relay = await Relay.start(t, server);
      const channel = unique('open:slow');
      const one = await connected(t, relay, codec);
      const sub = await subscribed(one, channel);
      const source = await connected(t, server, codec);
      relay.pause();
      await flood(codec, source, channel, 500);
      relay.resume();
      equal(await one.events.next('connecting', ({ code }) => code > 0), { code: 3008, reason: 'slow' });
      const { wasRecovering } = await sub.events.next('subscribed');
      equal(wasRecovering, true);
      await source.publish(channel, pack(codec, [501, '']));
      await contiguous(codec, sub, 501);
    });

    it(`${codec}: where the queue may lose publications, gets 2500 instead`, async (t) => {
      const relay = await Relay.start(t, server);
      const channel = unique('lossy:slow');
      const one = await connected(t, relay, codec);
      const sub = await subscribed(one, channel);
      const source = await connected(t, server, codec);
      relay.pause();
      await flood(codec, source, channel, 500);
      relay.resume();
      const { code, reason } = await sub.events.next('subscribing', ({ code }) => code > 0);
      equal([code, reason], [2500, 'insufficient state']);
      const { wasRecovering } = await sub.events.next('subscribed');
      equal(wasRecovering, true);
      await source.publish(channel, pack(codec, [501, '']));
      await contiguous(codec, sub, 501);
      equal([one.state, one.tap.sockets.length], ['connected', 1]);
    });
  }

  it('does not slow others down', async (t) => {
    const relay = await Relay.start(t, server);
    const channel = unique('open:slow');
    const slow = await connected(t, relay);
    await subscribed(slow, channel);
    const source = await connected(t, server);
    const sub = await subscribed(await connected(t, server), channel);
    relay.pause();
    await flood('json', source, channel, 300);
    const received = await sub.events.take('publication', 300);
    equal(received.map(({ data: [n] }) => n), Array.from({ length: 300 }, (_, n) => n + 1));
    equal(sub.events.all('subscribed').length, 1);
  });
});

describe('many commands in one message', () => {
  it('are all answered', async (t) => {
    const commands = {
      publish: { channel: 'plain:many', data: 1 },
      history: { channel: 'open:many' },
      presence_stats: { channel: 'open:many' },
    };
    for (const [name, command] of Object.entries(commands)) {
      const raw = await Raw.open(t, server, { user: '42' });
      raw.send(...Array.from({ length: 800 }, (_, n) => ({ id: n + 2, [name]: command })));
      for (let n = 0; n < 800; n += 1) {
        const reply = await raw.next();
        equal([reply.id, typeof reply[name]], [n + 2, 'object'], name);
      }
    }
  });

  for (const codec of CODECS) {
    it(`${codec}: publications are not too many for a subscriber that reads`, async (t) => {
      const one = await Server.start('--shards', '1');
      t.after(() => one.stop());
      const channel = unique('open:b');
      const sub = await subscribed(await connected(t, one, codec), channel);
      const source = await connected(t, one, codec);
      source.startBatching();
      const replies = Array.from({ length: 800 }, (_, n) => source.publish(channel, pack(codec, n)));
      source.stopBatching();
      await Promise.all(replies);
      const received = await sub.events.take('publication', 800);
      equal(received.map(({ data }) => unpack(codec, data)), Array.from({ length: 800 }, (_, n) => n));
      equal(sub.events.all('subscribed').length, 1);
    });
  }
});

/** Waits for the last publication. None may come twice, and a gap only where recovery has failed. */
async function contiguous(codec, sub, last) {
  const received = () => sub.events.all('publication');
  await until(() => received().at(-1)?.offset === last, 'the last publication');
  const offsets = received().map(({ data, offset }) => {
    equal(unpack(codec, data)[0], offset);
    return offset;
  });
  const told = sub.events.all('subscribed').filter(({ wasRecovering, recovered }) => wasRecovering && !recovered);
  const gaps = offsets.filter((offset, n) => n > 0 && offset !== offsets[n - 1] + 1);
  check(offsets.every((offset, n) => n === 0 || offset > offsets[n - 1]), 'one came twice');
  check(gaps.length <= told.length, `${gaps.length} gaps and ${told.length} told`);
}
