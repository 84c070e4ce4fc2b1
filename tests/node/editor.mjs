// Plays the editor: opens one document in yaml-language-server and asks it what an author would see.
//
// node editor.mjs SERVER < question > answer
//   question  {"uri", "text", "ask": [{"completion"|"hover": {"line", "character"}}, ...]}
//   answer    {"diagnostics": [text, ...], "answers": [[label, ...] | text, ...]}
//
// The server is the one that the YAML extensions of editors use; it is spoken to over its standard
// input and output, and needs no network.
import { spawn } from "node:child_process";
import { text as readAll } from "node:stream/consumers";

const [server] = process.argv.slice(2);
const question = JSON.parse(await readAll(process.stdin));
const child = spawn(process.execPath, [server, "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
const waiting = new Map();
let settle;
const diagnosed = new Promise((resolve) => (settle = resolve));
let count = 0;

function send(message) {
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
  child.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
  child.stdin.write(body);
}

function request(method, params) {
  count += 1;
  const id = count;
  send({ id, method, params });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

const settings = { validate: true, completion: true, hover: true, schemaStore: { enable: false }, keyOrdering: false };

function receive(message) {
  if (message.method === "workspace/configuration") {
    const wanted = message.params.items.map((item) => (item.section === "yaml" ? settings : {}));
    send({ id: message.id, result: wanted });
  } else if (message.method === "textDocument/publishDiagnostics") {
    if (message.params.uri === question.uri) settle(message.params.diagnostics);
  } else if (message.method && message.id !== undefined) {
    send({ id: message.id, result: null });
  } else if (waiting.has(message.id)) {
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error) reject(new Error(message.error.message));
    else resolve(message.result);
  }
}

let buffer = Buffer.alloc(0);
child.stdout.on("data", (chunk) => {
  buffer = Buffer.concat([buffer, chunk]);
  for (;;) {
    const head = buffer.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/content-length: *(\d+)/i.exec(buffer.toString("latin1", 0, head))[1]);
    if (buffer.length < head + 4 + length) return;
    const body = buffer.toString("utf8", head + 4, head + 4 + length);
    buffer = buffer.subarray(head + 4 + length);
    receive(JSON.parse(body));
  }
});

await request("initialize", {
  processId: process.pid,
  rootUri: null,
  capabilities: {
    workspace: { configuration: true },
    textDocument: { completion: { completionItem: { documentationFormat: ["markdown"], snippetSupport: true } } },
  },
});
send({ method: "initialized", params: {} });
send({
  method: "textDocument/didOpen",
  params: { textDocument: { uri: question.uri, languageId: "yaml", version: 1, text: question.text } },
});
const diagnostics = (await diagnosed).map((problem) => `${problem.range.start.line + 1}: ${problem.message}`);
const answers = [];
for (const ask of question.ask) {
  const [[method, position]] = Object.entries(ask);
  const result = await request(`textDocument/${method}`, { textDocument: { uri: question.uri }, position });
  if (method === "hover") answers.push(result?.contents?.value ?? "");
  else answers.push((result?.items ?? result ?? []).map((item) => item.label).sort());
}
process.stdout.write(JSON.stringify({ diagnostics, answers }));
await request("shutdown", null);
send({ method: "exit" });
