import { File as NodeFile } from "node:buffer"; // jsdom has none that can be read
import { beforeEach, describe, expect, it, vi } from "vitest";
// jsdom has no media queries.
vi.hoisted(() => (window.matchMedia = (media) => Object.assign(new EventTarget(), { matches: false, media }) as MediaQueryList));
import { format_bytes, kMaxBytes, read_attachment } from "../src/lib/attachments";
import { scored_tokens } from "../src/lib/api";
import { is_pressed, is_typing, shown_keys } from "../src/lib/keys";
import { percent, perplexity, shown_token, tint_of, visible } from "../src/lib/likelihood";
import { fullness, tokens_of_path } from "../src/lib/meter.svelte";
import { load_presets, presets } from "../src/lib/presets.svelte";
import { kDefaults } from "../src/lib/settings";
import { kShortcuts } from "../src/lib/shortcuts";

beforeEach(() => localStorage.clear());

describe("attachments", () => {
  const file = (bytes: number[] | string, name = "f.txt"): File => new NodeFile([typeof bytes === "string" ? bytes : new Uint8Array(bytes)], name) as unknown as File;
  it("are text, with plain line ends", async () => {
    expect(await read_attachment(file("a\r\nb\rc"))).toEqual({ name: "f.txt", text: "a\nb\nc" });
    expect((await read_attachment(file([0xff, 0xfe, 0x61, 0, 0x62, 0]))).text).toBe("ab");
  });
  it.each([
    [file([1, 0, 2], "x.bin"), /x\.bin is not text/],
    [file([0xc3, 0x28], "y.txt"), /y\.txt is not text/],
    [file(" \n", "e.txt"), /e\.txt is empty/],
    [file("x".repeat(kMaxBytes + 1), "big.log"), /big\.log has 256 KB; at most 256 KB/],
  ])("refuse what is none, by name", async (given, words) => expect(read_attachment(given)).rejects.toThrow(words));
  it.each([[5, "5 B"], [2048, "2 KB"], [3 << 20, "3.0 MB"]])("tell their size: %d", (bytes, words) => expect(format_bytes(bytes)).toBe(words));
});

describe("token probabilities", () => {
  it("are read of chat's list and completion's lists", () => {
    const chat = { content: [{ token: "a", logprob: -0.5, bytes: [97], top_logprobs: [{ token: "b", logprob: -1, bytes: [98] }] }, { token: "\uFFFD", logprob: -2, bytes: [0xe2, 0x82], top_logprobs: [] }] };
    expect(scored_tokens(chat)).toEqual([{ text: "a", logprob: -0.5, top: [{ text: "b", logprob: -1 }] }, { text: "\\xe2\\x82", logprob: -2, top: [] }]);
    const lists = { tokens: ["x", "y"], token_logprobs: [null, -1], top_logprobs: [null, { y: -1, z: -3 }] };
    expect(scored_tokens(lists)).toEqual([{ text: "x", logprob: 0, top: [] }, { text: "y", logprob: -1, top: [{ text: "y", logprob: -1 }, { text: "z", logprob: -3 }] }]);
    expect(scored_tokens(null)).toEqual([]);
  });
  it("become tints and words", () => {
    expect([0, -0.5, -1, -2, -3, -9].map(tint_of)).toEqual([0, 1, 2, 3, 4, 5]);
    expect([0, Math.log(0.5), Math.log(0.012), -20].map(percent)).toEqual(["100 %", "50.0 %", "1.2 %", "< 0.01 %"]);
    expect(visible(" a\n\t")).toBe("␣a↵⇥");
    expect(perplexity([{ text: "", logprob: -1, top: [] }, { text: "", logprob: -3, top: [] }])).toBeCloseTo(Math.E ** 2);
  });
  it("show the chosen token even where it was none of the likeliest", () => {
    expect(shown_token({ text: "c", logprob: -4, top: [{ text: "a", logprob: -0.1 }] }).top.map(({ text }) => text)).toEqual(["a", "c"]);
  });
});

describe("the context meter", () => {
  it("takes the server's count of the last answer and guesses the rest", () => {
    const counted = { id: "a", parent: "q", role: "assistant" as const, text: "long".repeat(50), stats: { prompt_tokens: 10, completion_tokens: 20 } };
    const question = { id: "q", parent: "", role: "user" as const, text: "12345678" };
    expect(tokens_of_path([question, counted], "system")).toBe(30);
    expect(tokens_of_path([question, counted, { ...question, id: "r", parent: "a" }], "system")).toBe(32);
    expect(tokens_of_path([question], "system!!")).toBe(4);
    expect(tokens_of_path([], "")).toBe(0);
  });
  it.each([[10, 100, "fine"], [80, 100, "near"], [100, 100, "over"]])("warns at %d of %d: %s", (used, context, words) => expect(fullness(used, context)).toBe(words));
});

describe("presets", () => {
  it("are kept by name, replaced by the same name, and removed", () => {
    const id = presets.store(" Terse ", { ...kDefaults, system: "Be terse." });
    expect(presets.store("Terse", { ...kDefaults, system: "Be very terse." })).toBe(id);
    expect(load_presets()).toEqual([{ id, name: "Terse", settings: { ...kDefaults, system: "Be very terse." } }]);
    expect(presets.is_own(id) && !presets.is_own("default")).toBe(true);
    presets.remove(id);
    expect(load_presets()).toEqual([]);
  });
  it.each(["{", "7", '[{"id":1}]', '[{"id":"a","name":" "}]'])("are none where stored text is none: %s", (text) => {
    localStorage.setItem("heed.presets", text);
    expect(load_presets()).toEqual([]);
  });
});

describe("keys", () => {
  const pressed = (keys: string, init: KeyboardEventInit): boolean => is_pressed(new KeyboardEvent("keydown", init), keys);
  it("are known by their place, with exactly the modifiers asked for", () => {
    expect(pressed("mod+k", { code: "KeyK", key: "k", ctrlKey: true })).toBe(true);
    expect(pressed("mod+k", { code: "KeyK", key: "k", metaKey: true })).toBe(true);
    expect(pressed("mod+k", { code: "KeyK", key: "K", ctrlKey: true, shiftKey: true })).toBe(false);
    expect(pressed("mod+k", { code: "KeyK", key: "k" })).toBe(false);
    expect(pressed("alt+r", { code: "KeyR", key: "®", altKey: true })).toBe(true);
    expect(pressed("?", { code: "Slash", key: "?", shiftKey: true })).toBe(true);
    expect(pressed("escape", { code: "Escape", key: "Escape" })).toBe(true);
  });
  it("are shown as the machine names them", () => {
    expect(shown_keys("mod+shift+b", false)).toEqual(["Ctrl", "Shift", "B"]);
    expect(shown_keys("alt+arrowleft", true)).toEqual(["⌥", "←"]);
  });
  it("are each on the map once, and text fields are told from the rest", () => {
    expect(new Set(kShortcuts.map(({ keys }) => keys)).size).toBe(kShortcuts.length);
    const area = document.createElement("textarea"), box = Object.assign(document.createElement("input"), { type: "checkbox" });
    expect([is_typing(area), is_typing(box), is_typing(document.body)]).toEqual([true, false, false]);
  });
});
