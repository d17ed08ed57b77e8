// A server under test: a process of its own on a port of the system's choice, with the configuration of
// js.toml. SDK_PROGRAM names its program.

import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { basename, join } from 'node:path';
import { tmpdir } from 'node:os';

import { limit } from './events.mjs';

const CONFIGURATION = fileURLToPath(new URL('../js.toml', import.meta.url));

export class Server {
  /** Starts a server with these flags and waits until it listens. */
  static async start(...flags) {
    const server = new Server();
    await server.#run(['--listen', '127.0.0.1:0', ...flags]);
    server.flags = flags;
    return server;
  }

  #child;

  async #run(flags) {
    const environment = Object.entries(process.env).filter(([name]) => !name.startsWith('STENTOR_'));
    const child = spawn(process.env.SDK_PROGRAM, ['--config', CONFIGURATION, ...flags], {
      env: Object.fromEntries(environment),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    const name = basename(process.argv[1]).replace(/\..*/, '');
    const file = createWriteStream(join(process.env.SDK_LOGS ?? tmpdir(), `${name}-${child.pid}.log`));
    const log = [];
    const listening = new Promise((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface(stream).on('line', (line) => {
          log.push(line);
          file.write(`${line}\n`);
          const port = line.includes('listening on') && /127\.0\.0\.1:(\d+)/.exec(line);
          if (port) resolve(Number(port[1]));
        });
      }
      child.on('error', reject);
      child.on('close', (code, signal) => {
        reject(new Error(`the server has exited with ${code ?? signal}:\n${log.join('\n')}`));
      });
    });
    this.port = await limit(listening, 'the server to listen');
    // The tests do not wait for it.
    process.once('exit', () => child.kill('SIGKILL'));
  }

  /** The address of an endpoint. */
  url(path = '/connection/websocket') {
    return `ws://127.0.0.1:${this.port}${path}`;
  }

  /** Ends the server, as an operator does. */
  async stop() {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server has exited with ${child.exitCode ?? child.signalCode}`);
    }
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const [code] = await limit(exited, 'the server to exit');
    if (code !== 0) throw new Error(`the server has exited with ${code}`);
  }

  /** Starts it again on the same port. */
  async again() {
    await this.#run(['--listen', `127.0.0.1:${this.port}`, ...this.flags]);
  }
}
