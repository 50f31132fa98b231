// What a conversation is: a tree of turns, of which one path is shown.
import type { Stats } from "./api";
import type { Failure } from "./errors";

export interface Choice {
  text: string;
  logprob: number;
}

/// A token as it was chosen, and what the model would have liked as well.
export interface ScoredToken extends Choice {
  top: Choice[];
}

export interface Attachment {
  name: string;
  text: string;
}

export interface Turn {
  id: string;
  parent: string; // the turn before it; "" for a first one
  role: "user" | "assistant";
  text: string;
  attachments?: Attachment[];
  model?: string;
  group?: string; // answers to one question that stand side by side share it
  is_edited?: boolean;
  finish?: string; // stop, length, or stopped by the reader
  stats?: Partial<Stats>;
  failure?: Failure;
  tokens?: ScoredToken[];
}

export interface Conversation {
  id: string;
  title: string;
  updated_ms: number;
  head: string; // the last turn of the path that is shown
  turns: Turn[]; // in the order they were made, so a parent always comes first
}

const kTitleLength = 48;
const kId = /^[\w-]{1,64}$/; // as the server takes them

export function new_id(): string {
  // randomUUID needs a secure context, and a server on the local network is none.
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function new_conversation(): Conversation {
  return { id: new_id(), title: "", updated_ms: Date.now(), head: "", turns: [] };
}

/// The first line of the first message, cut at a word.
export function title_of(text: string): string {
  const line = text.trim().split("\n", 1)[0]?.replace(/^[#>*\s-]+/, "").trim() ?? "";
  if (line.length <= kTitleLength) return line || "Untitled";
  const cut = line.slice(0, kTitleLength);
  const space = cut.lastIndexOf(" ");
  return `${cut.slice(0, space > kTitleLength / 2 ? space : kTitleLength)}…`;
}

type Fields = Record<string, unknown>;
const is_object = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const is_choice = (value: unknown): value is Choice => is_object(value) && typeof value.text === "string" && typeof value.logprob === "number";
const is_token = (value: unknown): value is ScoredToken => is_choice(value) && Array.isArray((value as Partial<ScoredToken>).top) && (value as ScoredToken).top.every(is_choice);
const is_attachment = (value: unknown): value is Attachment => is_object(value) && typeof value.name === "string" && typeof value.text === "string";
const is_failure = (value: unknown): value is Failure => is_object(value) && ["kind", "title", "detail"].every((name) => typeof value[name] === "string");

function sane_stats(value: unknown): Partial<Stats> | undefined {
  if (!is_object(value)) return undefined;
  return Object.fromEntries(Object.entries(value).filter(([, number]) => typeof number === "number" && Number.isFinite(number)));
}

function sane_turn(value: unknown): Turn | undefined {
  if (!is_object(value) || typeof value.id !== "string" || value.id === "" || typeof value.text !== "string") return undefined;
  if (value.role !== "user" && value.role !== "assistant") return undefined;
  const turn: Turn = { id: value.id, parent: "", role: value.role, text: value.text };
  for (const name of ["model", "group", "finish"] as const) if (typeof value[name] === "string") turn[name] = value[name];
  if (value.is_edited === true) turn.is_edited = true;
  const stats = sane_stats(value.stats);
  if (stats) turn.stats = stats;
  if (is_failure(value.failure)) turn.failure = value.failure;
  if (Array.isArray(value.tokens) && value.tokens.every(is_token)) turn.tokens = value.tokens;
  if (Array.isArray(value.attachments) && value.attachments.length > 0 && value.attachments.every(is_attachment)) turn.attachments = value.attachments;
  return turn;
}

/// A conversation of anything (a file, an older page's storage), or nothing when it is none. Turns without a parent, as
/// they were before there were branches, follow one another; a parent that is not there is the beginning.
export function sane_conversation(value: unknown): Conversation | undefined {
  if (!is_object(value) || typeof value.id !== "string" || !kId.test(value.id) || !Array.isArray(value.turns)) return undefined;
  const turns: Turn[] = [];
  const known = new Set<string>();
  for (const given of value.turns as unknown[]) {
    const turn = sane_turn(given);
    if (!turn || known.has(turn.id)) continue;
    const parent = (given as Fields).parent;
    if (typeof parent === "string") turn.parent = known.has(parent) ? parent : "";
    else turn.parent = turns.at(-1)?.id ?? "";
    known.add(turn.id);
    turns.push(turn);
  }
  const head = typeof value.head === "string" && known.has(value.head) ? value.head : (turns.at(-1)?.id ?? "");
  const updated_ms = typeof value.updated_ms === "number" && Number.isFinite(value.updated_ms) ? value.updated_ms : 0;
  return { id: value.id, title: typeof value.title === "string" ? value.title : "", updated_ms, head, turns };
}
