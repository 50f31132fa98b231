// All conversations: loaded, kept, renamed, removed and brought back, moved between browser and server.
import { ApiFailure } from "./errors";
import { sane_conversation, type Conversation } from "./conversations";
import { BrowserStore, merged, ServerStore, type ConversationStore } from "./store";

export type Place = "browser" | "server";
const kPlaceName = "heed.place";
const kTroubles: Record<Place, string> = {
  browser: "This browser keeps nothing any more (its storage is full or forbidden): the latest messages will be lost with this page.",
  server: "The server could not keep the latest messages.",
};

const is_place = (value: string | null): value is Place => value === "browser" || value === "server";

export class Library {
  conversations = $state<Conversation[]>([]); // the latest first
  is_loaded = $state(false);
  place = $state<Place>("browser");
  trouble = $state("");
  removed = $state<Conversation | undefined>(undefined);
  #stores: Record<Place, ConversationStore>;
  #channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("heed.conversations");
  #writes = new Map<string, Promise<void>>();
  #is_busy: (id: string) => boolean = () => false;

  constructor(stores: Record<Place, ConversationStore> = { browser: new BrowserStore(), server: new ServerStore() }) {
    this.#stores = stores;
    const stored = localStorage.getItem(kPlaceName);
    if (is_place(stored)) this.place = stored;
    this.#channel?.addEventListener("message", ({ data }: MessageEvent) => this.#adopt(data));
  }

  /// Who is being written here; another tab's version of it is not taken over.
  protect(is_busy: (id: string) => boolean): void {
    this.#is_busy = is_busy;
  }

  async load(): Promise<void> {
    try {
      const stored = (await this.#stores[this.place].load()).filter((conversation) => conversation.turns.length > 0);
      this.conversations = merged(this.conversations, stored);
      this.trouble = "";
    } catch (error) {
      this.trouble = this.place === "browser" ? kTroubles.browser : `The conversations on the server could not be read. ${words(error)}`;
    }
    this.is_loaded = true;
  }

  find(id: string): Conversation | undefined {
    return this.conversations.find((conversation) => conversation.id === id);
  }

  /// To the top of the list, and kept.
  touch(conversation: Conversation): void {
    conversation.updated_ms = Date.now();
    this.conversations.sort((a, b) => b.updated_ms - a.updated_ms);
    this.keep(conversation);
  }

  /// Written in the order asked for; a removed conversation's run may still report its end.
  keep(conversation: Conversation): void {
    if (!this.find(conversation.id)) return;
    const kept = $state.snapshot(conversation) as Conversation;
    this.#write(kept.id, async (store) => {
      await store.save(kept);
      this.#tell({ saved: kept });
    });
  }

  rename(id: string, title: string): void {
    const conversation = this.find(id);
    if (!conversation || title.trim() === "") return;
    conversation.title = title.trim().slice(0, 120);
    this.keep(conversation);
  }

  remove(id: string): void {
    const conversation = this.find(id);
    if (!conversation) return;
    this.conversations = this.conversations.filter((other) => other.id !== id);
    this.removed = conversation;
    this.#write(id, async (store) => {
      await store.remove(id);
      this.#tell({ removed: id });
    });
  }

  restore(): Conversation | undefined {
    const conversation = this.removed;
    this.removed = undefined;
    if (!conversation) return undefined;
    this.conversations = merged(this.conversations, [conversation]);
    this.keep(conversation);
    return conversation;
  }

  /// Takes over what is new or later than what is here; returns how many.
  import(conversations: readonly Conversation[]): number {
    const taken = conversations.filter((conversation) => (this.find(conversation.id)?.updated_ms ?? -1) < conversation.updated_ms && !this.#is_busy(conversation.id));
    this.conversations = merged(this.conversations, taken);
    for (const conversation of taken) this.keep(conversation);
    return taken.length;
  }

  /// All conversations go along. Nothing is removed from the old place before the new one holds everything.
  async move_to(place: Place): Promise<void> {
    if (place === this.place) return;
    const [from, to] = [this.#stores[this.place], this.#stores[place]];
    await Promise.all(this.#writes.values());
    const there = await to.load().catch((error: unknown) => {
      throw new Error(error instanceof ApiFailure && error.failure.kind === "refused" ? "This server keeps no conversations." : words(error));
    });
    const ours = $state.snapshot(this.conversations) as Conversation[];
    const all = merged(there, ours);
    for (const conversation of ours) await to.save(conversation);
    this.place = place;
    this.conversations = all;
    this.trouble = "";
    localStorage.setItem(kPlaceName, place);
    for (const conversation of ours) await from.remove(conversation.id);
  }

  #write(id: string, work: (store: ConversationStore) => Promise<void>): void {
    const place = this.place;
    const before = this.#writes.get(id) ?? Promise.resolve();
    const writing = before
      .then(() => work(this.#stores[place]))
      .then(
        () => void (this.trouble = ""),
        (error: unknown) => void (this.trouble = place === "browser" ? kTroubles.browser : `${kTroubles.server} ${words(error)}`),
      )
      .finally(() => this.#writes.get(id) === writing && this.#writes.delete(id));
    this.#writes.set(id, writing);
  }

  #tell(message: { saved: Conversation } | { removed: string }): void {
    if (this.place === "browser") this.#channel?.postMessage(message);
  }

  #adopt(data: unknown): void {
    if (this.place !== "browser" || typeof data !== "object" || data === null) return;
    const { saved, removed } = data as { saved?: unknown; removed?: unknown };
    if (typeof removed === "string") this.conversations = this.conversations.filter((c) => c.id !== removed || this.#is_busy(c.id));
    const theirs = sane_conversation(saved);
    if (!theirs || this.#is_busy(theirs.id)) return;
    this.conversations = [theirs, ...this.conversations.filter((c) => c.id !== theirs.id)].sort((a, b) => b.updated_ms - a.updated_ms);
  }
}

function words(error: unknown): string {
  if (error instanceof ApiFailure) return error.failure.detail;
  return error instanceof TypeError ? "It cannot be reached." : error instanceof Error ? error.message : "";
}

export const library = new Library();
