// The seed protocol at /ws and the SDK in the same channels.

import { after, describe, it } from 'node:test';

import { connected, subscribed, WebSocket } from '../support/client.mjs';
import { equal, limit, unique } from '../support/events.mjs';
import { Server } from '../support/server.mjs';
import { token } from '../support/token.mjs';

const server = await Server.start();
after(() => server.stop());

/** A client of the seed protocol, in a room. */
async function joined(t, room) {
  const socket = new WebSocket(server.url('/ws'));
  t.after(() => socket.terminate());
  const messages = [];
  let wake = () => {};
  socket.on('message', (data, binary) => {
    messages.push(binary ? [...data] : data.toString());
    wake();
  });
  await limit(new Promise((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  }), 'an open connection');
  const seed = {
    send: (data) => socket.send(data),
    async next() {
      while (!messages.length) await limit(new Promise((resolve) => { wake = resolve; }), 'a message');
      return messages.shift();
    },
  };
  seed.send(`join:${room}`);
  equal(await seed.next(), `joined:${room}`);
  return seed;
}

const text = (data) => new TextDecoder().decode(data);
const bytes = [...Buffer.from('msg:'), 0x00, 0xff, 0xfe];
const base64 = Buffer.from(bytes.slice(4)).toString('base64');

describe('the seed protocol', { concurrency: 8 }, () => {
  it('hears what an SDK publishes', async (t) => {
    const room = unique('chat');
    const seed = await joined(t, room);
    const one = await connected(t, server);
    await one.publish(room, { n: 1 });
    equal(JSON.parse(await seed.next()), { n: 1 });
    await one.publish(room, 'hello');
    equal(JSON.parse(await seed.next()), 'hello');
    const two = await connected(t, server, 'protobuf');
    await two.publish(room, new TextEncoder().encode('{"n":2}'));
    const heard = await seed.next();
    equal(JSON.parse(typeof heard === 'string' ? heard : Buffer.from(heard).toString()), { n: 2 });
  });

  it('is heard by SDKs: text, JSON, bytes', async (t) => {
    const room = unique('chat');
    const seed = await joined(t, room);
    const json = await subscribed(await connected(t, server), room);
    const protobuf = await subscribed(await connected(t, server, 'protobuf'), room);
    for (const [said, value] of [
      ['hello "you"', 'hello "you"'],
      ['{"n":[1,2]}', { n: [1, 2] }],
      ['caf\u00e9', 'caf\u00e9'],
      ['{"half":', '{"half":'],
    ]) {
      seed.send(`msg:${said}`);
      equal((await json.events.next('publication')).data, value);
      equal(text((await protobuf.events.next('publication')).data), said);
      equal(await seed.next(), said);
    }
    seed.send(Buffer.from(bytes));
    equal((await json.events.next('publication')).data, base64);
    equal([...(await protobuf.events.next('publication')).data], bytes.slice(4));
    equal(await seed.next(), bytes.slice(4));
  });

  it('has the history of the channel behind it', async (t) => {
    const room = unique('chat');
    const seed = await joined(t, room);
    seed.send('msg:one');
    equal(await seed.next(), 'one');
    const one = await connected(t, server);
    const late = await subscribed(one, room, { since: { offset: 0, epoch: '' } });
    equal(late.context.recovered, true);
    equal((await late.events.next('publication')).data, 'one');
    equal((await one.history(room, { limit: 5 })).publications.map(({ data, offset }) => [data, offset]), [['one', 1]]);
  });

  it('is in presence, as an anonymous user', async (t) => {
    const room = unique('chat');
    const one = await connected(t, server, 'json', { token: token({ sub: 'ann' }) });
    const sub = await subscribed(one, room, { joinLeave: true });
    await sub.events.next('join');
    const seed = await joined(t, room);
    equal((await sub.events.next('join')).info.user, '');
    equal(await sub.presenceStats(), { numClients: 2, numUsers: 2 });
    seed.send('leave:');
    equal(await seed.next(), `left:${room}`);
    equal((await sub.events.next('leave')).info.user, '');
    equal(await sub.presenceStats(), { numClients: 1, numUsers: 1 });
  });
});
