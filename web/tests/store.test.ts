import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Conversation } from "../src/lib/conversations";
import { Library } from "../src/lib/library.svelte";
import { BrowserStore, merged, ServerStore, type ConversationStore } from "../src/lib/store";

const made = (id: string, updated_ms = 1, title = id): Conversation => ({ id, title, updated_ms, head: "t", turns: [{ id: "t", parent: "", role: "user", text: "x" }] });

beforeEach(async () => {
  localStorage.clear();
  const store = new BrowserStore();
  for (const { id } of await store.load()) await store.remove(id);
});
afterEach(() => vi.unstubAllGlobals());

describe("the browser's store", () => {
  it("gives back what was saved, and the latest of it", async () => {
    const store = new BrowserStore();
    await store.save(made("a"));
    await store.save(made("b"));
    await store.save(made("a", 2, "later"));
    await store.remove("b");
    await store.remove("never there");
    expect(await new BrowserStore().load()).toEqual([made("a", 2, "later")]);
  });

  it("takes over what an earlier page kept, once", async () => {
    localStorage.setItem("heed.chat.old", JSON.stringify({ id: "old", title: "Old", mode: "complete", updated_ms: 5, turns: [{ id: "1", role: "user", text: "q" }, { id: "2", role: "assistant", text: "a" }] }));
    localStorage.setItem("heed.chat.bad", "{");
    localStorage.setItem("heed.theme", "dark");
    const [taken, ...others] = await new BrowserStore().load();
    expect(others).toEqual([]);
    expect(taken).toMatchObject({ id: "old", head: "2", turns: [{ parent: "" }, { parent: "1" }] });
    expect(Object.keys(localStorage)).toEqual(["heed.theme"]);
  });
});

describe("the server's store", () => {
  it("reads page by page and writes by id", async () => {
    const asked: string[] = [];
    vi.stubGlobal("fetch", async (path: string, { method, body }: { method: string; body: string | null }) => {
      asked.push(`${method} ${path} ${body === null ? "" : "with a body"}`.trim());
      const pages: Record<string, unknown> = { "v1/conversations": { data: [made("a")], has_more: true }, "v1/conversations?after=a": { data: [made("b-c"), 7], has_more: false } };
      return new Response(JSON.stringify(pages[path] ?? {}));
    });
    const store = new ServerStore();
    expect(await store.load()).toEqual([made("a"), made("b-c")]);
    await store.save(made("b-c"));
    await store.remove("b-c");
    expect(asked).toEqual(["GET v1/conversations", "GET v1/conversations?after=a", "PUT v1/conversations/b-c with a body", "DELETE v1/conversations/b-c"]);
  });
});

class MemoryStore implements ConversationStore {
  held = new Map<string, Conversation>();
  fails = false;
  load = async (): Promise<Conversation[]> => [...this.held.values()];
  save = async (conversation: Conversation): Promise<void> => {
    if (this.fails) throw new Error("full");
    this.held.set(conversation.id, conversation);
  };
  remove = async (id: string): Promise<void> => void this.held.delete(id);
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe("the library", () => {
  const stores = (): { browser: MemoryStore; server: MemoryStore } => ({ browser: new MemoryStore(), server: new MemoryStore() });

  it("lists the latest first, renames, removes and brings back", async () => {
    const places = stores();
    await places.browser.save(made("a", 1));
    await places.browser.save(made("b", 2));
    const library = new Library(places);
    await library.load();
    expect(library.conversations.map(({ id }) => id)).toEqual(["b", "a"]);
    library.rename("a", "  New name ");
    library.rename("a", "   ");
    library.remove("b");
    await settled();
    expect([...places.browser.held.values()].map(({ title }) => title)).toEqual(["New name"]);
    expect(library.restore()?.id).toBe("b");
    expect(library.restore()).toBeUndefined();
    await settled();
    expect(library.conversations.map(({ id }) => id)).toEqual(["b", "a"]);
    expect(places.browser.held.size).toBe(2);
  });

  it("says when nothing is kept any more, and when it is again", async () => {
    const places = stores();
    await places.browser.save(made("a"));
    const library = new Library(places);
    await library.load();
    places.browser.fails = true;
    library.rename("a", "b");
    await settled();
    expect(library.trouble).toMatch(/keeps nothing/);
    places.browser.fails = false;
    library.rename("a", "c");
    await settled();
    expect(library.trouble).toBe("");
  });

  it("imports what is new or later", async () => {
    const library = new Library(stores());
    expect(library.import([made("a", 5), made("b", 1)])).toBe(2);
    expect(library.import([made("a", 4, "older"), made("b", 2, "later"), made("c")])).toBe(2);
    expect(library.conversations.map(({ title }) => title)).toEqual(["a", "later", "c"]);
  });

  it("moves everything, and loses nothing when the other place fails", async () => {
    const places = stores();
    await places.browser.save(made("a", 1));
    await places.server.save(made("s", 2));
    const library = new Library(places);
    await library.load();
    places.server.fails = true;
    await expect(library.move_to("server")).rejects.toThrow();
    expect([library.place, places.browser.held.size]).toEqual(["browser", 1]);
    places.server.fails = false;
    await library.move_to("server");
    expect(library.conversations.map(({ id }) => id)).toEqual(["s", "a"]);
    expect([places.browser.held.size, places.server.held.size]).toEqual([0, 2]);
    expect(new Library(places).place).toBe("server");
  });

  it("merges lists: the later version of each", () => {
    expect(merged([made("a", 1), made("b", 9)], [made("a", 2, "new"), made("b", 3, "old")]).map(({ title }) => title)).toEqual(["b", "new"]);
  });
});
