// Reads requests as Node's HTTP server does, for http_parsers.
//
// Each line of the input is a JSON string of bytes as characters; each line of the output says what
// requests they are, and how they end.
'use strict';
const http = require('node:http');
const net = require('node:net');
const readline = require('node:readline');

// Of the case that is served: one at a time.
let requests;
let end;

function take(request, response) {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const raw = request.rawHeaders;
    const fields = [];
    for (let at = 0; at < raw.length; at += 2) fields.push([raw[at], raw[at + 1]]);
    requests.push({
      method: request.method,
      target: request.url,
      version: request.httpVersion,
      fields,
      body: Buffer.concat(pieces).toString('latin1'),
    });
    response.end();
  });
}

const server = http.createServer({ maxHeaderSize: 8192, requireHostHeader: true }, take);
// The client ends its side at once, and is answered all the same.
server.httpAllowHalfOpen = true;
server.on('checkContinue', (request, response) => {
  response.writeContinue();
  take(request, response);
});
server.on('clientError', (error, socket) => {
  if (error.code === 'HPE_INVALID_EOF_STATE') end = 'incomplete';
  // What follows the last request is not looked at.
  else if (error.code !== 'HPE_CLOSED_CONNECTION') end = 'refused';
  // The requests before are whole: they have their turn first.
  setImmediate(() => socket.destroy());
});

function serve(bytes) {
  return new Promise((resolve) => {
    requests = [];
    end = 'whole';
    let received = '';
    const socket = net.connect(server.address().port, '127.0.0.1', () => socket.end(bytes));
    socket.setTimeout(10_000, () => {
      end = 'timeout';
      socket.destroy();
    });
    socket.on('data', (data) => { received += data.toString('latin1'); });
    socket.on('error', () => {});
    socket.on('close', () => {
      // What the server refuses by itself has no event: no Host, another expectation.
      if (end === 'whole' && /^HTTP\/1\.1 4/m.test(received)) end = 'refused';
      resolve({ requests, end });
    });
  });
}

server.listen(0, '127.0.0.1', async () => {
  const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
  print(`node ${process.version} with llhttp ${process.versions.llhttp}`);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    print(await serve(Buffer.from(JSON.parse(line), 'latin1')));
  }
  server.close();
  server.closeAllConnections();
});
