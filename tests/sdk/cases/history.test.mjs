// The history of a channel.

import { after, describe, it } from 'node:test';

import { CODECS, connected, subscribed } from '../support/client.mjs';
import { check, equal, pack, refusal, rejection, together, unique, unpack, until } from '../support/events.mjs';
import { Server } from '../support/server.mjs';

const server = await Server.start();
after(() => server.stop());

const offsets = ({ publications }) => publications.map(({ offset }) => offset);
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => from + n);

describe('history', { concurrency: 8 }, () => {
  it('can be paged forward and backward to its end', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const channel = unique('open:pages');
      for (const n of range(1, 95)) await one.publish(channel, pack(codec, n));
      const { epoch, offset } = await one.history(channel);
      equal(offset, 95);
      for (const reverse of [false, true]) {
        const found = [];
        let since;
        for (;;) {
          const page = await one.history(channel, { limit: 10, reverse, ...(since && { since }) });
          if (!page.publications.length) break;
          for (const { data, offset } of page.publications) equal(unpack(codec, data), offset);
          found.push(...offsets(page));
          since = { offset: found.at(-1), epoch: page.epoch };
          // Before the first there is nothing, and no position to ask from.
          if (reverse && since.offset === 1) break;
        }
        equal(found, reverse ? range(1, 95).reverse() : range(1, 95));
      }
      equal(offsets(await one.history(channel, { limit: 5, reverse: true, since: { offset: 1, epoch } })), []);
      // The SDK leaves an empty epoch out, and it is that of any stream.
      equal(offsets(await one.history(channel, { limit: 2, since: { offset: 3, epoch: '' } })), [4, 5]);
    }
  });

  it('says who has published', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const channel = unique('open:info');
      await one.publish(channel, pack(codec, 'a'));
      const [{ info }] = (await one.history(channel, { limit: 1 })).publications;
      equal([info.user, info.client], ['42', one.id]);
    }
  });

  it('has at most so many as its size', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const channel = unique('small:size');
      for (const n of range(1, 5)) await one.publish(channel, pack(codec, n));
      const page = await one.history(channel, { limit: -1 });
      equal([offsets(page), page.offset], [[4, 5], 5]);
      equal(offsets(await one.history(channel, { limit: -1, since: { offset: 1, epoch: page.epoch } })), [4, 5]);
    }
  });

  it('gives a client at most 300 at once', async (t) => {
    const one = await connected(t, server);
    const channel = unique('open:limit');
    await together(range(1, 400), (n) => one.publish(channel, n));
    equal(offsets(await one.history(channel, { limit: -1 })), range(1, 300));
    equal(offsets(await one.history(channel, { limit: 1000, reverse: true })), range(101, 400).reverse());
    equal((await one.history(channel, { limit: 300 })).publications.length, 300);
  });

  it('vanishes after its time, and the position stays', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const channel = unique('brief:time');
      for (const n of range(1, 3)) await one.publish(channel, pack(codec, n));
      const { epoch } = await one.history(channel);
      const gone = async () => {
        const page = await one.history(channel, { limit: -1 });
        equal([page.offset, page.epoch], [3, epoch]);
        return page.publications.length === 0;
      };
      await until(gone, 'the history to vanish');
      await one.publish(channel, pack(codec, 4));
      equal((await one.history(channel)).offset, 4);
    }
  });

  it('an empty channel has none, and a position', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const { publications, offset } = await one.history(unique('open:nothing'), { limit: 10 });
      equal([publications, offset], [[], 0]);
      const sub = await subscribed(one, unique('open:nothing'));
      const { streamPosition } = sub.context;
      equal(streamPosition.offset, 0);
      check((await sub.history()).epoch, 'an epoch');
    }
  });

  it('from a foreign epoch gets 112, backward from 0 gets 107', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      const channel = unique('open:errors');
      await one.publish(channel, pack(codec, 1));
      const foreign = { limit: 1, since: { offset: 1, epoch: 'foreign' } };
      equal(await refusal(one.history(channel, foreign)), { code: 112, message: 'unrecoverable position' });
      equal((await rejection(one.history(channel, { ...foreign, limit: 0 }))).code, 112);
      const zero = { limit: 1, reverse: true, since: { offset: 0, epoch: '' } };
      equal((await rejection(one.history(channel, zero))).code, 107);
    }
  });

  it('gets 102, 103 and 108', async (t) => {
    for (const codec of CODECS) {
      const one = await connected(t, server, codec);
      for (const [channel, code] of [['unknown:room', 102], ['closed:room', 103], ['plain:room', 108]]) {
        equal((await rejection(one.history(channel, { limit: 1 }))).code, code, channel);
      }
    }
  });
});
