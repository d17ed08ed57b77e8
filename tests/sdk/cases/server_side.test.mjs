// Subscriptions that the server makes: of tokens, and the personal channel of a user.

import { after, describe, it } from 'node:test';

import { client, CODECS, connected, subscribing } from '../support/client.mjs';
import { equal, pack, unique, unpack } from '../support/events.mjs';
import { Server } from '../support/server.mjs';
import { now, token } from '../support/token.mjs';

const [server, personal, single] = await Promise.all([
  Server.start(),
  Server.start('--client.subscribe-to-user-personal-channel.enabled'),
  Server.start(
    '--client.subscribe-to-user-personal-channel.enabled',
    '--client.subscribe-to-user-personal-channel.single-connection',
  ),
]);
after(() => Promise.all([server.stop(), personal.stop(), single.stop()]));

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const outcome = ({ wasRecovering, recovered }) => ({ wasRecovering, recovered });
const RECOVERED = { wasRecovering: true, recovered: true };
const LOST = { wasRecovering: true, recovered: false };

describe('server-side subscriptions', { concurrency: 8 }, () => {
  it('of the claim `channels`', async (t) => {
    for (const codec of CODECS) {
      const channels = [unique('closed:a'), unique('joins:b'), unique('plain:c')];
      const one = await connected(t, server, codec, { token: token({ sub: '42', channels }) });
      const contexts = await one.events.take('subscribed', 3);
      equal(contexts.map(({ channel }) => channel).sort(), [...channels].sort());
      const join = await one.events.next('join');
      equal([join.channel, join.info.client], [channels[1], one.id]);
      for (const channel of channels.slice(1)) {
        await one.publish(channel, pack(codec, channel));
        const publication = await one.events.next('publication');
        equal([publication.channel, unpack(codec, publication.data), publication.info.client], [channel, channel, one.id]);
      }
    }
  });

  it('of the claim `subs`, with info and data', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('joins:room');
      const subs = { [channel]: { info: { role: 'guest' }, data: { topic: 'news' } } };
      const one = await connected(t, server, codec, { token: token({ sub: '42', subs }) });
      const context = await one.events.next('subscribed');
      equal([context.channel, unpack(codec, context.data)], [channel, { topic: 'news' }]);
      equal(unpack(codec, (await one.events.next('join')).info.chanInfo), { role: 'guest' });
      const { clients } = await one.presence(channel);
      equal(unpack(codec, clients[one.id].chanInfo), { role: 'guest' });
    }
  });

  it('are with the others in presence and publications', async (t) => {
    const channel = unique('joins:room');
    const one = await connected(t, server, 'json', { token: token({ sub: '1', channels: [channel] }) });
    const two = await connected(t, server, 'protobuf', { token: token({ sub: '2' }) });
    const sub = subscribing(two, channel);
    await sub.events.next('subscribed');
    equal((await one.events.take('join', 2)).map(({ info }) => info.client), [one.id, two.id]);
    equal(await one.presenceStats(channel), { numClients: 2, numUsers: 2 });
    await sub.publish(pack('protobuf', { n: 1 }));
    equal((await one.events.next('publication')).data, { n: 1 });
    one.disconnect();
    equal((await sub.events.next('leave')).info.client, one.id);
  });

  it('cannot be made again by the client: 105', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('open:room');
      const one = await connected(t, server, codec, { token: token({ sub: '42', channels: [channel] }) });
      const sub = subscribing(one, channel);
      const { code, reason } = await sub.events.next('unsubscribed');
      equal([code, reason], [105, 'already subscribed']);
    }
  });

  it('of an unknown namespace end the client with 102', async (t) => {
    for (const codec of CODECS) {
      const one = client(t, server, codec, { token: token({ sub: '42', channels: ['unknown:room'] }) });
      one.connect();
      equal(await one.events.next('disconnected'), { code: 102, reason: 'unknown channel' });
    }
  });

  it('recover what a cut link has missed', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('open:room');
      const one = await connected(t, server, codec, { token: token({ sub: '1', channels: [channel] }) });
      equal((await one.events.next('subscribed')).recoverable, true);
      const two = await connected(t, server, codec);
      await two.publish(channel, pack(codec, 1));
      equal(unpack(codec, (await one.events.next('publication')).data), 1);
      const reconnect = one.tap.cut();
      for (const n of range(2, 5)) await two.publish(channel, pack(codec, n));
      reconnect();
      equal(outcome(await one.events.next('subscribed')), RECOVERED);
      await two.publish(channel, pack(codec, 6));
      const received = await one.events.take('publication', 5);
      equal(received.map(({ data, offset }) => [unpack(codec, data), offset]), range(2, 6).map((n) => [n, n]));
    }
  });

  it('say when they cannot', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('small:room');
      const one = await connected(t, server, codec, { token: token({ sub: '1', channels: [channel] }) });
      await one.events.next('subscribed');
      const two = await connected(t, server, codec);
      const reconnect = one.tap.cut();
      for (const n of range(1, 5)) await two.publish(channel, pack(codec, n));
      reconnect();
      equal(outcome(await one.events.next('subscribed')), LOST);
      await two.publish(channel, pack(codec, 6));
      equal(unpack(codec, (await one.events.next('publication')).data), 6);
    }
  });

  it('that a token no longer has are gone after a reconnect', async (t) => {
    const [first, second] = [unique('closed:first'), unique('closed:second')];
    const one = await connected(t, server, 'json', { token: token({ sub: '1', channels: [first] }) });
    equal((await one.events.next('subscribed')).channel, first);
    one.setToken(token({ sub: '1', channels: [second] }));
    one.tap.cut()();
    equal((await one.events.next('subscribed')).channel, second);
    equal(await one.events.next('unsubscribed'), { channel: first });
  });

  it('that differ in a refresh get 3010, and the SDK connects with the new ones', async (t) => {
    const [first, second] = [unique('closed:first'), unique('closed:second')];
    const one = client(t, server, 'json', {
      getToken: async () => {
        const isFirst = one.state !== 'connected' && one.events.all('connected').length === 0;
        const channels = [isFirst ? first : second];
        return token({ sub: '1', channels, exp: now() + (isFirst ? 2 : 3600) });
      },
    });
    one.connect();
    equal((await one.events.next('subscribed')).channel, first);
    equal((await one.events.next('connecting', ({ code }) => code > 0)).code, 3010);
    equal((await one.events.next('subscribed')).channel, second);
  });
});

describe('personal channel', { concurrency: 8 }, () => {
  it('is there for every user', async (t) => {
    for (const codec of CODECS) {
      const user = unique('user');
      const [one, two] = [
        await connected(t, personal, codec, { token: token({ sub: user }) }),
        await connected(t, personal, 'json', { token: token({ sub: user }) }),
      ];
      for (const each of [one, two]) equal((await each.events.next('subscribed')).channel, `#${user}`);
      await one.publish(`#${user}`, pack(codec, 'hello'));
      equal((await two.events.next('publication')).data, 'hello');
      equal(await one.presenceStats(`#${user}`), { numClients: 2, numUsers: 1 });
    }
  });

  it('is not there for anonymous users', async (t) => {
    const one = await connected(t, personal, 'json', { token: token({ iat: now() }) });
    equal(one.tap.replies('connect').map(({ subs }) => subs), [undefined]);
  });

  it('of a single connection ends the older one with 3504', async (t) => {
    for (const codec of CODECS) {
      const user = unique('user');
      const older = await connected(t, single, codec, { token: token({ sub: user }) });
      const newer = await connected(t, single, 'json', { token: token({ sub: user }) });
      equal((await older.events.next('disconnected')).code, 3504);
      equal(newer.state, 'connected');
      equal(await newer.presenceStats(`#${user}`), { numClients: 1, numUsers: 1 });
    }
  });
});
