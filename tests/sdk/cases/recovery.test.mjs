// Recovery: what a client has missed when it comes back, and what it is told if that is gone.

import { after, describe, it } from 'node:test';

import { CODECS, connected, subscribed, subscribing } from '../support/client.mjs';
import { equal, pack, unique, unpack, until } from '../support/events.mjs';
import { Relay } from '../support/relay.mjs';
import { Server } from '../support/server.mjs';

const server = await Server.start();
after(() => server.stop());

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** Two clients in one channel. */
async function pair(t, codec, channel, options) {
  const [one, two] = [await connected(t, server, codec), await connected(t, server, codec)];
  return { one, sub: await subscribed(one, channel, options), source: await subscribed(two, channel) };
}

async function publish(codec, source, numbers) {
  for (const n of numbers) await source.publish(pack(codec, n));
}

async function receive(codec, sub, numbers) {
  const received = await sub.events.take('publication', numbers.length);
  equal(received.map(({ data }) => unpack(codec, data)), numbers);
}

const outcome = ({ wasRecovering, recovered }) => ({ wasRecovering, recovered });
const RECOVERED = { wasRecovering: true, recovered: true };
const LOST = { wasRecovering: true, recovered: false };
const FRESH = { wasRecovering: false, recovered: false };

describe('recovery', { concurrency: 8 }, () => {
  for (const codec of CODECS) {
    it(`${codec}: a new subscription recovers nothing`, async (t) => {
      const channel = unique('open:new');
      const { sub, source } = await pair(t, codec, channel);
      equal(outcome(sub.context), FRESH);
      equal([sub.context.recoverable, sub.context.positioned], [true, true]);
      await publish(codec, source, [1, 2]);
      await receive(codec, sub, [1, 2]);
      const late = await subscribed(await connected(t, server, codec), channel);
      equal(late.context.streamPosition.offset, 2);
      await publish(codec, source, [3]);
      await receive(codec, late, [3]);
    });

    it(`${codec}: after a cut link with nothing missed`, async (t) => {
      const { one, sub, source } = await pair(t, codec, unique('open:idle'));
      await publish(codec, source, [1]);
      await receive(codec, sub, [1]);
      one.tap.cut()();
      equal(outcome(await sub.events.next('subscribed')), RECOVERED);
      await publish(codec, source, [2]);
      await receive(codec, sub, [2]);
    });

    it(`${codec}: after a second subscribe`, async (t) => {
      const { sub, source } = await pair(t, codec, unique('open:again'));
      sub.unsubscribe();
      await sub.events.next('unsubscribed');
      await publish(codec, source, range(1, 10));
      sub.subscribe();
      equal(outcome(await sub.events.next('subscribed')), RECOVERED);
      await receive(codec, sub, range(1, 10));
    });

    it(`${codec}: from the beginning, before there is an epoch`, async (t) => {
      const channel = unique('open:beginning');
      const { source } = await pair(t, codec, channel);
      await publish(codec, source, range(1, 5));
      const one = await connected(t, server, codec);
      const late = await subscribed(one, channel, { since: { offset: 0, epoch: '' } });
      equal(outcome(late.context), RECOVERED);
      await receive(codec, late, range(1, 5));
    });

    it(`${codec}: from a position that the application has kept`, async (t) => {
      const channel = unique('open:kept');
      const { source } = await pair(t, codec, channel);
      await publish(codec, source, range(1, 5));
      const { epoch } = await source.history();
      const one = await connected(t, server, codec);
      const late = await subscribed(one, channel, { since: { offset: 3, epoch } });
      equal(outcome(late.context), RECOVERED);
      await receive(codec, late, [4, 5]);
    });

    it(`${codec}: from a foreign epoch, or a position that is still to come`, async (t) => {
      const channel = unique('open:foreign');
      const { source } = await pair(t, codec, channel);
      await publish(codec, source, range(1, 3));
      const { epoch } = await source.history();
      for (const since of [{ offset: 2, epoch: 'foreign' }, { offset: 9, epoch }, { offset: 0, epoch: '_' }]) {
        const late = await subscribed(await connected(t, server, codec), channel, { since });
        equal(outcome(late.context), LOST);
        equal(late.context.streamPosition.offset, 3);
        equal(late.context.hasRecoveredPublications, false);
      }
    });

    it(`${codec}: a history that was too short, once by one and once by many`, async (t) => {
      for (const missed of [3, 50]) {
        const { one, sub, source } = await pair(t, codec, unique('small:short'));
        await publish(codec, source, [1]);
        await receive(codec, sub, [1]);
        const reconnect = one.tap.cut();
        await publish(codec, source, range(2, 1 + missed));
        reconnect();
        equal(outcome(await sub.events.next('subscribed')), LOST);
        await publish(codec, source, [0]);
        await receive(codec, sub, [0]);
      }
    });

    it(`${codec}: a history that was just long enough`, async (t) => {
      const { one, sub, source } = await pair(t, codec, unique('small:enough'));
      await publish(codec, source, [1]);
      await receive(codec, sub, [1]);
      const reconnect = one.tap.cut();
      await publish(codec, source, [2, 3]);
      reconnect();
      equal(outcome(await sub.events.next('subscribed')), RECOVERED);
      await receive(codec, sub, [2, 3]);
    });

    it(`${codec}: 300 publications and no more`, async (t) => {
      for (const [missed, expected] of [[300, RECOVERED], [301, LOST]]) {
        const { one, sub, source } = await pair(t, codec, unique('open:limit'));
        const reconnect = one.tap.cut();
        await publish(codec, source, range(1, missed));
        reconnect();
        equal(outcome(await sub.events.next('subscribed')), expected);
        if (expected === RECOVERED) await receive(codec, sub, range(1, missed));
      }
    });

    it(`${codec}: a link cut again and again while there are publications`, async (t) => {
      const channel = unique('open:stress');
      const relay = await Relay.start(t, server);
      const one = await connected(t, relay, codec);
      const sub = await subscribed(one, channel);
      const source = await subscribed(await connected(t, server, codec), channel);
      for (const n of range(1, 600)) {
        await source.publish(pack(codec, n));
        if (n % 60 !== 0) continue;
        const before = sub.events.all('subscribed').length;
        relay.cut();
        relay.open();
        // Every other time the publications go on meanwhile.
        if (n % 120 === 0) await until(() => sub.events.all('subscribed').length > before, 'the subscription');
      }
      await receive(codec, sub, range(1, 600));
      equal(sub.events.all('publication').length, 600);
      for (const context of sub.events.all('subscribed').slice(1)) equal(outcome(context), RECOVERED);
    });

    it(`${codec}: only the latest in a namespace that is a cache`, async (t) => {
      const channel = unique('cache:state');
      const { one, sub, source } = await pair(t, codec, channel);
      const reconnect = one.tap.cut();
      await publish(codec, source, range(1, 15));
      reconnect();
      equal(outcome(await sub.events.next('subscribed')), RECOVERED);
      await receive(codec, sub, [15]);
      // Who is up to date gets nothing.
      one.tap.cut()();
      const again = await sub.events.next('subscribed');
      equal([outcome(again), again.hasRecoveredPublications], [RECOVERED, false]);
      await publish(codec, source, [16]);
      await receive(codec, sub, [16]);
      // Who is new and asks gets it.
      const late = await subscribed(await connected(t, server, codec), channel, { since: { offset: 0, epoch: '' } });
      equal(outcome(late.context), RECOVERED);
      await receive(codec, late, [16]);
    });

    it(`${codec}: the latest for everyone new where the namespace says so`, async (t) => {
      const channel = unique('latest:state');
      const { sub, source } = await pair(t, codec, channel);
      await publish(codec, source, [1, 2]);
      await receive(codec, sub, [1, 2]);
      const late = await subscribed(await connected(t, server, codec), channel);
      await receive(codec, late, [2]);
      await publish(codec, source, [3]);
      await receive(codec, late, [3]);
    });

    it(`${codec}: for those who ask where the namespace allows it`, async (t) => {
      const channel = unique('asked:room');
      const one = await connected(t, server, codec);
      const position = ({ recoverable, positioned }) => ({ recoverable, positioned });
      const not = await subscribed(one, channel);
      equal(position(not.context), { recoverable: false, positioned: false });
      const two = await connected(t, server, codec);
      const sub = await subscribed(two, channel, { recoverable: true });
      equal(position(sub.context), { recoverable: true, positioned: true });
      const three = await connected(t, server, codec);
      const positioned = await subscribed(three, channel, { positioned: true });
      equal(position(positioned.context), { recoverable: false, positioned: true });
      // Not where it does not.
      const plain = await subscribed(one, unique('plain:room'), { recoverable: true, positioned: true });
      equal(position(plain.context), { recoverable: false, positioned: false });
      const reconnect = two.tap.cut();
      await publish(codec, not, [1, 2]);
      reconnect();
      equal(outcome(await sub.events.next('subscribed')), RECOVERED);
      await receive(codec, sub, [1, 2]);
    });

    it(`${codec}: an application that loads its state is asked again when it must`, async (t) => {
      const channel = unique('small:state');
      const [one, two] = [await connected(t, server, codec), await connected(t, server, codec)];
      const source = await subscribed(two, channel);
      await publish(codec, source, [1, 2]);
      let asked = 0;
      const getState = async () => {
        asked += 1;
        const { offset, epoch } = await source.history();
        return { offset, epoch };
      };
      const sub = await subscribed(one, channel, { getState });
      equal([asked, outcome(sub.context)], [1, RECOVERED]);
      // What can be recovered is.
      const reconnect = one.tap.cut();
      await publish(codec, source, [3]);
      reconnect();
      equal(outcome(await sub.events.next('subscribed')), RECOVERED);
      await receive(codec, sub, [3]);
      equal(asked, 1);
      // What cannot gets error 112, and the SDK asks.
      const again = one.tap.cut();
      await publish(codec, source, range(4, 9));
      again();
      equal(outcome(await sub.events.next('subscribed')), RECOVERED);
      equal(asked, 2);
      if (codec === 'json') equal(one.tap.replies('error').map(({ code }) => code), [112]);
      await publish(codec, source, [10]);
      await receive(codec, sub, [10]);
    });
  }

  it('many channels of one connection', async (t) => {
    const [one, two] = [await connected(t, server), await connected(t, server)];
    const name = unique('open:room');
    const subs = [];
    for (const n of range(1, 50)) subs.push(await subscribed(one, `${name}-${n}`));
    const reconnect = one.tap.cut();
    for (const [n, sub] of subs.entries()) {
      for (const m of range(1, n % 5)) await two.publish(sub.channel, m);
    }
    reconnect();
    for (const [n, sub] of subs.entries()) {
      equal(outcome(await sub.events.next('subscribed')), RECOVERED);
      await receive('json', sub, range(1, n % 5));
    }
  });
});

describe('a restart of the server', () => {
  it('gets 3001, and what is lost is said to be', async (t) => {
    const own = await Server.start();
    const ones = [];
    for (const codec of CODECS) {
      const one = await connected(t, own, codec);
      const sub = await subscribed(one, unique('open:restart'));
      await publish(codec, sub, [1]);
      await receive(codec, sub, [1]);
      ones.push({ one, sub, codec });
    }
    await own.stop();
    for (const { one } of ones) {
      equal((await one.events.next('connecting', ({ code }) => code > 0)).code, 3001);
    }
    await own.again();
    t.after(() => own.stop());
    for (const { one, sub, codec } of ones) {
      await one.events.next('connected');
      equal(outcome(await sub.events.next('subscribed')), LOST);
      await publish(codec, sub, [2]);
      const { data, offset } = await sub.events.next('publication');
      equal([unpack(codec, data), offset], [2, 1]);
    }
  });
});
