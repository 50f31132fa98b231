// Conversations and where they are kept: one entry of the browser's storage each, so that two tabs don't clash.
import type { Stats } from "./api";
import type { Failure } from "./errors";

export type Mode = "chat" | "complete";

export interface Turn {
  id: string;
  role: "user" | "assistant";
  text: string;
  model?: string;
  finish?: string; // stop, length, or stopped by the reader
  stats?: Partial<Stats>;
  failure?: Failure;
}

export interface Conversation {
  id: string;
  title: string;
  mode: Mode;
  updated_ms: number;
  turns: Turn[];
}

const kPrefix = "heed.chat.";
const kTitleLength = 48;

export function new_id(): string {
  // randomUUID needs a secure context, and a server on the local network is none.
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function new_conversation(mode: Mode): Conversation {
  return { id: new_id(), title: "", mode, updated_ms: Date.now(), turns: [] };
}

/// The first line of the first message, cut at a word.
export function title_of(text: string): string {
  const line = text.trim().split("\n", 1)[0]?.replace(/^[#>*\s-]+/, "").trim() ?? "";
  if (line.length <= kTitleLength) return line || "Untitled";
  const cut = line.slice(0, kTitleLength);
  const space = cut.lastIndexOf(" ");
  return `${cut.slice(0, space > kTitleLength / 2 ? space : kTitleLength)}…`;
}

function is_turn(value: unknown): value is Turn {
  const turn = value as Partial<Turn> | null;
  return typeof turn === "object" && turn !== null && typeof turn.id === "string" && typeof turn.text === "string" &&
    (turn.role === "user" || turn.role === "assistant");
}

/// A conversation of stored text, or nothing when it is not one.
export function parse_conversation(text: string | null): Conversation | undefined {
  try {
    const value = JSON.parse(text ?? "null") as Partial<Conversation> | null;
    if (typeof value !== "object" || value === null || typeof value.id !== "string" || !Array.isArray(value.turns)) return undefined;
    return {
      id: value.id,
      title: typeof value.title === "string" ? value.title : "",
      mode: value.mode === "complete" ? "complete" : "chat",
      updated_ms: typeof value.updated_ms === "number" ? value.updated_ms : 0,
      turns: value.turns.filter(is_turn),
    };
  } catch {
    return undefined;
  }
}

/// All of them, the latest first.
export function load_conversations(storage: Storage = localStorage): Conversation[] {
  const found: Conversation[] = [];
  for (let i = 0; i < storage.length; ++i) {
    const key = storage.key(i);
    if (!key?.startsWith(kPrefix)) continue;
    const conversation = parse_conversation(storage.getItem(key));
    if (conversation && conversation.turns.length > 0) found.push(conversation);
  }
  return found.sort((a, b) => b.updated_ms - a.updated_ms);
}

/// False when the storage is full or forbidden.
export function store_conversation(conversation: Conversation, storage: Storage = localStorage): boolean {
  try {
    storage.setItem(kPrefix + conversation.id, JSON.stringify(conversation));
    return true;
  } catch {
    return false;
  }
}

export function forget_conversation(id: string, storage: Storage = localStorage): void {
  storage.removeItem(kPrefix + id);
}

export function is_conversation_key(key: string | null): boolean {
  return key === null || key.startsWith(kPrefix);
}
