import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { api_key, items_of_chunk, list_models, server_state, stream_chat, stream_completion, type StreamItem } from "../src/lib/api";
import { ApiFailure, failure_of_exception, failure_of_status, read_error_body } from "../src/lib/errors";

const kChat = [
  ': prefill 0/40\n\n: queued\n\n: loading the model\n\n: decoding\n\n: prefill 40/40\n\n',
  'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}\n\n',
  'data: {"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}],"usage":null}\n\n',
  'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":null}],"usage":null}\n\n',
  'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n',
  'data: {"choices":[],"usage":{"prompt_tokens":40,"completion_tokens":2,"total_tokens":42,"prompt_tokens_details":{"cached_tokens":32}},"heed":{"tokens_per_second":21.5,"prefill_ms":180,"decode_ms":93,"queue_ms":20}}\n\n',
  "data: [DONE]\n\n",
];

let calls: { url: string; init: RequestInit }[] = [];
function answer_with(body: string, init: ResponseInit = {}): void {
  vi.stubGlobal("fetch", async (url: string, request: RequestInit) => {
    calls.push({ url, init: request });
    return new Response(body, init);
  });
}

async function all(stream: AsyncGenerator<StreamItem>): Promise<StreamItem[]> {
  const items: StreamItem[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

const signal = new AbortController().signal;
beforeEach(() => {
  calls = [];
  sessionStorage.clear();
});
afterEach(() => vi.unstubAllGlobals());

describe("streams", () => {
  it("tells progress, text, reason and figures of a chat", async () => {
    answer_with(kChat.join(""));
    expect(await all(stream_chat({ model: "m" }, signal))).toEqual([
      { kind: "prefill", done: 0, total: 40 },
      { kind: "stage", stage: "queued" },
      { kind: "stage", stage: "loading" },
      { kind: "prefill", done: 40, total: 40 },
      { kind: "text", text: "Hel", tokens: [] },
      { kind: "text", text: "lo", tokens: [] },
      { kind: "finish", reason: "stop" },
      { kind: "usage", stats: { prompt_tokens: 40, completion_tokens: 2, cached_tokens: 32, tokens_per_second: 21.5, first_token_ms: 200 } },
    ]);
    expect(calls[0]?.url).toBe("v1/chat/completions");
    expect(JSON.parse(calls[0]?.init.body as string)).toEqual({ model: "m", stream: true, stream_options: { include_usage: true } });
  });

  it("reads completion chunks", async () => {
    answer_with('data: {"choices":[{"index":0,"text":" sea","finish_reason":null}]}\n\ndata: {"choices":[{"index":0,"text":"","finish_reason":"length"}]}\n\ndata: [DONE]\n\n');
    expect(await all(stream_completion({}, signal))).toEqual([{ kind: "text", text: " sea", tokens: [] }, { kind: "finish", reason: "length" }]);
  });

  it("calls a stream without its end cut", async () => {
    answer_with(kChat.slice(0, 3).join(""));
    const error: unknown = await all(stream_chat({}, signal)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Error);
    expect(failure_of_exception(error, true).kind).toBe("cut");
  });

  it("raises an error that comes in the stream", () => {
    expect(() => items_of_chunk('{"error":{"message":"page pool is full","code":"busy"}}')).toThrow("page pool is full");
  });

  it("leaves out figures the server does not tell", () => {
    expect(items_of_chunk('{"choices":[],"usage":{"prompt_tokens":3}}')).toEqual([{ kind: "usage", stats: { prompt_tokens: 3 } }]);
  });
});

describe("keys, models, readiness", () => {
  it("sends the key it was given, and none otherwise", async () => {
    answer_with('{"data":[{"id":"a"},{"id":7},null,{"id":"b"}]}');
    expect(await list_models()).toEqual([{ id: "a", is_loaded: false }, { id: "b", is_loaded: false }]);
    expect(calls[0]?.init.headers).not.toHaveProperty("Authorization");
    api_key.store("secret");
    await list_models();
    expect(calls[1]?.init.headers).toHaveProperty("Authorization", "Bearer secret");
    api_key.store("");
    expect(sessionStorage.length).toBe(0);
  });

  it.each([[200, "ready"], [503, "starting"], [404, "unreachable"]] as const)("status %i of /ready is %s", async (status, state) => {
    answer_with("", { status });
    expect(await server_state()).toBe(state);
  });

  it("no answer at all is unreachable", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("failed")));
    expect(await server_state()).toBe("unreachable");
    expect(failure_of_exception(await list_models().catch((e: unknown) => e), false).kind).toBe("unreachable");
  });
});

describe("failures", () => {
  const body = (message: string, code: string | null = null): string => JSON.stringify({ error: { message, type: "x", param: null, code } });

  it.each([
    [401, body("no key"), null, "unauthorized", "no key", undefined],
    [429, body("full"), "7", "busy", "Too many requests are waiting at the moment.", 7],
    [429, "", null, "busy", "Too many requests are waiting at the moment.", 3],
    [429, "", "-4", "busy", "Too many requests are waiting at the moment.", 3],
    [503, body("loading"), null, "not_ready", "loading", 3],
    [400, body("model: g is a base model without a chat template: use /v1/completions", "no_chat_template"), null, "no_chat", undefined, undefined],
    [400, body("no chat template, use completions"), null, "no_chat", undefined, undefined],
    [400, body("9000 tokens, 8192 fit", "context_length_exceeded"), null, "too_long", "9000 tokens, 8192 fit", undefined],
    [400, body("top_p: expected a number"), null, "refused", "top_p: expected a number", undefined],
    [500, "<html>oops</html>", null, "server", "The server answered with status 500.", undefined],
    [502, "", null, "unreachable", "The server answered with status 502.", undefined],
  ])("status %i %s -> as a person reads it", (status, text, header, kind, detail, seconds) => {
    const failure = failure_of_status(status, text, header);
    expect(failure.kind).toBe(kind);
    if (detail !== undefined) expect(failure.detail).toBe(detail);
    expect(failure.retry_seconds).toBe(seconds);
  });

  it("reads any body", () => {
    expect(read_error_body('{"error":"plain"}').message).toBe("plain");
    expect(read_error_body('{"error":{"message":5}}').message).toBe("");
    expect(read_error_body("null").message).toBe("null");
    expect(read_error_body("x".repeat(999)).message).toHaveLength(300);
  });

  it("keeps what the server said", async () => {
    answer_with(body("n: expected an integer"), { status: 400 });
    const error: unknown = await all(stream_chat({}, signal)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiFailure);
    expect(failure_of_exception(error, false).detail).toBe("n: expected an integer");
  });
});
