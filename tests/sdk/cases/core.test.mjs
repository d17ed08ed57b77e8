// The cases that a browser runs too.

import { after, describe, it } from 'node:test';

import { cases } from './core.mjs';
import { client, CODECS, TRANSPORT } from '../support/client.mjs';
import { Server } from '../support/server.mjs';
import { token } from '../support/token.mjs';

const server = await Server.start();
after(() => server.stop());

describe('core', { concurrency: 4 }, () => {
  for (const codec of CODECS) {
    for (const [name, run] of Object.entries(cases)) {
      it(`${codec}: ${name}`, async (t) => {
        const env = {
          isEmulated: TRANSPORT !== 'websocket',
          token: async (claims) => token(claims),
          client: (codec, options) => client(t, server, codec, options),
        };
        await run(env, codec);
      });
    }
  }
});
