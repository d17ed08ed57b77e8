// Presence, its counts, joins and leaves, as clients come and go.

import { after, describe, it } from 'node:test';

import { CODECS, connected, subscribed, WEBSOCKET_ONLY } from '../support/client.mjs';
import { equal, rejection, together, unique, unpack, until } from '../support/events.mjs';
import { Server } from '../support/server.mjs';
import { token } from '../support/token.mjs';

const server = await Server.start();
after(() => server.stop());

const as = (sub, more = {}) => ({ token: token({ sub, ...more }) });

/** The ids of those who are there. */
const there = async (sub) => Object.keys((await sub.presence()).clients).sort();

describe('presence', { concurrency: 8 }, () => {
  it('is right at once after each subscribe and unsubscribe', WEBSOCKET_ONLY, async (t) => {
    for (const codec of CODECS) {
      const channel = unique('open:room');
      const [one, two] = [await connected(t, server, codec, as('1')), await connected(t, server, codec, as('2'))];
      const [a, b] = [await subscribed(one, channel), await subscribed(two, channel)];
      for (let n = 0; n < 10; n += 1) {
        equal(await a.presenceStats(), { numClients: 2, numUsers: 2 });
        equal(await there(a), [one.id, two.id].sort());
        b.unsubscribe();
        // The SDK has sent it; what the same client asks next comes behind it.
        equal(await two.presenceStats(channel), { numClients: 1, numUsers: 1 });
        equal(await there(a), [one.id]);
        b.subscribe();
        await b.events.next('subscribed');
      }
    }
  });

  it('counts users once, and anonymous clients as one', async (t) => {
    const channel = unique('anyone:room');
    const users = ['ann', 'ann', 'bob', '', ''];
    const ones = await together(users, (user, n) => connected(t, server, CODECS[n % CODECS.length], as(user)));
    const subs = [];
    for (const one of ones) subs.push(await subscribed(one, channel));
    equal(await subs[0].presenceStats(), { numClients: 5, numUsers: 3 });
    const { clients } = await subs[1].presence();
    equal(Object.fromEntries(Object.entries(clients).map(([id, { user }]) => [id, user])),
      Object.fromEntries(ones.map(({ id }, n) => [id, users[n]])));
  });

  it('ends with the connection: closed, cut, or gone by itself', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('joins:room');
      const watcher = await subscribed(await connected(t, server, codec), channel);
      const ends = [
        (one) => one.disconnect(),
        (one) => one.tap.cut(),
        (one) => one.send(new Uint8Array([1])).catch(() => {}),
      ];
      for (const end of ends) {
        const one = await connected(t, server, 'protobuf', as('leaver'));
        await subscribed(one, channel);
        await watcher.events.next('join', ({ info }) => info.client === one.id);
        end(one);
        equal((await watcher.events.next('leave')).info.client, one.id);
        equal(await watcher.presenceStats(), { numClients: 1, numUsers: 1 });
      }
    }
  });

  it('has the info of connection and subscription', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('open:room');
      const one = await connected(t, server, codec, as('42', { info: { name: 'Ann' } }));
      const sub = await subscribed(one, channel, {
        token: token({ sub: '42', channel, info: { seat: 7 } }),
      });
      const { clients } = await sub.presence();
      equal(Object.keys(clients), [one.id]);
      const { user, client, connInfo, chanInfo } = clients[one.id];
      equal([user, client, unpack(codec, connInfo), unpack(codec, chanInfo)],
        ['42', one.id, { name: 'Ann' }, { seat: 7 }]);
    }
  });

  it('of 100 clients who come and go is empty in the end', async (t) => {
    const channel = unique('open:crowd');
    const watcher = await connected(t, server);
    const ones = await together(Array(100), (_, n) => connected(t, server, CODECS[n % CODECS.length], as(String(n % 10))));
    await together(ones, (one) => subscribed(one, channel));
    equal(await watcher.presenceStats(channel), { numClients: 100, numUsers: 10 });
    for (const [n, one] of ones.entries()) {
      if (n % 3) one.disconnect();
      else one.getSubscription(channel).unsubscribe();
    }
    await until(async () => (await watcher.presenceStats(channel)).numClients === 0, 'all to be gone');
    equal(await watcher.presence(channel), { clients: {} });
  });

  it('an empty channel has none', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      equal(await one.presenceStats('open:nobody'), { numClients: 0, numUsers: 0 });
      equal(await one.presence('open:nobody'), { clients: {} });
    }
  });

  it('gets 102, 103 and 108', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      for (const [channel, code] of [['unknown:room', 102], ['closed:room', 103], ['plain:room', 108]]) {
        equal((await rejection(one.presence(channel))).code, code, channel);
        equal((await rejection(one.presenceStats(channel))).code, code, channel);
      }
    }
  });
});

describe('joins and leaves', { concurrency: 8 }, () => {
  it('come to everyone where the namespace says so, the own join too', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('joins:room');
      const info = { name: 'Ann' };
      const one = await connected(t, server, codec, as('1', { info }));
      const a = await subscribed(one, channel);
      const own = (await a.events.next('join')).info;
      equal([own.user, own.client, unpack(codec, own.connInfo)], ['1', one.id, info]);
      const two = await connected(t, server, codec, as('2'));
      const b = await subscribed(two, channel);
      equal((await a.events.next('join')).info.client, two.id);
      equal((await b.events.next('join')).info.client, two.id);
      a.unsubscribe();
      const left = (await b.events.next('leave')).info;
      equal([left.user, left.client, unpack(codec, left.connInfo)], ['1', one.id, info]);
      equal(b.events.all('join').length, 1);
    }
  });

  it('come to those who ask where the namespace allows it', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('open:room');
      const [one, two, three] = await together(['1', '2', '3'], (user) => connected(t, server, codec, as(user)));
      const asks = await subscribed(one, channel, { joinLeave: true });
      const asksNot = await subscribed(two, channel);
      const goes = await subscribed(three, channel);
      goes.unsubscribe();
      equal((await asks.events.take('join', 3)).map(({ info }) => info.client), [one.id, two.id, three.id]);
      equal((await asks.events.next('leave')).info.client, three.id);
      await asksNot.publish(codec === 'json' ? 1 : new Uint8Array([49]));
      await asksNot.events.next('publication');
      equal([asksNot.events.all('join'), asksNot.events.all('leave')], [[], []]);
    }
  });

  it('do not come where the namespace has none', async (t) => {
    const channel = unique('plain:room');
    const [one, two] = [await connected(t, server), await connected(t, server)];
    const sub = await subscribed(one, channel, { joinLeave: true });
    const other = await subscribed(two, channel);
    other.unsubscribe();
    await two.publish(channel, 1);
    await sub.events.next('publication');
    equal([sub.events.all('join'), sub.events.all('leave')], [[], []]);
  });
});
