// What a client sends and receives in JSON, and cutting its link. In Node and in a browser alike.

const lines = (text) => text.split('\n').filter((line) => line).map((line) => JSON.parse(line));

export class Tap {
  /** The sockets of the client, the newest at the end. */
  sockets = [];
  /** Commands sent and replies received, in JSON. */
  sent = [];
  received = [];
  /** Whether pongs are sent. */
  pongs = true;
  #isCut = false;

  /** Returns the class with which the SDK makes its sockets. */
  socketClass(WebSocket) {
    const tap = this;
    return class extends WebSocket {
      constructor(url, protocols = []) {
        // The server does not serve this path.
        super(tap.#isCut ? new URL('/refused', url).href : url, protocols);
        tap.sockets.push(this);
        this.addEventListener('message', ({ data }) => {
          if (typeof data === 'string') tap.received.push(...lines(data));
        });
      }

      send(data) {
        if (data === '{}' && !tap.pongs) return;
        if (typeof data === 'string') tap.sent.push(...lines(data));
        super.send(data);
      }
    };
  }

  /** Cuts the link, and returns a function that lets the client connect again. */
  cut() {
    this.#isCut = true;
    const socket = this.sockets.at(-1);
    if (socket.terminate) socket.terminate();
    else socket.close();
    return () => { this.#isCut = false; };
  }

  /** Returns the results of this name that have been received, or the pushes. */
  replies(name) {
    return this.received.filter((reply) => name in reply).map((reply) => reply[name]);
  }
}
