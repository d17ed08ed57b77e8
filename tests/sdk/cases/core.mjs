// Cases that are the same in Node and in a browser. Each gets an environment:
//   client(codec, options)   an SDK's client, with its `events` and its `tap`
//   token(claims)            a token, as a promise
//   isEmulated               whether commands are requests of their own
// It is called once for each codec.

import {
  check, equal, Events, pack, rejection, together, unique, unpack, until,
} from '../support/events.mjs';

const now = () => Math.floor(Date.now() / 1000);

async function connected(env, codec, claims = { sub: '42' }, options = {}) {
  const one = env.client(codec, { token: await env.token(claims), ...options });
  one.connect();
  one.id = (await one.events.next('connected')).client;
  return one;
}

function subscribing(one, channel, options = {}) {
  const sub = one.newSubscription(channel, { minResubscribeDelay: 20, maxResubscribeDelay: 200, ...options });
  sub.events = new Events(sub, `the subscription to ${channel}`);
  sub.subscribe();
  return sub;
}

async function subscribed(one, channel, options) {
  const sub = subscribing(one, channel, options);
  sub.context = await sub.events.next('subscribed');
  return sub;
}

/** Publishes some numbers, in order. */
async function publish(codec, sub, numbers) {
  for (const n of numbers) await sub.publish(pack(codec, { n }));
}

/** Waits for some numbers, in order. */
async function receive(codec, sub, numbers) {
  const received = (await sub.events.take('publication', numbers.length)).map(({ data }) => unpack(codec, data).n);
  equal(received, numbers, 'publications');
}

export const cases = {
  async 'connects with a token, disconnects and connects again'(env, codec) {
    const one = await connected(env, codec);
    check(/^[1-9][0-9]*$/.test(one.id), `the client id is a number: ${one.id}`);
    one.disconnect();
    equal((await one.events.next('disconnected')).code, 0);
    one.connect();
    const again = await one.events.next('connected');
    check(again.client !== one.id, 'each connection has an id of its own');
  },

  async 'an invalid token ends the client'(env, codec) {
    const one = env.client(codec, { token: 'no token' });
    one.connect();
    equal((await one.events.next('disconnected')).code, 3500);
    equal(one.state, 'disconnected');
  },

  async 'an expired token is replaced'(env, codec) {
    const tokens = [await env.token({ sub: '42', exp: now() - 60 }), await env.token({ sub: '42' })];
    const one = env.client(codec, { getToken: async () => tokens.shift() });
    one.connect();
    equal((await one.events.next('error')).error.code, 109);
    await one.events.next('connected');
    equal(tokens, []);
  },

  async 'a connection is refreshed before it expires'(env, codec) {
    let asked = 0;
    const getToken = () => {
      asked += 1;
      return env.token({ sub: '42', exp: now() + (asked === 3 ? 3600 : 2) });
    };
    const one = env.client(codec, { getToken });
    one.connect();
    await one.events.next('connected');
    await until(() => asked >= 3, 'two refreshes');
    // What comes after the refresh is answered after it.
    equal((await rejection(one.rpc('nothing', pack(codec, {})))).code, 108);
    equal(one.state, 'connected');
  },

  async 'subscribes, unsubscribes and subscribes again'(env, codec) {
    const one = await connected(env, codec);
    const sub = await subscribed(one, unique('plain'));
    sub.unsubscribe();
    equal((await sub.events.next('unsubscribed')).code, 0);
    sub.subscribe();
    await sub.events.next('subscribed');
    equal(sub.state, 'subscribed');
  },

  async 'errors end a subscription and not the connection'(env, codec) {
    const one = await connected(env, codec);
    for (const [channel, code, options] of [
      ['unknown:channel', 102],
      ['closed:channel', 103],
      ['$private', 103],
      [unique('open:bad-token'), 103, { token: 'no token' }],
      [`open:${'x'.repeat(255)}`, 107],
    ]) {
      const sub = subscribing(one, channel, options);
      equal((await sub.events.next('unsubscribed')).code, code, channel);
    }
    equal(one.state, 'connected');
    equal((await rejection(one.publish('closed:channel', pack(codec, {})))).code, 103);
    equal((await rejection(one.presence('plain:channel'))).code, 108);
    equal((await rejection(one.history('plain:channel', { limit: 1 }))).code, 108);
    equal((await rejection(one.rpc('nothing', pack(codec, {})))).code, 108);
  },

  async 'publications reach every subscriber, with their publisher'(env, codec) {
    const channel = unique('open:chat');
    const ann = await connected(env, codec, { sub: 'ann', info: { name: 'Ann' } });
    const bob = await connected(env, codec, { sub: 'bob' });
    const subs = [await subscribed(ann, channel), await subscribed(bob, channel)];
    const said = { text: 'hello \u{1F600} \\ " \n', list: [1, -2.5, null, true], nested: {} };
    await subs[0].publish(pack(codec, said));
    for (const sub of subs) {
      const { data, info, offset } = await sub.events.next('publication');
      equal(unpack(codec, data), said);
      equal([info.user, info.client, unpack(codec, info.connInfo), offset], ['ann', ann.id, { name: 'Ann' }, 1]);
    }
  },

  async 'JSON and Protobuf share a channel'(env, codec) {
    const other = codec === 'json' ? 'protobuf' : 'json';
    const channel = unique('open:both');
    const [one, two] = [await connected(env, codec), await connected(env, other)];
    const [a, b] = [await subscribed(one, channel), await subscribed(two, channel)];
    await a.publish(pack(codec, { from: codec }));
    await b.publish(pack(other, { from: other }));
    const expected = [{ from: codec }, { from: other }];
    equal((await a.events.take('publication', 2)).map(({ data }) => unpack(codec, data)), expected);
    equal((await b.events.take('publication', 2)).map(({ data }) => unpack(other, data)), expected);
  },

  async 'presence, its counts, joins and leaves'(env, codec) {
    const channel = unique('joins:room');
    const [ann, bob, too] = [
      await connected(env, codec, { sub: 'ann', info: { name: 'Ann' } }),
      await connected(env, codec, { sub: 'bob' }),
      await connected(env, codec, { sub: 'bob' }),
    ];
    const sub = await subscribed(ann, channel);
    const others = [await subscribed(bob, channel), await subscribed(too, channel)];
    const joined = (await sub.events.take('join', 3)).map(({ info }) => info.client);
    equal(joined, [ann.id, bob.id, too.id], 'joins');
    const { clients } = await sub.presence();
    equal(Object.keys(clients).sort(), [ann.id, bob.id, too.id].sort(), 'presence');
    equal([clients[ann.id].user, unpack(codec, clients[ann.id].connInfo)], ['ann', { name: 'Ann' }]);
    equal(await sub.presenceStats(), { numClients: 3, numUsers: 2 });
    others[0].unsubscribe();
    equal((await sub.events.next('leave')).info.client, bob.id);
    equal(await sub.presenceStats(), { numClients: 2, numUsers: 2 });
    too.disconnect();
    equal((await sub.events.next('leave')).info.client, too.id);
    equal(await sub.presenceStats(), { numClients: 1, numUsers: 1 });
  },

  async 'history in pages, in both directions'(env, codec) {
    const one = await connected(env, codec);
    const sub = await subscribed(one, unique('open:history'));
    await publish(codec, sub, [1, 2, 3, 4, 5]);
    const page = async (options) => {
      const { publications, offset, epoch } = await sub.history(options);
      check(epoch, 'there is an epoch');
      equal(offset, 5, 'the position');
      return publications.map(({ data, offset }) => {
        equal(unpack(codec, data).n, offset);
        return offset;
      });
    };
    const { epoch } = await sub.history();
    equal(await page(), []);
    equal(await page({ limit: 2 }), [1, 2]);
    equal(await page({ limit: 2, since: { offset: 2, epoch } }), [3, 4]);
    equal(await page({ limit: 2, since: { offset: 4, epoch } }), [5]);
    equal(await page({ limit: 2, since: { offset: 5, epoch } }), []);
    equal(await page({ limit: 2, reverse: true }), [5, 4]);
    equal(await page({ limit: 9, reverse: true, since: { offset: 4, epoch } }), [3, 2, 1]);
    equal(await page({ limit: -1 }), [1, 2, 3, 4, 5]);
  },

  async 'what a cut link has missed is recovered'(env, codec) {
    const channel = unique('open:cut');
    const [one, two] = [await connected(env, codec), await connected(env, codec)];
    const [sub, source] = [await subscribed(one, channel), await subscribed(two, channel)];
    await publish(codec, source, [1, 2]);
    await receive(codec, sub, [1, 2]);
    const reconnect = one.tap.cut();
    await publish(codec, source, [3, 4, 5]);
    reconnect();
    const { wasRecovering, recovered } = await sub.events.next('subscribed');
    equal({ wasRecovering, recovered }, { wasRecovering: true, recovered: true });
    await publish(codec, source, [6]);
    await receive(codec, sub, [3, 4, 5, 6]);
  },

  async 'a history that is too short is said to be'(env, codec) {
    const channel = unique('small:cut');
    const [one, two] = [await connected(env, codec), await connected(env, codec)];
    const [sub, source] = [await subscribed(one, channel), await subscribed(two, channel)];
    await publish(codec, source, [1]);
    await receive(codec, sub, [1]);
    const reconnect = one.tap.cut();
    await publish(codec, source, [2, 3, 4, 5]);
    reconnect();
    const { wasRecovering, recovered } = await sub.events.next('subscribed');
    equal({ wasRecovering, recovered }, { wasRecovering: true, recovered: false });
    await publish(codec, source, [6]);
    await receive(codec, sub, [6]);
  },

  async 'server-side subscriptions of a token'(env, codec) {
    const channel = unique('joins:server');
    const claims = { sub: '42', subs: { [channel]: { data: { color: 'red' } } } };
    const one = await connected(env, codec, claims);
    const context = await one.events.next('subscribed');
    equal([context.channel, unpack(codec, context.data)], [channel, { color: 'red' }]);
    equal((await one.events.next('join')).info.client, one.id);
    await one.publish(channel, pack(codec, { n: 1 }));
    equal(unpack(codec, (await one.events.next('publication')).data), { n: 1 });
    const twice = subscribing(one, channel);
    equal((await twice.events.next('unsubscribed')).code, 105);
  },

  async '1,000 publications at once'(env, codec) {
    const channel = unique('open:many');
    const [one, two] = [await connected(env, codec), await connected(env, codec)];
    const [sub, source] = [await subscribed(one, channel), await subscribed(two, channel)];
    const numbers = Array.from({ length: 1000 }, (_, n) => n);
    await together(numbers, (n) => source.publish(pack(codec, { n })));
    const received = await sub.events.take('publication', 1000);
    equal(received.map(({ offset }) => offset), numbers.map((n) => n + 1), 'offsets');
    const found = received.map(({ data }) => unpack(codec, data).n);
    // Where each is a request of its own, these may overtake one another.
    if (env.isEmulated) found.sort((a, b) => a - b);
    equal(found, numbers, 'publications');
  },
};
