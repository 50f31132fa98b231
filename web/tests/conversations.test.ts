import { beforeEach, describe, expect, it } from "vitest";
import { forget_conversation, load_conversations, new_conversation, new_id, parse_conversation, store_conversation, title_of, type Turn } from "../src/lib/conversations";
import { chat_body, completion_body, messages_of } from "../src/lib/requests";
import { is_default, kDefaults, load_settings, sane, store_settings, to_request } from "../src/lib/settings";

beforeEach(() => localStorage.clear());
const turn = (role: Turn["role"], text: string): Turn => ({ id: new_id(), role, text });

describe("conversations", () => {
  it("come back as they were stored, the latest first", () => {
    const old = { ...new_conversation("chat"), title: "old", updated_ms: 1, turns: [turn("user", "a"), turn("assistant", "b")] };
    const late = { ...new_conversation("complete"), title: "late", updated_ms: 2, turns: [turn("user", "c")] };
    expect(store_conversation(old) && store_conversation(late)).toBe(true);
    localStorage.setItem("other", "x");
    expect(load_conversations()).toEqual([late, old]);
    forget_conversation(late.id);
    expect(load_conversations()).toEqual([old]);
  });

  it.each(["", "null", "7", "{", "[]", '{"id":1,"turns":[]}', '{"id":"a"}', '{"id":"a","turns":"no"}'])("ignore stored text that is none: %s", (text) => {
    expect(parse_conversation(text)).toBeUndefined();
  });

  it("drop turns that are none", () => {
    const text = JSON.stringify({ id: "a", turns: [null, 3, { role: "user" }, { id: "1", role: "root", text: "x" }, { id: "2", role: "user", text: "y" }] });
    expect(parse_conversation(text)?.turns).toEqual([{ id: "2", role: "user", text: "y" }]);
  });

  it("say when the storage is full", () => {
    const full = { setItem: () => { throw new DOMException("full", "QuotaExceededError"); } } as unknown as Storage;
    expect(store_conversation(new_conversation("chat"), full)).toBe(false);
  });

  it("have different ids", () => expect(new Set(Array.from({ length: 500 }, new_id)).size).toBe(500));

  it.each([
    ["  Hello there\nmore", "Hello there"],
    ["## A heading", "A heading"],
    ["", "Untitled"],
    ["word ".repeat(20), "word word word word word word word word word…"],
    ["x".repeat(60), `${"x".repeat(48)}…`],
  ])("are named by their first line: %j", (text, title) => expect(title_of(text)).toBe(title));
});

describe("requests", () => {
  it("take turns, with the system prompt first", () => {
    const turns = [turn("user", "one"), turn("assistant", ""), turn("user", "two"), turn("assistant", "answer"), turn("user", "three")];
    expect(messages_of(turns, " be brief ")).toEqual([
      { role: "system", content: "be brief" },
      { role: "user", content: "one\n\ntwo" },
      { role: "assistant", content: "answer" },
      { role: "user", content: "three" },
    ]);
    expect(messages_of([turn("user", "x")], "  ")).toEqual([{ role: "user", content: "x" }]);
  });

  it("carry the parameters, and neutral ones only where the server needs them", () => {
    expect(to_request({ ...kDefaults }, () => 0.5)).toEqual({ temperature: 0.7, top_p: 0.95, top_k: 40, min_p: 0.05, max_tokens: 1024, seed: 2 ** 30 });
    const all = to_request({ ...kDefaults, seed: "0", repetition_penalty: 1.1, presence_penalty: -1, frequency_penalty: 0.5, stop: "END\n\n###" });
    expect(all).toMatchObject({ seed: 0, repetition_penalty: 1.1, presence_penalty: -1, frequency_penalty: 0.5, stop: ["END", "###"] });
  });

  it("name their model and prompt", () => {
    expect(chat_body("m", [turn("user", "q")], kDefaults)).toMatchObject({ model: "m", messages: [{ role: "user", content: "q" }] });
    expect(completion_body("m", " as is\n", kDefaults)).toMatchObject({ model: "m", prompt: " as is\n" });
  });
});

describe("settings", () => {
  it("come back as they were stored", () => {
    const changed = { ...kDefaults, temperature: 0, system: "s", seed: "12" };
    store_settings(changed);
    expect(load_settings()).toEqual(changed);
    expect(is_default(changed)).toBe(false);
  });

  it("are sane whatever was stored", () => {
    expect(sane(null)).toEqual(kDefaults);
    expect(sane({ temperature: 99, top_k: -5, min_p: "x", max_tokens: NaN, seed: "-1", stop: 4 })).toEqual({ ...kDefaults, temperature: 2, top_k: 0 });
    localStorage.setItem("heed.settings", "{broken");
    expect(load_settings()).toEqual(kDefaults);
    expect(is_default(load_settings())).toBe(true);
  });
});
