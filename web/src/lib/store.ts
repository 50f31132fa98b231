// Where conversations are kept: in this browser (IndexedDB), or on the server under the caller's key.
import { request } from "./api";
import { sane_conversation, type Conversation } from "./conversations";

export interface ConversationStore {
  /// All of them, in any order.
  load(): Promise<Conversation[]>;
  save(conversation: Conversation): Promise<void>;
  remove(id: string): Promise<void>;
}

const kDatabase = "heed";
const kTable = "conversations";
const kOldPrefix = "heed.chat."; // an earlier page's entries in the local storage

function done<T>(wanted: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    wanted.onsuccess = () => resolve(wanted.result);
    wanted.onerror = () => reject(wanted.error);
  });
}

export class BrowserStore implements ConversationStore {
  #database: Promise<IDBDatabase> | undefined;

  async load(): Promise<Conversation[]> {
    await this.#take_over_old();
    const rows: unknown[] = await done((await this.#table("readonly")).getAll());
    return rows.flatMap((row) => sane_conversation(row) ?? []);
  }

  async save(conversation: Conversation): Promise<void> {
    await done((await this.#table("readwrite")).put(conversation));
  }

  async remove(id: string): Promise<void> {
    await done((await this.#table("readwrite")).delete(id));
  }

  async #table(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    this.#database ??= this.#open();
    return (await this.#database).transaction(kTable, mode).objectStore(kTable);
  }

  #open(): Promise<IDBDatabase> {
    const opening = indexedDB.open(kDatabase, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(kTable, { keyPath: "id" });
    return done(opening);
  }

  async #take_over_old(): Promise<void> {
    for (const key of Object.keys(localStorage).filter((name) => name.startsWith(kOldPrefix))) {
      const conversation = parsed(localStorage.getItem(key));
      if (conversation) await this.save(conversation);
      localStorage.removeItem(key);
    }
  }
}

function parsed(text: string | null): Conversation | undefined {
  try {
    return sane_conversation(JSON.parse(text ?? "null"));
  } catch {
    return undefined;
  }
}

export class ServerStore implements ConversationStore {
  async load(): Promise<Conversation[]> {
    const found: Conversation[] = [];
    for (let after = ""; ; ) {
      const query = after === "" ? "" : `?after=${encodeURIComponent(after)}`;
      const page = (await (await request("GET", `v1/conversations${query}`)).json()) as { data?: unknown; has_more?: unknown };
      const rows = Array.isArray(page.data) ? (page.data as unknown[]) : [];
      found.push(...rows.flatMap((row) => sane_conversation(row) ?? []));
      const last = (rows.at(-1) as { id?: unknown } | undefined)?.id;
      if (page.has_more !== true || typeof last !== "string" || last <= after) return found;
      after = last;
    }
  }

  async save(conversation: Conversation): Promise<void> {
    await request("PUT", `v1/conversations/${encodeURIComponent(conversation.id)}`, conversation);
  }

  async remove(id: string): Promise<void> {
    await request("DELETE", `v1/conversations/${encodeURIComponent(id)}`);
  }
}

/// Two lists as one: of a conversation in both, the later one; the latest first.
export function merged(ours: readonly Conversation[], theirs: readonly Conversation[]): Conversation[] {
  const by_id = new Map(ours.map((conversation) => [conversation.id, conversation]));
  for (const conversation of theirs) {
    const known = by_id.get(conversation.id);
    if (!known || known.updated_ms < conversation.updated_ms) by_id.set(conversation.id, conversation);
  }
  return [...by_id.values()].sort((a, b) => b.updated_ms - a.updated_ms);
}
