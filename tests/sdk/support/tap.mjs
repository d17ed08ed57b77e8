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

  /** What the SDK calls in place of `fetch`. */
  fetch = async (url, options) => {
    const isCommands = new URL(url).pathname === '/emulation';
    const text = typeof options.body === 'string' ? options.body : '';
    const commands = isCommands && text ? JSON.parse(text).data : text;
    if (commands === '{}' && !this.pongs) return new Response(null, { status: 204 });
    this.sent.push(...lines(commands));
    if (isCommands) return fetch(url, options);
    const link = new AbortController();
    options.signal.addEventListener('abort', () => link.abort());
    this.sockets.push({ terminate: () => link.abort() });
    const address = this.#isCut ? new URL('/refused', url) : url;
    const response = await fetch(address, { ...options, signal: link.signal });
    if (!text || !response.ok) return response;
    const [mine, theirs] = response.body.tee();
    this.#readLines(mine);
    return new Response(theirs);
  };

  async #readLines(stream) {
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const bytes of stream) {
        const whole = (rest + decoder.decode(bytes, { stream: true })).split('\n');
        rest = whole.pop();
        this.received.push(...whole.flatMap(lines));
      }
    } catch {
      // The link is cut.
    }
  }

  /** Returns the class with which the SDK makes its sources of events. */
  eventSourceClass(EventSource) {
    const tap = this;
    return class extends EventSource {
      constructor(url, options) {
        super(tap.#isCut ? new URL('/refused', url).href : url, options);
        tap.sent.push(...lines(new URL(url).searchParams.get('cf_connect')));
        tap.sockets.push(this);
        this.addEventListener('message', ({ data }) => tap.received.push(...lines(data)));
      }

      terminate() {
        this.close();
        this.onerror(new Event('error'));
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
