// A language server that answers to be started and to be stopped, and to nothing else.
"use strict";

let received = Buffer.alloc(0);

process.stdin.on("data", (bytes) => {
  received = Buffer.concat([received, bytes]);
  for (let body = next(); body !== undefined; body = next()) answer(JSON.parse(body));
});

/** The next message, once it is there as a whole. */
function next() {
  const start = received.indexOf("\r\n\r\n") + 4;
  const length = Number(/Content-Length: (\d+)/i.exec(received.toString("latin1", 0, start))?.[1]);
  if (start < 4 || !(received.length >= start + length)) return undefined;
  const body = received.toString("utf8", start, start + length);
  received = received.subarray(start + length);
  return body;
}

function answer({ id, method }) {
  if (method === "exit") process.exit(0);
  const results = { initialize: { capabilities: {} }, shutdown: null };
  if (!(method in results)) return;
  const body = JSON.stringify({ jsonrpc: "2.0", id, result: results[method] });
  process.stdout.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
