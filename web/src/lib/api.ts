// The server's OpenAI-compatible interface as the page needs it: models, readiness, streamed chat and completion.
import { ApiFailure, failure, failure_of_status, read_error_body } from "./errors";
import { read_sse } from "./sse";

export interface Model {
  id: string;
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
  | { kind: "text"; text: string }
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

export async function list_models(signal?: AbortSignal): Promise<Model[]> {
  const response = await checked(await fetch("v1/models", { headers: headers(), signal: signal ?? null }));
  const body = (await response.json()) as { data?: unknown };
  const rows = Array.isArray(body.data) ? body.data : [];
  return rows.flatMap((row: unknown) => {
    const id = (row as { id?: unknown } | null)?.id;
    return typeof id === "string" ? [{ id }] : [];
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

/// What one data line says; chat and completion chunks both.
export function items_of_chunk(data: string): StreamItem[] {
  const chunk = JSON.parse(data) as Record<string, unknown>;
  if (chunk.error !== undefined) throw new ApiFailure(failure("server", read_error_body(data).message));
  const items: StreamItem[] = [];
  const choices = Array.isArray(chunk.choices) ? (chunk.choices as Record<string, unknown>[]) : [];
  for (const choice of choices) {
    const delta = choice.delta as { content?: unknown } | undefined;
    const text = delta?.content ?? choice.text;
    if (typeof text === "string" && text !== "") items.push({ kind: "text", text });
    if (typeof choice.finish_reason === "string") items.push({ kind: "finish", reason: choice.finish_reason });
  }
  if (typeof chunk.usage === "object" && chunk.usage !== null) items.push({ kind: "usage", stats: stats_of(chunk) });
  return items;
}

async function* stream(path: string, body: RequestBody, signal: AbortSignal): AsyncGenerator<StreamItem> {
  const whole = { ...body, stream: true, stream_options: { include_usage: true } };
  const response = await checked(
    await fetch(path, { method: "POST", headers: headers(), body: JSON.stringify(whole), signal, cache: "no-store" }),
  );
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
