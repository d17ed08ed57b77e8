// Publishing and receiving, and calls that are not served.

import { after, describe, it } from 'node:test';

import { client, CODECS, connected, subscribed, subscribing, WEBSOCKET_ONLY } from '../support/client.mjs';
import { check, equal, pack, refusal, rejection, together, unique, unpack } from '../support/events.mjs';
import { Raw } from '../support/raw.mjs';
import { Server } from '../support/server.mjs';
import { token } from '../support/token.mjs';

const server = await Server.start();
after(() => server.stop());

const utf8 = (text) => new TextEncoder().encode(text);

describe('publications', { concurrency: 8 }, () => {
  it('every JSON value passes unchanged', async (t) => {
    const values = [
      {}, [], '', 'text', 0, -1.5e10, true, false, { a: { b: [null] } }, '\u0000\u001f\u2028',
      'caf\u00e9 \u{1F600}', { 'odd "key"\n': '\\' }, 9007199254740991, 'x'.repeat(10_000),
    ];
    const channel = unique('open:values');
    const one = await connected(t, server);
    const two = await connected(t, server, 'protobuf');
    const [sub, other] = [await subscribed(one, channel), await subscribed(two, channel)];
    for (const [n, value] of values.entries()) await (n % 2 ? other : sub).publish(pack(n % 2 ? 'protobuf' : 'json', value));
    const received = async (codec, from) =>
      (await from.events.take('publication', values.length)).map(({ data }) => unpack(codec, data));
    equal(await received('json', sub), values);
    equal(await received('protobuf', other), values);
  });

  it('JSON with line feeds, published in Protobuf, stays one line', async (t) => {
    const channel = unique('open:lines');
    const [one, two] = [await connected(t, server), await connected(t, server, 'protobuf')];
    const [sub, source] = [await subscribed(one, channel), await subscribed(two, channel)];
    await source.publish(utf8('{\n  "a": [\r\n    1\n  ]\n}\n'));
    await source.publish(utf8('2'));
    equal((await sub.events.take('publication', 2)).map(({ data }) => data), [{ a: [1] }, 2]);
  });

  it('bytes pass unchanged in Protobuf, and end a JSON subscriber with 3506', async (t) => {
    const channel = unique('open:bytes');
    const [json, one, two] = [
      await connected(t, server), await connected(t, server, 'protobuf'), await connected(t, server, 'protobuf'),
    ];
    await subscribed(json, channel);
    const [sub, source] = [await subscribed(one, channel), await subscribed(two, channel)];
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
    await source.publish(bytes);
    equal((await json.events.next('disconnected')).code, 3506);
    equal(Uint8Array.from((await sub.events.next('publication')).data), bytes);
    equal([one.state, two.state], ['connected', 'connected']);
  });

  it('those of one client keep their order, and each has the next offset', WEBSOCKET_ONLY, async (t) => {
    for (const codec of CODECS) {
      const channel = unique('open:order');
      const [one, two] = [await connected(t, server, codec), await connected(t, server, codec)];
      const [sub, source] = [await subscribed(one, channel), await subscribed(two, channel)];
      const numbers = Array.from({ length: 500 }, (_, n) => n + 1);
      await together(numbers, (n) => source.publish(pack(codec, n)));
      const received = await sub.events.take('publication', 500);
      equal(received.map(({ data }) => unpack(codec, data)), numbers);
      equal(received.map(({ offset }) => offset), numbers);
    }
  });

  it('of 10 clients, 100 each at once: every subscriber gets the same 1,000', WEBSOCKET_ONLY, async (t) => {
    const channel = unique('open:crowd');
    const ones = await together(Array(10), (_, n) => connected(t, server, CODECS[n % CODECS.length]));
    const subs = await together(ones, (one) => subscribed(one, channel));
    await together(subs, (sub, who) => together(Array(100), (_, n) => sub.publish(pack(CODECS[who % 2], [who, n]))));
    const heard = await together(subs, async (sub, who) => {
      const received = await sub.events.take('publication', 1000);
      equal(received.map(({ offset }) => offset), Array.from({ length: 1000 }, (_, n) => n + 1));
      return received.map(({ data }) => unpack(CODECS[who % 2], data));
    });
    for (const one of heard) equal(one, heard[0]);
    for (let who = 0; who < 10; who += 1) {
      const own = heard[0].filter(([from]) => from === who).map(([, n]) => n);
      equal(own, Array.from({ length: 100 }, (_, n) => n), 'the order of each publisher');
    }
  });

  it('their publisher is known to all, with the info of its token', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('open:info');
      const info = { name: 'Ann', id: 7 };
      const one = await connected(t, server, codec, { token: token({ sub: 'ann', info }) });
      const sub = await subscribed(one, channel);
      // Without being subscribed, where that is allowed.
      const two = await connected(t, server, codec, { token: token({ sub: 'bob', b64info: btoa('{"bob":1}') }) });
      await two.publish(channel, pack(codec, 1));
      await sub.publish(pack(codec, 2));
      const [first, second] = await sub.events.take('publication', 2);
      equal([first.info.user, first.info.client, unpack(codec, first.info.connInfo)], ['bob', two.id, { bob: 1 }]);
      equal([second.info.user, second.info.client, unpack(codec, second.info.connInfo)], ['ann', one.id, info]);
    }
  });

  it('without history they have no offset', async (t) => {
    for (const codec of CODECS) {
      const sub = await subscribed(await connected(t, server, codec), unique('plain:room'));
      await sub.publish(pack(codec, {}));
      equal((await sub.events.next('publication')).offset, undefined);
      equal(sub.context.streamPosition, undefined);
    }
  });

  it('a namespace can leave the publisher out', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('others:room');
      const [one, two] = [await connected(t, server, codec), await connected(t, server, codec)];
      const [a, b] = [await subscribed(one, channel), await subscribed(two, channel)];
      await a.publish(pack(codec, 'a'));
      await b.publish(pack(codec, 'b'));
      equal(unpack(codec, (await a.events.next('publication')).data), 'b');
      equal(unpack(codec, (await b.events.next('publication')).data), 'a');
    }
  });

  it('what a namespace does not take gets 107', async (t) => {
    const json = await connected(t, server);
    const protobuf = await connected(t, server, 'protobuf');
    for (const data of [5, 'text', [{}]]) equal((await rejection(json.publish('objects:a', data))).code, 107);
    for (const data of ['5', '{', '', '\u00ff']) {
      equal((await rejection(protobuf.publish('objects:a', utf8(data)))).code, 107, data);
    }
    equal((await rejection(protobuf.publish('open:empty', new Uint8Array()))).code, 107);
    await json.publish('objects:a', {});
    await protobuf.publish('objects:a', utf8(' {"a":1} '));
  });

  it('publishing needs a permission and a namespace', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const data = pack(codec, {});
      equal(await refusal(one.publish('unknown:room', data)), { code: 102, message: 'unknown channel' });
      equal(await refusal(one.publish('closed:room', data)), { code: 103, message: 'permission denied' });
      equal(one.state, 'connected');
    }
  });

  it('delta asked for: every publication arrives, most of them as patches', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('open:delta');
      const [one, two] = [await connected(t, server, codec), await connected(t, server, codec)];
      const sub = await subscribed(one, channel, { delta: 'fossil' });
      // One with delta and one without, in one channel.
      const source = await subscribed(two, channel);
      const said = (n) => ({ text: `a text that is long enough for a patch, and much the same: caf\u00e9 ${n}`, n });
      for (const n of [1, 2, 3]) await source.publish(pack(codec, said(n)));
      for (const from of [sub, source]) {
        const received = (await from.events.take('publication', 3)).map(({ data }) => unpack(codec, data));
        equal(received, [said(1), said(2), said(3)]);
      }
      const reconnect = one.tap.cut();
      for (const n of [4, 5]) await source.publish(pack(codec, said(n)));
      reconnect();
      equal((await sub.events.next('subscribed')).recovered, true);
      await source.publish(pack(codec, said(6)));
      const received = (await sub.events.take('publication', 3)).map(({ data }) => unpack(codec, data));
      equal(received, [said(4), said(5), said(6)]);
      // The first after each subscription is whole.
      if (codec === 'json') {
        const recovered = one.tap.replies('subscribe').flatMap((reply) => reply.publications ?? []);
        equal(recovered.map(({ delta }) => delta), [undefined, true]);
      }
    }
  });

  it('a filter of tags lets through what it says, live and recovered', async (t) => {
    const publish = async (channel, n) => {
      const response = await fetch(server.url('/api/publish').replace(/^ws/, 'http'), {
        method: 'POST',
        headers: { 'X-API-Key': 'key' },
        body: JSON.stringify({ channel, data: { n }, tags: { kind: n % 2 ? 'odd' : 'even', n: `${n}` } }),
      });
      check((await response.json()).result !== undefined, 'the publication is accepted');
    };
    const tagsFilter = {
      op: 'and',
      nodes: [{ key: 'kind', cmp: 'eq', val: 'odd' }, { key: 'n', cmp: 'lt', val: '10' }],
    };
    for (const codec of CODECS) {
      const channel = unique('filtered:room');
      const [one, two] = [await connected(t, server, codec), await connected(t, server, codec)];
      const sub = await subscribed(one, channel, { tagsFilter });
      const all = await subscribed(two, channel);
      for (const n of [1, 2, 3, 4]) await publish(channel, n);
      const reconnect = one.tap.cut();
      for (const n of [5, 6, 7, 11]) await publish(channel, n);
      reconnect();
      equal((await sub.events.next('subscribed')).recovered, true);
      for (const n of [8, 9]) await publish(channel, n);
      const numbers = async (from, count) =>
        (await from.events.take('publication', count)).map(({ data }) => unpack(codec, data).n);
      equal(await numbers(sub, 5), [1, 3, 5, 7, 9]);
      equal(await numbers(all, 10), [1, 2, 3, 4, 5, 6, 7, 11, 8, 9]);
      // Where the namespace does not allow it.
      const refused = subscribing(one, unique('open:filter'), { tagsFilter });
      equal((await refused.events.next('unsubscribed')).code, 107);
    }
  });

  it('delta where the namespace does not offer it is declined', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const sub = await subscribed(one, unique('plain:delta'), { delta: 'fossil' });
      await sub.publish(pack(codec, { n: 1 }));
      equal(unpack(codec, (await sub.events.next('publication')).data), { n: 1 });
      if (codec === 'json') equal(one.tap.replies('subscribe').map(({ delta }) => delta), [undefined]);
    }
  });
});

describe('replies', () => {
  it('come when what they say is so for everyone, on every shard', async (t) => {
    const shards = await Server.start('--shards', '4');
    t.after(() => shards.stop());
    const raws = await together(Array(8), (_, n) => Raw.open(t, shards, { user: `${n}` }));
    for (let n = 0; n < 400; n += 1) {
      const channel = unique('open:order');
      const [one, two] = [raws[n % 8], raws[(n * 3 + 1) % 8]];
      const clients = async () => (await two.call({ presence_stats: { channel } })).presence_stats.num_clients;
      await one.call({ subscribe: { channel } });
      equal(await clients(), 1, 'subscribe');
      await one.call({ publish: { channel, data: 1 } });
      await two.call({ publish: { channel, data: 2 } });
      const { publications } = (await one.call({ history: { channel, limit: 5 } })).history;
      equal(publications.map(({ data }) => data), [1, 2], 'publish');
      await one.call({ unsubscribe: { channel } });
      equal(await clients(), 0, 'unsubscribe');
    }
  });
});

describe('calls', { concurrency: 8 }, () => {
  it('procedures are not served', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      equal(await refusal(one.rpc('nothing', pack(codec, {}))), { code: 108, message: 'not available' });
      equal(await refusal(one.rpc('space:nothing', pack(codec, {}))), { code: 104, message: 'method not found' });
      equal(one.state, 'connected');
    }
  });

  it('the procedure `ping` is, where it is switched on', async (t) => {
    const pings = await Server.start('--rpc.ping.enabled');
    t.after(() => pings.stop());
    for (const codec of CODECS) {
      const one = await connected(t, pings, codec);
      await one.rpc('ping', pack(codec, {}));
      equal((await rejection(one.rpc('pong', pack(codec, {})))).code, 108);
    }
  });

  it('calls made before connecting wait for it', async (t) => {
    for (const codec of CODECS) {
      const one = client(t, server, codec);
      one.connect();
      const calls = [one.publish('open:early', pack(codec, {})), one.history('open:early', { limit: 1 })];
      await Promise.all(calls);
    }
  });

  it('a message to the server gets 3508, and the SDK ends', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      one.send(pack(codec, {})).catch(() => {});
      equal(await one.events.next('disconnected'), { code: 3508, reason: 'not available' });
    }
  });

  it('map and shared poll subscriptions are refused', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const sub = one.newMapSubscription(unique('open:map'));
      const refused = new Promise((resolve) => { sub.on('unsubscribed', resolve); });
      sub.subscribe();
      equal((await refused).code, 103);
      const poll = one.newSharedPollSubscription(unique('open:poll'));
      const too = new Promise((resolve) => { poll.on('unsubscribed', resolve); });
      poll.subscribe();
      equal((await too).code, 103);
      equal(one.state, 'connected');
    }
  });

  it('a filter by tags where the namespace does not offer it gets 107', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const tagsFilter = { key: 'a', cmp: 'eq', val: 'b' };
      const sub = subscribing(one, unique('open:tags'), { tagsFilter });
      equal((await sub.events.next('unsubscribed')).code, 107);
      check(one.state === 'connected', 'the connection stays');
    }
  });
});
