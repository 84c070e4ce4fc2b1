// A server that speaks HTTP/2 and HTTP/1.1 over TLS, as the services do.
//
// node https.mjs CERTIFICATE KEY
//
// Prints its port, then `METHOD PATH VERSION` for each request; ends when its standard input does.
// `/refused` is refused before it is looked at, `/cut` breaks off, everything else answers with the
// protocol's version.

import { readFileSync } from "node:fs";
import { constants, createSecureServer } from "node:http2";

const [certificate, key] = process.argv.slice(2);
const server = createSecureServer({
  cert: readFileSync(certificate),
  key: readFileSync(key),
  allowHTTP1: true,
});
server.on("request", (request, response) => {
  console.log(`${request.method} ${request.url} ${request.httpVersion}`);
  if (request.url === "/refused") {
    response.stream.close(constants.NGHTTP2_REFUSED_STREAM);
  } else if (request.url === "/cut") {
    response.write("half", () => response.stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  } else {
    response.end(request.httpVersion);
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
