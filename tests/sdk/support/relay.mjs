// A TCP relay between clients and a server, which cuts and stops links.

import { connect, createServer } from 'node:net';
import { once } from 'node:events';

export class Relay {
  static async start(t, server) {
    const relay = new Relay(server.port);
    relay.#listener.listen(0, '127.0.0.1');
    await once(relay.#listener, 'listening');
    relay.port = relay.#listener.address().port;
    t.after(() => relay.close());
    return relay;
  }

  #listener;
  #links = new Set();
  #isOpen = true;

  constructor(port) {
    this.#listener = createServer({ highWaterMark: 16 << 10 }, (near) => {
      if (!this.#isOpen) return near.destroy();
      const far = connect({ port, host: '127.0.0.1', highWaterMark: 16 << 10 });
      const link = { near, far };
      this.#links.add(link);
      near.pipe(far);
      far.pipe(near);
      const end = () => {
        near.destroy();
        far.destroy();
        this.#links.delete(link);
      };
      for (const socket of [near, far]) socket.on('error', end).on('close', end);
    });
  }

  url(path = '/connection/websocket') {
    return `ws://127.0.0.1:${this.port}${path}`;
  }

  /** Cuts all links, and accepts none until it is opened again. */
  cut() {
    this.#isOpen = false;
    for (const { near, far } of [...this.#links]) {
      near.destroy();
      far.destroy();
    }
  }

  open() {
    this.#isOpen = true;
  }

  /** Reads nothing more from the server on the links that there are. */
  pause() {
    for (const { near, far } of this.#links) {
      far.unpipe(near);
      far.pause();
    }
  }

  resume() {
    for (const { near, far } of this.#links) far.pipe(near);
  }

  close() {
    this.cut();
    this.#listener.close();
  }
}
