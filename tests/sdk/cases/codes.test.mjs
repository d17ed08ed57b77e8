// What no SDK sends, and the codes for it; the framing of messages; refusals before the upgrade.

import { get } from 'node:http';
import { after, describe, it } from 'node:test';

import { client, CODECS, connected, subscribing, WebSocket, WEBSOCKET_ONLY } from '../support/client.mjs';
import { check, equal, limit, unique } from '../support/events.mjs';
import { Raw } from '../support/raw.mjs';
import { Server } from '../support/server.mjs';
import { token } from '../support/token.mjs';

const server = await Server.start();
after(() => server.stop());

const connect = { id: 1, connect: { token: token({ sub: '42' }) } };
const BAD_REQUEST = { code: 3501, reason: 'bad request' };

describe('bad requests', { concurrency: 8 }, () => {
  const first = {
    'a command before connect': { id: 1, subscribe: { channel: 'open:room' } },
    'no command': '',
    'a line feed': '\n',
    'no JSON': 'no JSON',
    'half a command': '{"id":1,"connect":{',
    'an array': '[]',
    'connect without an id': { connect: connect.connect },
    'a pong': '{}',
    'bytes': Buffer.from([0xff, 0x00]),
  };
  for (const [what, message] of Object.entries(first)) {
    it(`${what} instead of connect`, async (t) => {
      const raw = await Raw.open(t, server);
      raw.send(message);
      equal(await raw.end(), BAD_REQUEST);
    });
  }

  const later = {
    'a second connect': connect,
    'a pong without a ping': '{}',
    'no command': '',
    'no JSON': 'no JSON',
    'an id alone': { id: 2 },
    'a ping': { id: 2, ping: {} },
    'a refresh without a token': { id: 2, refresh: {} },
    'an unknown kind of delta': { id: 2, subscribe: { channel: 'open:room', delta: 'other' } },
    ...Object.fromEntries(
      ['subscribe', 'unsubscribe', 'publish', 'presence', 'presence_stats', 'history', 'sub_refresh'].map((name) => [
        `${name} without a channel`, { id: 2, [name]: name === 'publish' ? { data: {} } : {} },
      ]),
    ),
  };
  for (const [what, message] of Object.entries(later)) {
    it(what, async (t) => {
      const raw = await Raw.open(t, server, { user: '42' });
      raw.send(message);
      equal(await raw.end(), BAD_REQUEST);
    });
  }

  it('bytes that are no Protobuf', async (t) => {
    for (const bytes of [[], [0x05, 0x01], [0x03, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]) {
      const raw = await Raw.open(t, server, { protocols: 'centrifuge-protobuf' });
      raw.sendAsIs(Buffer.from(bytes));
      equal(await raw.end(), BAD_REQUEST);
    }
  });

  it('after an error for connect, any command', async (t) => {
    const raw = await Raw.open(t, server);
    const expired = token({ sub: '42', exp: 1 });
    raw.send({ id: 1, connect: { token: expired } });
    equal(await raw.next(), { id: 1, error: { code: 109, message: 'token expired' } });
    raw.send(connect);
    equal(await raw.end(), BAD_REQUEST);
  });

  it('touch nobody else', async (t) => {
    const one = await connected(t, server);
    for (let n = 0; n < 20; n += 1) {
      const raw = await Raw.open(t, server, { user: '42' });
      raw.send('no JSON');
      equal(await raw.end(), BAD_REQUEST);
    }
    await one.publish('open:room', 1);
    equal([one.tap.sockets.length, one.state], [1, 'connected']);
  });
});

describe('replies', { concurrency: 8 }, () => {
  it('have their result, even if it is empty', async (t) => {
    const raw = await Raw.open(t, server, { user: '42' });
    const channel = unique('plain:room');
    equal(await raw.call({ subscribe: { channel } }), { id: 2, subscribe: {} });
    equal(await raw.call({ publish: { channel, data: {} } }), { id: 3, publish: {} });
    equal(await raw.call({ unsubscribe: { channel } }), { id: 4, unsubscribe: {} });
    equal(await raw.call({ unsubscribe: { channel } }), { id: 5, unsubscribe: {} });
    const empty = unique('open:room');
    equal(await raw.call({ presence: { channel: empty } }), { id: 6, presence: { presence: {} } });
    equal(await raw.call({ presence_stats: { channel: empty } }), {
      id: 7, presence_stats: { num_clients: 0, num_users: 0 },
    });
    const { history } = await raw.call({ history: { channel: empty, limit: 1 } });
    equal([history.publications, history.offset, typeof history.epoch], [[], 0, 'string']);
  });

  it('to commands of one message come, the first to connect, before what they cause', async (t) => {
    const raw = await Raw.open(t, server);
    const channel = unique('open:room');
    raw.send(
      connect,
      { id: 2, subscribe: { channel } },
      { id: 3, publish: { channel, data: { n: 1 } } },
      { id: 4, history: { channel, limit: 1 } },
      '',
    );
    const ids = [];
    const pushes = [];
    while (ids.length < 4 || !pushes.length) {
      const reply = await raw.next();
      if (reply.push) {
        check(ids.includes(2), 'a push before the reply to subscribe');
        pushes.push(reply.push);
      } else {
        ids.push(reply.id);
      }
    }
    // A reply that another shard gives may come behind that to a later command.
    equal([ids[0], [...ids].sort()], [1, [1, 2, 3, 4]]);
    equal(pushes.map(({ channel, pub }) => [channel, pub.data, pub.offset]), [[channel, { n: 1 }, 1]]);
  });

  it('ignore what they do not know', async (t) => {
    const raw = await Raw.open(t, server);
    raw.send({ unknown: [{}], id: 1, connect: { ...connect.connect, unknown: { a: 1 }, dict: 'x', profile: 'y', flag: 3 } });
    const { connect: result } = await raw.next();
    equal([result.dict, result.flag], [undefined, undefined]);
  });

  it('say for 105 and sub_refresh what there is', async (t) => {
    const raw = await Raw.open(t, server, { user: '42' });
    const channel = unique('open:room');
    const permit = token({ sub: '42', channel });
    const error = (code, message) => ({ code, message });
    equal((await raw.call({ sub_refresh: { channel, token: permit } })).error, error(103, 'permission denied'));
    await raw.call({ subscribe: { channel } });
    equal((await raw.call({ subscribe: { channel } })).error, error(105, 'already subscribed'));
    equal((await raw.call({ sub_refresh: { channel } })).error, error(107, 'bad request'));
    equal((await raw.call({ sub_refresh: { channel, token: permit } })).sub_refresh, {});
    equal((await raw.call({ publish: { channel } })).error, error(107, 'bad request'));
  });

  it('flag 2 gets 112, flag 1 nothing', async (t) => {
    const raw = await Raw.open(t, server, { user: '42' });
    const channel = unique('open:room');
    const position = { channel, recover: true, offset: 3, epoch: 'foreign' };
    equal((await raw.call({ subscribe: { ...position, flag: 3 } })).error, {
      code: 112, message: 'unrecoverable position',
    });
    const { subscribe } = await raw.call({ subscribe: { ...position, flag: 1 } });
    equal([subscribe.id, subscribe.was_recovering, subscribe.recovered], [undefined, true, undefined]);
  });

  it('come in the encoding that the request names', async (t) => {
    const json = await Raw.open(t, server, { protocols: 'centrifuge-json', user: '42' });
    equal(json.socket.protocol, 'centrifuge-json');
    const both = await Raw.open(t, server, { protocols: ['other', 'centrifuge-protobuf'] });
    equal(both.socket.protocol, 'centrifuge-protobuf');
    for (const query of ['cf_protocol=protobuf', 'format=protobuf']) {
      const raw = await Raw.open(t, server, { path: `/connection/websocket?${query}` });
      // A command with the id 1 and an empty connect, which is not allowed to be anonymous.
      raw.sendAsIs(Buffer.from([0x04, 0x08, 0x01, 0x22, 0x00]));
      equal((await raw.end()).code, 3501);
    }
    const v2 = await Raw.open(t, server, { path: '/connection/websocket?cf_protocol_version=v2', user: '42' });
    check(v2.connected.client, 'connected');
  });

  it('need no ping of the protocol where frames are asked for', async (t) => {
    const path = '/connection/websocket?cf_ws_frame_ping_pong=true';
    const raw = await Raw.open(t, server, { path, user: '42' });
    equal([raw.connected.ping, raw.connected.pong], [undefined, undefined]);
  });
});

describe('codes', { concurrency: 8 }, () => {
  it('3502 for a connection without connect', async (t) => {
    const hasty = await Server.start('--client.stale-close-delay', '500ms');
    t.after(() => hasty.stop());
    const one = await connected(t, hasty);
    const raw = await Raw.open(t, hasty);
    equal(await raw.end(), { code: 3502, reason: 'stale' });
    // The older one has connected, and stays.
    await one.publish('open:room', 1);
    equal(one.tap.sockets.length, 1);
  });

  it('3509 for too many errors, and the SDK ends', async (t) => {
    const strict = await Server.start('--client.max-errors', '5');
    t.after(() => strict.stop());
    for (const codec of CODECS) {
      const one = await connected(t, strict, codec);
      const subs = Array.from({ length: 5 }, (_, n) => subscribing(one, `closed:${n}`));
      for (const sub of subs) equal((await sub.events.next('unsubscribed')).code, 103);
      equal(one.state, 'connected');
      subscribing(one, 'closed:more');
      equal(await one.events.next('disconnected'), { code: 3509, reason: 'too many errors' });
    }
  });

  it('1009 for a message of more than 64 KiB, which is terminal for the SDK', WEBSOCKET_ONLY, async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const channel = unique('plain:large');
      // A command of exactly that size passes.
      const size = (data) => {
        const command = { id: 2, publish: { channel, data } };
        return codec === 'json' ? JSON.stringify(command).length : one._codec.encodeCommands([command]).length;
      };
      const fill = (length) => (codec === 'json' ? 'x'.repeat(length) : new Uint8Array(length));
      const fits = 65_536 - (size(fill(60_000)) - 60_000);
      equal(size(fill(fits)), 65_536);
      await one.publish(channel, fill(fits));
      one.publish(channel, fill(fits + 1)).catch(() => {});
      equal((await one.events.next('disconnected')).code, 3);
      equal(one.state, 'disconnected');
    }
  });

  it('reasons are no JSON', async (t) => {
    const raw = await Raw.open(t, server, { user: '42' });
    raw.send({ send: { data: {} } });
    equal(await raw.end(), { code: 3508, reason: 'not available' });
  });
});

describe('requests that are refused', { concurrency: 8 }, () => {
  /** The status of a GET. */
  const status = (headers, path = '/connection/websocket') => limit(new Promise((resolve, reject) => {
    const request = get({ port: server.port, host: '127.0.0.1', path, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    request.on('upgrade', (answer, socket) => {
      socket.destroy();
      resolve(answer.statusCode);
    });
    request.on('error', reject);
  }), 'an answer');
  const upgrade = {
    Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };

  it('without an upgrade they get an error', async () => {
    equal(await status({}), 426);
    equal(await status(upgrade), 101);
    equal(await status(upgrade, '/connection/other'), 404);
  });

  it('of a foreign origin they get 403', async () => {
    equal(await status({ ...upgrade, Origin: 'https://elsewhere.example' }), 403);
    equal(await status({ ...upgrade, Origin: `http://127.0.0.1:${server.port}` }), 101);
  });

  it('the SDK tries again', WEBSOCKET_ONLY, async (t) => {
    const one = client(t, { url: () => server.url('/connection/other') });
    one.connect();
    const errors = await one.events.take('error', 3);
    equal(errors.map(({ type }) => type), ['transport', 'transport', 'transport']);
    equal(one.state, 'connecting');
    check(one.tap.sockets[0] instanceof WebSocket, 'a socket');
  });
});
