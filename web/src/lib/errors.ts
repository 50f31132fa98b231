// What can go wrong between the page and the server, and how to say it to a person.

export type FailureKind = "unreachable" | "unauthorized" | "busy" | "not_ready" | "no_chat" | "too_long" | "refused" | "server" | "cut";

export interface Failure {
  kind: FailureKind;
  title: string;
  detail: string;
  retry_seconds?: number;
}

export class ApiFailure extends Error {
  constructor(readonly failure: Failure) {
    super(`${failure.title}: ${failure.detail}`);
  }
}

const kTitles: Record<FailureKind, string> = {
  unreachable: "heed can’t be reached",
  unauthorized: "This server asks for a key",
  busy: "heed is busy",
  not_ready: "heed is still starting",
  no_chat: "This model completes text",
  too_long: "This conversation is too long for the model",
  refused: "heed can’t do that",
  server: "Something went wrong in heed",
  cut: "The answer broke off",
};

export function failure(kind: FailureKind, detail: string, retry_seconds?: number): Failure {
  return { kind, title: kTitles[kind], detail, ...(retry_seconds === undefined ? {} : { retry_seconds }) };
}

interface ErrorBody {
  message: string;
  code: string;
}

/// The OpenAI error object, or the first words of whatever else came.
export function read_error_body(text: string): ErrorBody {
  try {
    const parsed: unknown = JSON.parse(text);
    const error = typeof parsed === "object" && parsed !== null && "error" in parsed ? parsed.error : undefined;
    if (typeof error === "string") return { message: error, code: "" };
    if (typeof error === "object" && error !== null) {
      const { message, code } = error as { message?: unknown; code?: unknown };
      return { message: typeof message === "string" ? message : "", code: typeof code === "string" ? code : "" };
    }
  } catch {
    // Not JSON: a proxy's page, perhaps.
  }
  const is_page = /^\s*</.test(text);
  return { message: is_page ? "" : text.trim().slice(0, 300), code: "" };
}

function retry_after(value: string | null): number | undefined {
  const seconds = value === null ? NaN : Number.parseInt(value, 10);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, 3600) : undefined;
}

export function failure_of_status(status: number, text: string, retry_after_header: string | null): Failure {
  const { message, code } = read_error_body(text);
  const retry_seconds = retry_after(retry_after_header);
  const said = message || `The server answered with status ${status}.`;
  if (status === 401 || status === 403) return failure("unauthorized", said);
  if (status === 429) return failure("busy", "Too many requests are waiting at the moment.", retry_seconds ?? 3);
  if (status === 502 || status === 504) return failure("unreachable", said);
  if (status === 503) return failure("not_ready", message || "The model is being loaded.", retry_seconds ?? 3);
  if (code === "no_chat_template") return failure("no_chat", said);
  if (status === 400 && /chat template/i.test(message) && /completions/i.test(message)) return failure("no_chat", said);
  if (code === "context_length_exceeded") return failure("too_long", said);
  return failure(status >= 500 ? "server" : "refused", said);
}

export function failure_of_exception(error: unknown, has_begun: boolean): Failure {
  if (error instanceof ApiFailure) return error.failure;
  if (has_begun) return failure("cut", "The connection to the server was lost. What had come by then is kept.");
  return failure("unreachable", "Is it running? Start it with “heed serve”, then try again.");
}
