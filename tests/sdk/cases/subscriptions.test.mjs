// Subscribing: permissions, tokens, names, limits, and the errors with which it ends.

import { after, describe, it } from 'node:test';

import { client, CODECS, connected, subscribed, subscribing } from '../support/client.mjs';
import { check, equal, pack, rejection, together, unique, unpack } from '../support/events.mjs';
import { Server } from '../support/server.mjs';
import { now, token } from '../support/token.mjs';

const server = await Server.start();
after(() => server.stop());

/** Subscribes and expects an error, after which the connection is as before. */
async function refused(one, channel, code, options) {
  const sub = subscribing(one, channel, options);
  const context = await sub.events.next('unsubscribed');
  equal(context.code, code, `${channel} (${context.reason})`);
  equal([sub.state, one.state], ['unsubscribed', 'connected']);
  return context;
}

describe('subscriptions', { concurrency: 8 }, () => {
  it('each error has its message', async (t) => {
    const one = await connected(t, server);
    equal((await refused(one, 'unknown:room', 102)).reason, 'unknown channel');
    equal((await refused(one, 'closed:room', 103)).reason, 'permission denied');
    equal((await refused(one, `open:${'x'.repeat(251)}`, 107)).reason, 'bad request');
    equal((await rejection(one.history('plain:room', { limit: 1 }))).message, 'not available');
  });

  it('names have at most 255 bytes, of ASCII unless the namespace says otherwise', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const prefix = unique('open:long');
      await subscribed(one, prefix + 'x'.repeat(255 - prefix.length));
      await refused(one, prefix + 'x'.repeat(256 - prefix.length), 107);
      await refused(one, 'open:caf\u00e9', 107);
      await refused(one, 'digits:abc', 107);
      await subscribed(one, 'digits:123');
    }
  });

  it('a private channel needs a token', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      await refused(one, '$open:room', 103);
      const channel = unique('$open:room');
      await subscribed(one, channel, { token: token({ sub: '42', channel }) });
    }
  });

  it('a token opens a channel, and says what the subscription is told', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('closed:room');
      const one = await connected(t, server, codec);
      const claims = { sub: '42', channel, info: { role: 'guest' }, data: { topic: 'news' } };
      const sub = await subscribed(one, channel, { token: token(claims) });
      equal(unpack(codec, sub.context.data), { topic: 'news' });
    }
  });

  it('info of a token is in presence, joins and publications', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('joins:room');
      const one = await connected(t, server, codec);
      const sub = await subscribed(one, channel, {
        token: token({ sub: '42', channel, info: { role: 'guest' } }),
      });
      const info = async (of) => unpack(codec, (await of).chanInfo);
      equal(await info(sub.events.next('join').then(({ info }) => info)), { role: 'guest' });
      equal(await info(sub.presence().then(({ clients }) => clients[one.id])), { role: 'guest' });
      await sub.publish(pack(codec, 1));
      equal(await info(sub.events.next('publication').then(({ info }) => info)), { role: 'guest' });
    }
  });

  for (const [what, text] of [
    ['is no token', () => 'no token'],
    ['is signed with another key', (channel) => token({ sub: '42', channel }, { secret: 'other' })],
    ['names no channel', () => token({ sub: '42' })],
  ]) {
    it(`a token that ${what} is refused, and the connection stays`, async (t) => {
      for (const codec of CODECS) {
        const channel = unique('open:room');
        await refused(await connected(t, server, codec), channel, 103, { token: text(channel) });
      }
    });
  }

  for (const [what, claims] of [
    ['channel', { sub: '42', channel: 'open:other' }],
    ['user', { sub: '43', channel: 'open:room' }],
    ['anonymous user', { channel: 'open:room' }],
  ]) {
    it(`a token of another ${what} gets 3500, and the SDK ends`, async (t) => {
      for (const codec of CODECS) {
        const one = await connected(t, server, codec);
        subscribing(one, 'open:room', { token: token(claims) });
        equal((await one.events.next('disconnected')).code, 3500);
      }
    });
  }

  it('an expired token is replaced', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('closed:room');
      const tokens = [-10, 3600].map((seconds) => token({ sub: '42', channel, exp: now() + seconds }));
      const one = await connected(t, server, codec);
      const sub = subscribing(one, channel, { getToken: async () => tokens.shift() });
      equal((await sub.events.next('error')).error.code, 109);
      await sub.events.next('subscribed');
    }
  });

  it('an expired token without another ends the subscription as unauthorized', async (t) => {
    const channel = unique('closed:room');
    const one = await connected(t, server);
    await refused(one, channel, 1, { token: token({ sub: '42', channel, exp: now() - 10 }) });
  });

  it('a channel of users is for those users', async (t) => {
    const channel = unique('named:room') + '#7,9';
    for (const codec of CODECS) {
      for (const sub of ['7', '9']) {
        await subscribed(await connected(t, server, codec, { token: token({ sub }) }), channel);
      }
      for (const sub of ['8', '79', '']) {
        await refused(await connected(t, server, codec, { token: token({ sub }) }), channel, 103);
      }
      // Not where the namespace does not say so.
      await refused(await connected(t, server, codec, { token: token({ sub: '7' }) }), 'closed:room#7', 103);
    }
  });

  it('what clients may, anonymous ones may not', async (t) => {
    const one = await connected(t, server, 'json', { token: token({ iat: now() }) });
    await refused(one, 'open:room', 103);
    equal((await rejection(one.publish('open:room', {}))).code, 103);
    await subscribed(one, unique('anyone:room'));
  });

  it('what subscribers may, others may not', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('members:room');
      const one = await connected(t, server, codec);
      const calls = [
        () => one.publish(channel, pack(codec, {})),
        () => one.presence(channel),
        () => one.presenceStats(channel),
        () => one.history(channel, { limit: 1 }),
      ];
      for (const call of calls) equal((await rejection(call())).code, 103);
      const sub = await subscribed(one, channel);
      for (const call of calls) await call();
      sub.unsubscribe();
      await sub.events.next('unsubscribed');
      for (const call of calls) equal((await rejection(call())).code, 103);
    }
  });

  it('a connection has at most 128 channels', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const name = unique('plain:room');
      const subs = await together(Array(128), (_, n) => subscribed(one, `${name}-${n}`));
      equal((await refused(one, `${name}-128`, 106)).reason, 'limit exceeded');
      subs[5].unsubscribe();
      await subs[5].events.next('unsubscribed');
      await subscribed(one, `${name}-129`);
    }
  });

  it('subscriptions made before connecting come in the message that connects', async (t) => {
    for (const codec of CODECS) {
      const one = client(t, server, codec);
      const name = unique('open:room');
      const subs = Array.from({ length: 100 }, (_, n) => subscribing(one, `${name}-${n}`));
      one.connect();
      await together(subs, (sub) => sub.events.next('subscribed'));
      // One message has both; the SDK waits for no reply.
      if (codec === 'json') {
        equal(one.tap.received[0].id, 1);
        equal(one.tap.replies('subscribe').length, 100);
      }
      await subs[7].publish(pack(codec, { n: 7 }));
      equal(unpack(codec, (await subs[7].events.next('publication')).data), { n: 7 });
    }
  });

  it('subscribes and unsubscribes in quick succession', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const sub = await subscribed(one, unique('open:room'));
      for (let n = 0; n < 50; n += 1) {
        sub.unsubscribe();
        sub.subscribe();
      }
      await sub.ready(60_000);
      await sub.publish(pack(codec, { n: 1 }));
      equal(unpack(codec, (await sub.events.next('publication')).data), { n: 1 });
      equal((await sub.presenceStats()).numClients, 1);
      check(!sub.events.all('unsubscribed').some(({ code }) => code === 105), 'error 105');
    }
  });

  it('what is not subscribed gets nothing', async (t) => {
    const channel = unique('open:room');
    const [one, two] = [await connected(t, server), await connected(t, server)];
    const sub = await subscribed(one, channel);
    const source = await subscribed(two, channel);
    sub.unsubscribe();
    await source.publish({ n: 1 });
    // The answer would come behind the publication.
    await one.history(channel);
    equal(one.tap.replies('push').filter(({ pub }) => pub), []);
  });
});
