// Connecting: with tokens of every kind, without one, and what the SDK makes of a refusal.

import { after, describe, it } from 'node:test';

import { client, CODECS, connected, subscribed } from '../support/client.mjs';
import { check, equal, pack, together, unique } from '../support/events.mjs';
import { Server } from '../support/server.mjs';
import { now, token } from '../support/token.mjs';

const server = await Server.start();
after(() => server.stop());

/** Connects, and expects that the client is disconnected for good. */
async function refused(t, code, options, codec, at = server) {
  const one = client(t, at, codec, options);
  one.connect();
  const context = await one.events.next('disconnected');
  equal(context.code, code, `the code (${context.reason})`);
  equal([one.state, one.tap.sockets.length, one.events.all('connected').length], ['disconnected', 1, 0]);
  return context;
}

describe('connection', { concurrency: 8 }, () => {
  it('the connect reply has all that the SDK needs', async (t) => {
    const one = await connected(t, server);
    const [reply] = one.tap.replies('connect');
    check(reply.version, 'a version');
    const { ping, pong, expires, ttl, subs } = reply;
    equal({ ping, pong, expires, ttl, subs }, { ping: 25, pong: true });
    equal(reply.client, one.id);
  });

  it('each of 200 connections has an id of its own', async (t) => {
    const ones = await together(Array(200), (_, n) => connected(t, server, CODECS[n % 2]));
    equal(new Set(ones.map(({ id }) => id)).size, 200);
    for (const { id } of ones) check(BigInt(id) > 0n && BigInt(id) < 1n << 64n, id);
  });

  it('connects and disconnects again and again', async (t) => {
    for (const codec of CODECS) {
      const one = client(t, server, codec);
      const ids = new Set();
      for (let n = 0; n < 20; n += 1) {
        one.connect();
        ids.add((await one.events.next('connected')).client);
        one.disconnect();
        await one.events.next('disconnected');
      }
      equal(ids.size, 20);
    }
  });

  it('connects with a name, a version, data and headers', async (t) => {
    const options = { name: 'suite', version: '1.2.3', headers: { 'X-Trace': '7' }, data: { any: ['thing'] } };
    await connected(t, server, 'json', options);
    await connected(t, server, 'protobuf', { ...options, data: pack('protobuf', options.data) });
  });

  const wrong = {
    'is no token': 'no token',
    'is signed with another key': token({ sub: '42' }, { secret: 'other' }),
    'has no algorithm': `${token({ sub: '42' }, { header: { alg: 'none' } }).split('.').slice(0, 2).join('.')}.`,
    'has an algorithm without a key': token({ sub: '42' }, { header: { alg: 'RS256' } }),
    'has claims that are no JSON': token('no claims'),
    'has a user that is a number': token({ sub: 42 }),
    'is one for a subscription': token({ sub: '42', channel: 'open:chat' }),
    'has another signature than claims': (() => {
      const [head, , signature] = token({ sub: '42' }).split('.');
      return [head, token({ sub: '43' }).split('.')[1], signature].join('.');
    })(),
  };
  for (const [what, text] of Object.entries(wrong)) {
    it(`a token that ${what} gets 3500, and the SDK ends`, async (t) => {
      for (const codec of CODECS) await refused(t, 3500, { token: text }, codec);
    });
  }

  it('3500 has its reason', async (t) => {
    equal((await refused(t, 3500, { token: 'no token' })).reason, 'invalid token');
  });

  it('no token and no permission to be anonymous gets 3501, and the SDK ends', async (t) => {
    for (const codec of CODECS) {
      equal((await refused(t, 3501, { token: '' }, codec)).reason, 'bad request');
    }
  });

  it('HS384 and HS512 are accepted', async (t) => {
    for (const algorithm of ['HS384', 'HS512']) {
      await connected(t, server, 'json', { token: token({ sub: '42' }, { algorithm }) });
    }
  });

  it('a token with nothing but its time of issue is one of an anonymous user', async (t) => {
    const one = await connected(t, server, 'json', { token: token({ iat: now() }) });
    const sub = await subscribed(one, unique('anyone:room'));
    equal((await sub.events.next('join')).info, { user: '', client: one.id });
  });

  it('an expired token without another ends the client as unauthorized', async (t) => {
    const one = client(t, server, 'json', { token: token({ sub: '42', exp: now() - 10 }) });
    one.connect();
    equal((await one.events.next('error', ({ type }) => type === 'connect')).error.code, 109);
    equal((await one.events.next('disconnected')).code, 1);
  });

  it('a token that is not valid yet is like an expired one', async (t) => {
    for (const codec of CODECS) {
      const tokens = [token({ sub: '42', nbf: now() + 3600 }), token({ sub: '42', nbf: now() - 3600 })];
      const one = client(t, server, codec, { getToken: async () => tokens.shift() });
      one.connect();
      equal((await one.events.next('error')).error.code, 109);
      await one.events.next('connected');
    }
  });

  it('the error for an expired token has its message', async (t) => {
    const one = client(t, server, 'json', { token: token({ sub: '42', exp: 1 }) });
    one.connect();
    await one.events.next('error');
    equal(one.tap.replies('error'), [{ code: 109, message: 'token expired' }]);
  });
});

describe('other settings', { concurrency: 8 }, () => {
  it('anonymous users connect where they may', async (t) => {
    const anonymous = await Server.start('--client.allow-anonymous-connect-without-token');
    t.after(() => anonymous.stop());
    for (const codec of CODECS) {
      const one = await connected(t, anonymous, codec, { token: '' });
      const sub = await subscribed(one, unique('anyone:room'));
      await sub.publish(pack(codec, {}));
      const { user, client } = (await sub.events.next('publication')).info;
      equal({ user, client }, { user: '', client: one.id });
      equal(await sub.presenceStats(), { numClients: 1, numUsers: 1 });
    }
    // Whether they may does not make a wrong token right.
    await refused(t, 3500, { token: 'no token' }, 'json', anonymous);
  });

  it('the previous key is accepted until its end', async (t) => {
    const old = { secret: 'old', claims: { sub: '42' } };
    const rotated = async (until) => {
      const one = await Server.start(
        '--client.token.hmac-previous-secret-key', old.secret,
        '--client.token.hmac-previous-secret-key-valid-until', String(until),
      );
      t.after(() => one.stop());
      return one;
    };
    const [during, later] = [await rotated(now() + 3600), await rotated(now() - 1)];
    await connected(t, during, 'json', { token: token(old.claims, old) });
    await connected(t, during, 'json');
    await refused(t, 3500, { token: token(old.claims, old) }, 'json', later);
    await connected(t, later, 'json');
  });

  it('audience and issuer must be those configured', async (t) => {
    const strict = await Server.start('--client.token.audience', 'chat', '--client.token.issuer', 'shop');
    t.after(() => strict.stop());
    const claims = (aud, iss) => ({ token: token({ sub: '42', aud, iss }) });
    await connected(t, strict, 'json', claims('chat', 'shop'));
    await connected(t, strict, 'json', claims(['mail', 'chat'], 'shop'));
    for (const [aud, iss] of [['mail', 'shop'], ['chat', 'other'], [undefined, 'shop'], ['chat', undefined]]) {
      await refused(t, 3500, claims(aud, iss), 'json', strict);
    }
  });

  it('an insecure server needs neither token nor permission', async (t) => {
    const insecure = await Server.start('--client.insecure');
    t.after(() => insecure.stop());
    for (const codec of CODECS) {
      const one = await connected(t, insecure, codec, { token: '' });
      const sub = await subscribed(one, unique('closed:room'));
      await sub.publish(pack(codec, {}));
      equal(await sub.presenceStats(), { numClients: 1, numUsers: 1 });
      equal((await sub.history({ limit: 5 })).publications.length, 1);
    }
    await refused(t, 3500, { token: 'no token' }, 'json', insecure);
  });
});
