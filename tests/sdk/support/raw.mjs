// A client without an SDK: sends what a test says, and reads replies one by one. JSON.

import { WebSocket } from './client.mjs';
import { limit } from './events.mjs';
import { token } from './token.mjs';

export class Raw {
  /** Opens a connection; with `user` it is connected with a token. */
  static async open(t, server, { path, protocols, user } = {}) {
    const raw = new Raw(new WebSocket(server.url(path), protocols));
    t.after(() => raw.socket.terminate());
    await limit(raw.opened, 'an open connection');
    if (user !== undefined) raw.connected = (await raw.call({ connect: { token: token({ sub: user }) } })).connect;
    return raw;
  }

  #messages = [];
  #wake = () => {};
  #ended = false;
  #id = 0;

  constructor(socket) {
    this.socket = socket;
    this.opened = new Promise((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('error', reject);
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#ended = true;
        this.#wake();
        resolve({ code, reason: reason.toString() });
      });
    });
    socket.on('message', (data, binary) => {
      if (binary) this.#messages.push(data);
      else this.#messages.push(...data.toString().replace(/\n$/, '').split('\n'));
      this.#wake();
    });
  }

  /** Sends commands, one or more in one message, or bytes as they are. */
  send(...commands) {
    const texts = commands.map((one) => (typeof one === 'object' ? JSON.stringify(one) : one));
    this.socket.send(Buffer.isBuffer(commands[0]) ? commands[0] : texts.join('\n'));
  }

  /** Returns the next line of text, or the next binary message. */
  async line() {
    while (!this.#messages.length) {
      if (this.#ended) throw new Error(`closed: ${JSON.stringify(await this.closed)}`);
      await limit(new Promise((resolve) => { this.#wake = resolve; }), 'a message');
    }
    return this.#messages.shift();
  }

  /** Returns the next reply or push. */
  async next() {
    return JSON.parse(await this.line());
  }

  /** Sends a command and returns its reply; pushes before it are dropped. */
  async call(command) {
    const id = ++this.#id;
    this.send({ id, ...command });
    for (;;) {
      const reply = await this.next();
      if (reply.id === id) return reply;
    }
  }

  /** Sends bytes or text as they are. */
  sendAsIs(data, options) {
    this.socket.send(data, options);
  }

  /** Waits for the end and returns its code and reason. */
  end() {
    return limit(this.closed, 'a close frame');
  }
}
