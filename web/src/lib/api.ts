// The server's OpenAI-compatible interface as the page needs it: models, readiness, streamed chat and completion.
import type { Choice, ScoredToken } from "./conversations";
import { ApiFailure, failure, failure_of_status, read_error_body } from "./errors";
import { read_sse } from "./sse";

export interface Model {
  id: string;
  is_loaded: boolean;
  context_length?: number; // known once it was loaded
  can_chat?: boolean; // likewise
}

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface Stats {
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  tokens_per_second: number;
  first_token_ms: number;
}

export type StreamItem =
  | { kind: "text"; text: string; tokens: ScoredToken[] }
  | { kind: "finish"; reason: string }
  | { kind: "stage"; stage: "loading" | "queued" }
  | { kind: "prefill"; done: number; total: number }
  | { kind: "usage"; stats: Partial<Stats> };

export type RequestBody = Record<string, unknown>;

const kKeyName = "heed.key";

export const api_key = {
  read: (): string => sessionStorage.getItem(kKeyName) ?? "",
  store: (key: string): void => (key === "" ? sessionStorage.removeItem(kKeyName) : sessionStorage.setItem(kKeyName, key)),
};

function headers(): Record<string, string> {
  const key = api_key.read();
  return { "Content-Type": "application/json", ...(key === "" ? {} : { Authorization: `Bearer ${key}` }) };
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw new ApiFailure(failure_of_status(response.status, await response.text(), response.headers.get("Retry-After")));
}

/// One call; an answer other than 2xx is an ApiFailure.
export async function request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const sent = body === undefined ? null : JSON.stringify(body);
  return checked(await fetch(path, { method, headers: headers(), body: sent, signal: signal ?? null, cache: "no-store" }));
}

export async function list_models(): Promise<Model[]> {
  const body = (await (await request("GET", "v1/models")).json()) as { data?: unknown };
  const rows = Array.isArray(body.data) ? (body.data as unknown[]) : [];
  return rows.flatMap((row) => {
    const { id, heed } = (row ?? {}) as { id?: unknown; heed?: { loaded?: unknown; context_length?: unknown; chat?: unknown } };
    if (typeof id !== "string") return [];
    const model: Model = { id, is_loaded: heed?.loaded === true };
    const length = number_of(heed?.context_length);
    if (length !== undefined) model.context_length = length;
    if (typeof heed?.chat === "boolean") model.can_chat = heed.chat;
    return [model];
  });
}

export type ServerState = "ready" | "starting" | "unreachable";

export async function server_state(): Promise<ServerState> {
  try {
    const response = await fetch("ready", { cache: "no-store", signal: AbortSignal.timeout(4000) });
    if (response.ok) return "ready";
    return response.status === 503 ? "starting" : "unreachable";
  } catch {
    return "unreachable";
  }
}

function number_of(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function stats_of(chunk: Record<string, unknown>): Partial<Stats> {
  const usage = (chunk.usage ?? {}) as Record<string, unknown>;
  const details = (usage.prompt_tokens_details ?? {}) as Record<string, unknown>;
  const heed = (chunk.heed ?? usage.heed ?? {}) as Record<string, unknown>;
  const prefill = number_of(heed.prefill_ms);
  const found = {
    prompt_tokens: number_of(usage.prompt_tokens),
    completion_tokens: number_of(usage.completion_tokens),
    cached_tokens: number_of(details.cached_tokens),
    tokens_per_second: number_of(heed.tokens_per_second),
    first_token_ms: prefill === undefined ? undefined : prefill + (number_of(heed.queue_ms) ?? 0),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

function item_of_comment(text: string): StreamItem | undefined {
  const prefill = /^prefill (\d+)\/(\d+)$/.exec(text);
  if (prefill) return { kind: "prefill", done: Number(prefill[1]), total: Number(prefill[2]) };
  if (text.startsWith("loading")) return { kind: "stage", stage: "loading" };
  if (text.startsWith("queued")) return { kind: "stage", stage: "queued" };
  return undefined;
}

// Half a character is no text: its bytes are shown instead.
function text_of_token(text: unknown, bytes: unknown): string {
  const plain = typeof text === "string" ? text : "";
  if (!plain.includes("\uFFFD") || !Array.isArray(bytes)) return plain;
  return bytes.map((byte) => `\\x${Number(byte).toString(16).padStart(2, "0")}`).join("");
}

function choice_of(value: unknown): Choice {
  const { token, logprob, bytes } = (value ?? {}) as { token?: unknown; logprob?: unknown; bytes?: unknown };
  return { text: text_of_token(token, bytes), logprob: number_of(logprob) ?? -Infinity };
}

/// The tokens of a choice's `logprobs`: chat's list of objects, or completion's parallel lists (where a prompt's
/// first token has no score: it counts as certain).
export function scored_tokens(logprobs: unknown): ScoredToken[] {
  if (typeof logprobs !== "object" || logprobs === null) return [];
  const { content, tokens, token_logprobs, top_logprobs } = logprobs as Record<string, unknown>;
  if (Array.isArray(content)) {
    return content.map((item: unknown) => {
      const top = (item as { top_logprobs?: unknown }).top_logprobs;
      return { ...choice_of(item), top: Array.isArray(top) ? top.map(choice_of) : [] };
    });
  }
  if (!Array.isArray(tokens) || !Array.isArray(token_logprobs) || !Array.isArray(top_logprobs)) return [];
  return tokens.map((text: unknown, i) => {
    const top = Object.entries((top_logprobs[i] ?? {}) as Record<string, number>).map(([other, logprob]) => ({ text: other, logprob }));
    return { text: String(text), logprob: number_of(token_logprobs[i]) ?? 0, top };
  });
}

/// What one data line says; chat and completion chunks both.
export function items_of_chunk(data: string): StreamItem[] {
  const chunk = JSON.parse(data) as Record<string, unknown>;
  if (chunk.error !== undefined) throw new ApiFailure(failure("server", read_error_body(data).message));
  const items: StreamItem[] = [];
  const choices = Array.isArray(chunk.choices) ? (chunk.choices as Record<string, unknown>[]) : [];
  for (const choice of choices) {
    const delta = choice.delta as { content?: unknown } | undefined;
    const text = delta?.content ?? choice.text;
    const tokens = scored_tokens(choice.logprobs);
    if (typeof text === "string" && (text !== "" || tokens.length > 0)) items.push({ kind: "text", text, tokens });
    if (typeof choice.finish_reason === "string") items.push({ kind: "finish", reason: choice.finish_reason });
  }
  if (typeof chunk.usage === "object" && chunk.usage !== null) items.push({ kind: "usage", stats: stats_of(chunk) });
  return items;
}

async function* stream(path: string, body: RequestBody, signal: AbortSignal): AsyncGenerator<StreamItem> {
  const whole = { ...body, stream: true, stream_options: { include_usage: true } };
  const response = await request("POST", path, whole, signal);
  if (response.body === null) throw new ApiFailure(failure("server", "The server’s answer has no body."));
  for await (const item of read_sse(response.body)) {
    if (item.kind === "comment") {
      const told = item_of_comment(item.text);
      if (told) yield told;
    } else if (item.data === "[DONE]") {
      return;
    } else {
      yield* items_of_chunk(item.data);
    }
  }
  // Without [DONE] the stream was cut, however politely the connection closed.
  throw new Error("the stream ended early");
}

export const stream_chat = (body: RequestBody, signal: AbortSignal): AsyncGenerator<StreamItem> =>
  stream("v1/chat/completions", body, signal);
export const stream_completion = (body: RequestBody, signal: AbortSignal): AsyncGenerator<StreamItem> =>
  stream("v1/completions", body, signal);

export interface Piece {
  id: number;
  text: string;
}

/// The text as the model's tokens.
export async function tokenize(model: string, text: string, signal?: AbortSignal): Promise<Piece[]> {
  const body = (await (await request("POST", "v1/tokenize", { model, content: text, with_pieces: true }, signal)).json()) as { tokens?: { id: number; piece: unknown }[] };
  return (body.tokens ?? []).map(({ id, piece }) => ({ id, text: Array.isArray(piece) ? text_of_token("\uFFFD", piece) : String(piece) }));
}

export async function count_tokens(model: string, text: string, signal?: AbortSignal): Promise<number> {
  const body = (await (await request("POST", "v1/tokenize", { model, content: text }, signal)).json()) as { tokens?: unknown[] };
  return body.tokens?.length ?? 0;
}

/// How likely the model finds a text, token by token.
export async function score(model: string, text: string, signal?: AbortSignal): Promise<ScoredToken[]> {
  const asked = { model, prompt: text, echo: true, logprobs: 5, max_tokens: 0, temperature: 0 };
  const body = (await (await request("POST", "v1/completions", asked, signal)).json()) as { choices?: { logprobs?: unknown }[] };
  return scored_tokens(body.choices?.[0]?.logprobs);
}

/// The text that the model's template makes of messages.
export async function apply_template(model: string, messages: ChatMessage[]): Promise<string> {
  const body = (await (await request("POST", "v1/apply-template", { model, messages })).json()) as { prompt?: unknown };
  return typeof body.prompt === "string" ? body.prompt : "";
}
