// The cases of core.mjs in headless Chromium, with the bundles that the package has for browsers.

import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, describe, it } from 'node:test';

import { cases } from './core.mjs';
import { CODECS } from '../support/client.mjs';
import { equal, until } from '../support/events.mjs';
import { Server } from '../support/server.mjs';
import { token } from '../support/token.mjs';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const TYPES = { html: 'text/html', js: 'text/javascript', mjs: 'text/javascript' };
/** The page must have its result after this. */
const LIMIT = 15 * 60_000;

const chromium = find();
if (!chromium && process.env.STENTOR_BROWSER === 'require') {
  throw new Error('there is no Chromium: install chromium, or name a program in STENTOR_CHROMIUM');
}

/** The browser, if there is one. */
function find() {
  const { STENTOR_CHROMIUM, PATH } = process.env;
  if (STENTOR_CHROMIUM) return STENTOR_CHROMIUM;
  for (const folder of PATH.split(delimiter)) {
    for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // The next one, then.
      }
    }
  }
  return undefined;
}

/** Removes a folder, in which processes that are ending may still write. */
function removed(folder) {
  try {
    rmSync(folder, { recursive: true, force: true });
    return true;
  } catch {
    return false;
  }
}

const results = new Map();
let ended;
const end = new Promise((resolve) => { ended = resolve; });

/** Serves the page, the modules of this folder and the bundles of the SDK. */
const pages = createServer(async (request, answer) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  if (request.method === 'POST') {
    let body = '';
    for await (const chunk of request) body += chunk;
    const sent = JSON.parse(body);
    if (pathname === '/result') results.set(`${sent.codec}: ${sent.name}`, sent);
    if (pathname === '/end') ended();
    return answer.end(pathname === '/token' ? token(sent) : '');
  }
  const file = pathname.startsWith('/sdk/')
    ? join(process.env.SDK_PACKAGES, 'node_modules/centrifuge/dist', pathname.slice(5))
    : join(HERE, pathname);
  try {
    const content = readFileSync(file);
    answer.setHeader('Content-Type', TYPES[pathname.split('.').at(-1)] ?? 'text/plain');
    answer.end(content);
  } catch {
    answer.writeHead(404).end();
  }
});

if (chromium) {
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  const origin = `http://127.0.0.1:${pages.address().port}`;
  const server = await Server.start('--client.allowed-origins', origin);
  const profile = mkdtempSync(join(tmpdir(), 'stentor-sdk-'));
  const browser = spawn(chromium, [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
    '--no-proxy-server', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-extensions', '--disable-crash-reporter', '--disable-background-timer-throttling',
    '--disable-renderer-backgrounding', `--user-data-dir=${profile}`, '--remote-debugging-port=0',
    `${origin}/browser/page.html?endpoint=${encodeURIComponent(server.url())}`,
  ], {
    // A group of its own, with all the processes that it starts.
    detached: true,
    env: { ...process.env, HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile },
    stdio: 'ignore',
  });
  const exited = once(browser, 'exit');
  exited.then(ended);
  const timer = setTimeout(ended, LIMIT);
  after(async () => {
    clearTimeout(timer);
    pages.close();
    pages.closeAllConnections();
    if (browser.exitCode === null) process.kill(-browser.pid, 'SIGKILL');
    await exited;
    await server.stop();
    await until(() => removed(profile), 'the profile to be removed');
  });
}

describe('browser', { skip: chromium ? false : 'there is no Chromium' }, () => {
  for (const codec of CODECS) {
    for (const name of Object.keys(cases)) {
      it(`browser, ${codec}: ${name}`, async () => {
        await end;
        const result = results.get(`${codec}: ${name}`);
        if (!result) throw new Error('the page has no result');
        equal(result.error, undefined);
      });
    }
  }
});
