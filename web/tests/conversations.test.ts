import { beforeEach, describe, expect, it } from "vitest";
import { new_id, sane_conversation, title_of, type Turn } from "../src/lib/conversations";
import { chat_body, completion_body, messages_of } from "../src/lib/requests";
import { is_default, kDefaults, load_settings, sane, store_settings, to_request } from "../src/lib/settings";

beforeEach(() => localStorage.clear());
const turn = (role: Turn["role"], text: string): Turn => ({ id: new_id(), parent: "", role, text });

describe("conversations", () => {
  it.each([null, 7, [], "x", { id: 1, turns: [] }, { id: "", turns: [] }, { id: "../x", turns: [] }, { id: "a" }, { id: "a", turns: "no" }])("are not made of %j", (value) => {
    expect(sane_conversation(value)).toBeUndefined();
  });

  it("drop turns that are none, and turns that come twice", () => {
    const turns = [null, 3, { role: "user" }, { id: "1", role: "root", text: "x" }, { id: "2", role: "user", text: "y" }, { id: "2", role: "user", text: "again" }];
    expect(sane_conversation({ id: "a", turns })).toEqual({ id: "a", title: "", updated_ms: 0, head: "2", turns: [{ id: "2", parent: "", role: "user", text: "y" }] });
  });

  it("without parents follow one another, as before there were branches", () => {
    const turns = [{ id: "1", role: "user", text: "q" }, { id: "2", role: "assistant", text: "a" }, { id: "3", role: "user", text: "r" }];
    expect(sane_conversation({ id: "a", mode: "complete", turns })?.turns.map(({ parent }) => parent)).toEqual(["", "1", "2"]);
  });

  it("have no loops: a parent stands before its turn, or the turn is a first one", () => {
    const turns = [{ id: "1", parent: "2", role: "user", text: "" }, { id: "2", parent: "1", role: "user", text: "" }, { id: "3", parent: "3", role: "user", text: "" }];
    const made = sane_conversation({ id: "a", head: "9", turns });
    expect(made?.turns.map(({ parent }) => parent)).toEqual(["", "1", ""]);
    expect(made?.head).toBe("3");
  });

  it("keep what is sound of a turn's extras, and only that", () => {
    const given = {
      id: "1", role: "assistant", text: "t", model: "m", finish: 7, stats: { prompt_tokens: 3, completion_tokens: "x" }, failure: { kind: "cut" },
      tokens: [{ text: "t", logprob: -1, top: [{ text: "u", logprob: -2 }] }], attachments: [{ name: "n" }], script: "<x>",
    };
    expect(sane_conversation({ id: "a", turns: [given] })?.turns[0]).toEqual({
      id: "1", parent: "", role: "assistant", text: "t", model: "m", stats: { prompt_tokens: 3 }, tokens: given.tokens,
    });
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

  it("give the model the attached files before the message", () => {
    const asked: Turn = { ...turn("user", "Which?"), attachments: [{ name: "a.txt", text: "apples\n" }, { name: "b.md", text: "```\ncode\n```" }] };
    expect(messages_of([asked], "")).toEqual([{ role: "user", content: "a.txt:\n```\napples\n```\n\nb.md:\n````\n```\ncode\n```\n````\n\nWhich?" }]);
  });

  it("carry the parameters, and neutral ones only where the server needs them", () => {
    expect(to_request({ ...kDefaults }, () => 0.5)).toEqual({ temperature: 0.7, top_p: 0.95, top_k: 40, min_p: 0.05, max_tokens: 1024, seed: 2 ** 30 });
    const all = to_request({ ...kDefaults, seed: "0", repetition_penalty: 1.1, presence_penalty: -1, frequency_penalty: 0.5, stop: "END\n\n###" });
    expect(all).toMatchObject({ seed: 0, repetition_penalty: 1.1, presence_penalty: -1, frequency_penalty: 0.5, stop: ["END", "###"] });
  });

  it("ask for probabilities when they are wanted", () => {
    expect(chat_body("m", [turn("user", "q")], kDefaults)).not.toHaveProperty("logprobs");
    expect(chat_body("m", [turn("user", "q")], { ...kDefaults, logprobs: true })).toMatchObject({ logprobs: true, top_logprobs: 5 });
  });

  it("name their model and prompt", () => {
    expect(chat_body("m", [turn("user", "q")], kDefaults)).toMatchObject({ model: "m", messages: [{ role: "user", content: "q" }] });
    expect(completion_body("m", " as is\n", kDefaults)).toMatchObject({ model: "m", prompt: " as is\n" });
  });
});

describe("settings", () => {
  it("come back as they were stored", () => {
    const changed = { ...kDefaults, temperature: 0, system: "s", seed: "12", logprobs: true };
    store_settings(changed);
    expect(load_settings()).toEqual(changed);
    expect(is_default(changed)).toBe(false);
  });

  it("are sane whatever was stored", () => {
    expect(sane(null)).toEqual(kDefaults);
    expect(sane({ temperature: 99, top_k: -5, min_p: "x", max_tokens: NaN, seed: "-1", stop: 4, logprobs: "yes" })).toEqual({ ...kDefaults, temperature: 2, top_k: 0 });
    localStorage.setItem("heed.settings", "{broken");
    expect(load_settings()).toEqual(kDefaults);
    expect(is_default(load_settings())).toBe(true);
  });
});
