// Expiry and refresh of connections and subscriptions.

import { after, describe, it } from 'node:test';

import { client, CODECS, connected, subscribed, subscribing } from '../support/client.mjs';
import { check, equal, unique, until } from '../support/events.mjs';
import { Server } from '../support/server.mjs';
import { now, token } from '../support/token.mjs';

const [patient, strict] = await Promise.all([
  Server.start(),
  // Closes what has expired soon after.
  Server.start('--client.expired-close-delay', '1s', '--client.expired-sub-close-delay', '1s'),
]);
after(() => Promise.all([patient.stop(), strict.stop()]));

const never = new Promise(() => {});

/** A subscription token of the user 42. */
const permit = (channel, claims) => token({ sub: '42', channel, ...claims });

describe('connection', { concurrency: true }, () => {
  it('is refreshed, again and again', async (t) => {
    for (const codec of CODECS) {
      const one = client(t, patient, codec, { getToken: async () => token({ sub: '42', exp: now() + 2 }) });
      one.connect();
      await one.events.next('connected');
      if (codec === 'protobuf') continue;
      await until(() => one.tap.replies('refresh').length >= 2, 'two refreshes');
      for (const { expires, ttl } of one.tap.replies('refresh')) {
        check(expires === true && ttl >= 1 && ttl <= 2, `expires ${expires} in ${ttl} s`);
      }
      equal(one.events.all('disconnected'), []);
    }
  });

  it('that is refreshed with a token of another user gets 3500', async (t) => {
    for (const codec of CODECS) {
      const one = client(t, patient, codec, {
        getToken: async () => token({ sub: one.state === 'connected' ? '43' : '42', exp: now() + 2 }),
      });
      one.connect();
      equal((await one.events.next('disconnected')).code, 3500);
    }
  });

  it('that is refreshed with a wrong token gets 3500', async (t) => {
    const one = client(t, patient, 'json', {
      getToken: async () => (one.state === 'connected' ? 'no token' : token({ sub: '42', exp: now() + 2 })),
    });
    one.connect();
    equal((await one.events.next('disconnected')).code, 3500);
  });

  it('that is not refreshed gets 3005, and the SDK connects again', async (t) => {
    for (const codec of CODECS) {
      const claims = { sub: '42' };
      const one = client(t, strict, codec, {
        getToken: () => {
          if (one.state === 'connected') return never;
          const isAgain = one.events.all('connected').length > 0;
          return Promise.resolve(token({ ...claims, exp: now() + (isAgain ? 3600 : 2) }));
        },
      });
      one.connect();
      await one.events.next('connected');
      const context = await one.events.next('connecting', ({ code }) => code > 0);
      equal(context, { code: 3005, reason: 'connection expired' });
      await one.events.next('connected');
    }
  });

  it('that is refreshed with an expired token gets 3005, and the SDK connects again', async (t) => {
    const one = client(t, patient, 'json', {
      getToken: async () => {
        if (one.state === 'connected') return token({ sub: '42', exp: now() - 1 });
        const isAgain = one.events.all('connected').length > 0;
        return token({ sub: '42', exp: now() + (isAgain ? 3600 : 2) });
      },
    });
    one.connect();
    await one.events.next('connected');
    equal((await one.events.next('connecting', ({ code }) => code > 0)).code, 3005);
    await one.events.next('connected');
  });

  it('does not expire with its token if it has no expiry of its own', async (t) => {
    const one = await connected(t, patient, 'json', { token: token({ sub: '42', exp: now() + 60, expire_at: 0 }) });
    const [{ expires, ttl }] = one.tap.replies('connect');
    equal({ expires, ttl }, {});
  });

  it('has the expiry that its token says', async (t) => {
    const claims = { sub: '42', exp: now() + 3600, expire_at: now() + 600 };
    const one = await connected(t, patient, 'json', { token: token(claims) });
    const [{ expires, ttl }] = one.tap.replies('connect');
    check(expires && ttl > 500 && ttl <= 600, `expires ${expires} in ${ttl} s`);
  });
});

describe('subscription', { concurrency: true }, () => {
  it('is refreshed, again and again', async (t) => {
    const channel = unique('closed:room');
    const one = await connected(t, patient);
    const getToken = async () => permit(channel, { exp: now() + 2 });
    const sub = await subscribed(one, channel, { getToken });
    await until(() => one.tap.replies('sub_refresh').length >= 2, 'two refreshes');
    for (const { expires, ttl } of one.tap.replies('sub_refresh')) {
      check(expires === true && ttl >= 1 && ttl <= 2, `expires ${expires} in ${ttl} s`);
    }
    equal(sub.events.all('unsubscribed'), []);
  });

  it('is refreshed in Protobuf', async (t) => {
    const channel = unique('closed:room');
    const one = await connected(t, patient, 'protobuf');
    let asked = 0;
    const getToken = async () => {
      asked += 1;
      return permit(channel, { exp: now() + 2 });
    };
    const sub = await subscribed(one, channel, { getToken });
    await until(() => asked >= 4, 'three refreshes');
    equal([sub.state, one.state], ['subscribed', 'connected']);
  });

  it('that is not refreshed gets 2501, and the SDK subscribes again', async (t) => {
    for (const codec of CODECS) {
      const channel = unique('closed:room');
      const one = await connected(t, strict, codec);
      let sub;
      sub = subscribing(one, channel, {
        getToken: () => {
          if (sub?.state === 'subscribed') return never;
          const isAgain = sub !== undefined && sub.events.all('subscribed').length > 0;
          return Promise.resolve(permit(channel, { exp: now() + (isAgain ? 3600 : 2) }));
        },
      });
      await sub.events.next('subscribed');
      const { code, reason } = await sub.events.next('subscribing', ({ code }) => code > 0);
      equal([code, reason], [2501, 'subscription expired']);
      await sub.events.next('subscribed');
      equal(one.state, 'connected');
    }
  });

  for (const [what, other] of [
    ['of another channel', { channel: 'closed:other' }],
    ['of another user', { sub: '43' }],
  ]) {
    it(`that is refreshed with a token ${what} gets 3500`, async (t) => {
      const channel = unique('closed:room');
      const one = await connected(t, patient);
      let sub;
      sub = subscribing(one, channel, {
        getToken: async () => {
          const isFirst = sub?.state !== 'subscribed';
          return permit(channel, { exp: now() + 2, ...(isFirst ? {} : other) });
        },
      });
      equal((await one.events.next('disconnected')).code, 3500);
    });
  }

  it('that is refreshed with an expired token gets 3006, and the SDK connects again', async (t) => {
    const channel = unique('closed:room');
    const one = await connected(t, patient);
    let sub;
    sub = subscribing(one, channel, {
      getToken: async () => {
        if (sub?.state === 'subscribed') return permit(channel, { exp: now() - 1 });
        const isAgain = sub !== undefined && sub.events.all('subscribed').length > 0;
        return permit(channel, { exp: now() + (isAgain ? 3600 : 2) });
      },
    });
    await sub.events.next('subscribed');
    equal((await one.events.next('connecting', ({ code }) => code > 0)).code, 3006);
    await sub.events.next('subscribed');
  });

  it('has the expiry that its token says', async (t) => {
    const one = await connected(t, patient);
    const expiry = async (claims) => {
      const channel = unique('closed:room');
      await subscribed(one, channel, { token: permit(channel, claims) });
      const { expires, ttl } = one.tap.replies('subscribe').at(-1);
      return { expires, ttl };
    };
    equal(await expiry({ exp: now() + 600, expire_at: 0 }), {});
    equal(await expiry({}), {});
    const { expires, ttl } = await expiry({ exp: now() + 3600, expire_at: now() + 600 });
    check(expires && ttl > 500 && ttl <= 600, `expires ${expires} in ${ttl} s`);
  });
});
