// A small stand-in for heed's server, for work on the page without a model: same paths, same stream, canned text.
// MOCK_KEY asks for a key, MOCK_RATE sets tokens per second, PORT the port; it serves dist/ under heed's content policy.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const rate = Number(process.env.MOCK_RATE ?? 40);
const models = ["example-chat", "example-small", "example-base"];
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };

const answer = `Attention lets a model decide, for every word it writes, **which earlier words matter** and how much.

Think of a noisy dinner: you hear everyone, but you *heed* the voice that answers your question.

| step | what happens |
|---|---|
| query | what the current word is looking for |
| key | what each earlier word offers |
| value | what is taken from the words that match |

In code the whole idea fits in three lines:

\`\`\`python
import numpy as np

def attention(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[-1])   # how well do they match?
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v
\`\`\`

1. Scores say how well a query matches each key.
2. The softmax turns them into shares that add up to one.
3. The values are mixed in these shares.
`;

function error(response, status, message, code, more = {}) {
  response.writeHead(status, { "Content-Type": "application/json", ...more });
  response.end(JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code } }));
}

function body_of(request) {
  return new Promise((resolve) => {
    let text = "";
    request.on("data", (piece) => (text += piece));
    request.on("end", () => resolve(JSON.parse(text || "{}")));
  });
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Invented, but of the right shape: one likely token and four others.
function logprobs_of(text, is_chat) {
  const chances = [0.62, 0.2, 0.08, 0.05, 0.02].map(Math.log);
  const names = [text, " perhaps", " then", " light", " the"];
  if (is_chat) {
    const top = names.map((token, i) => ({ token, logprob: chances[i], bytes: [...Buffer.from(token)] }));
    return { content: [{ ...top[0], top_logprobs: top }] };
  }
  return { tokens: [text], token_logprobs: [chances[0]], top_logprobs: [Object.fromEntries(names.map((name, i) => [name, chances[i]]))], text_offset: [0] };
}

function score(response, body) {
  const parts = pieces(body.prompt).map((text) => logprobs_of(text, false));
  const all = (name) => parts.flatMap((part) => part[name]);
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ choices: [{ text: body.prompt, logprobs: { tokens: all("tokens"), token_logprobs: all("token_logprobs"), top_logprobs: all("top_logprobs") } }] }));
}

const pieces = (text) => text.match(/\s*\S{1,5}|\s+/g) ?? [];

async function text_route(request, response, path) {
  const body = await body_of(request);
  const tokens = pieces(body.content ?? "").map((piece, i) => (body.with_pieces ? { id: 1000 + i, piece } : 1000 + i));
  const prompt = (body.messages ?? []).map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join("");
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify(path.endsWith("tokenize") ? { tokens } : { prompt: `${prompt}<|im_start|>assistant\n` }));
}

async function stream(response, body, is_chat) {
  const send = (chunk) => response.write(`data: ${JSON.stringify({ object: is_chat ? "chat.completion.chunk" : "text_completion", model: body.model, usage: null, ...chunk })}\n\n`);
  const choice = (text, finish) => {
    const logprobs = text && body.logprobs ? logprobs_of(text, is_chat) : null;
    return { choices: [is_chat ? { index: 0, delta: text ? { content: text } : {}, logprobs, finish_reason: finish } : { index: 0, text, logprobs, finish_reason: finish }] };
  };
  const question = is_chat ? body.messages.at(-1).content : body.prompt;
  const prompt_tokens = Math.ceil(JSON.stringify(body.messages ?? body.prompt).length / 4);
  const words = (/count|long|thousand/i.test(question) ? answer.repeat(20) : is_chat ? answer : " the light went out one evening and a ship called from the fog, patient and low.").match(/\s*\S+\s*/g);
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  for (let done = 0; done < prompt_tokens; done += Math.ceil(prompt_tokens / 3)) {
    response.write(`: prefill ${done}/${prompt_tokens}\n\n`);
    await wait(120);
  }
  const limit = Math.min(body.max_tokens ?? 16, words.length);
  const began = Date.now();
  for (let i = 0; i < limit && !response.destroyed; ++i) {
    send(choice(words[i], null));
    await wait(1000 / rate);
  }
  const decode_ms = Date.now() - began;
  send(choice("", limit < words.length ? "length" : "stop"));
  const cached = is_chat ? Math.floor(prompt_tokens / 2) * (body.messages.length > 2) : 0;
  send({ choices: [], usage: { prompt_tokens, completion_tokens: limit, total_tokens: prompt_tokens + limit, prompt_tokens_details: { cached_tokens: Number(cached) } }, heed: { tokens_per_second: (limit * 1000) / decode_ms, prefill_ms: 360, decode_ms, queue_ms: 1 } });
  response.end("data: [DONE]\n\n");
}

async function generate(request, response, is_chat) {
  const body = await body_of(request);
  const question = JSON.stringify(body.messages?.at(-1)?.content ?? body.prompt);
  if (is_chat && body.model === "example-base") {
    return error(response, 400, "model: example-base is a base model without a chat template: use /v1/completions", "no_chat_template");
  }
  if (question.includes("MOCK_BUSY")) return error(response, 429, "queue full", "busy", { "Retry-After": "2" });
  if (question.includes("MOCK_LONG")) return error(response, 400, "messages: 9000 tokens, but the context holds 8192", "context_length_exceeded");
  if (question.includes("MOCK_CUT")) {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write('data: {"choices":[{"index":0,"delta":{"content":"Half an ans"}}]}\n\n');
    return setTimeout(() => response.destroy(), 100);
  }
  if (body.stream !== true && body.echo) return score(response, body);
  return stream(response, body, is_chat);
}

function file(response, path) {
  const wanted = join(dist, normalize(path === "/" ? "/index.html" : path));
  if (!wanted.startsWith(dist) || !existsSync(wanted) || !statSync(wanted).isFile()) return error(response, 404, "no such page", "not_found");
  response.writeHead(200, { "Content-Type": types[extname(wanted)] ?? "application/octet-stream", "Content-Security-Policy": policy });
  return createReadStream(wanted).pipe(response);
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/health" || pathname === "/ready") return response.writeHead(200, { "Content-Type": "application/json" }).end('{"status":"ok"}');
  if (!pathname.startsWith("/v1/")) return file(response, pathname);
  const key = process.env.MOCK_KEY;
  if (key && request.headers.authorization !== `Bearer ${key}`) return error(response, 401, "a valid API key is needed", "invalid_api_key");
  if (pathname === "/v1/models") {
    response.writeHead(200, { "Content-Type": "application/json" });
    return response.end(JSON.stringify({ object: "list", data: models.map((id) => ({ id, object: "model", created: 0, owned_by: "heed", heed: { loaded: true, context_length: 8192, chat: id !== "example-base" } })) }));
  }
  if (pathname === "/v1/chat/completions") return generate(request, response, true);
  if (pathname === "/v1/tokenize" || pathname === "/v1/apply-template") return text_route(request, response, pathname);
  if (pathname === "/v1/completions") return generate(request, response, false);
  return error(response, 404, "no such path", "not_found");
});
server.listen(Number(process.env.PORT ?? 8090), "127.0.0.1", () => console.log(`mock of heed: http://127.0.0.1:${server.address().port}`));
