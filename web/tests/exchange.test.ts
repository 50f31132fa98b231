import { describe, expect, it } from "vitest";
import type { Conversation } from "../src/lib/conversations";
import { fenced, file_name, from_json, to_json, to_markdown } from "../src/lib/exchange";
import { search } from "../src/lib/search";

const conversation: Conversation = {
  id: "c", title: "Größe & Maß", updated_ms: 3, head: "a2",
  turns: [
    { id: "q", parent: "", role: "user", text: "How big?", attachments: [{ name: "a.txt", text: "1\n2\n" }] },
    { id: "a", parent: "q", role: "assistant", text: "Very **small**.", model: "m" },
    { id: "a2", parent: "q", role: "assistant", text: "Très grand.", model: "n" },
  ],
};

describe("export and import", () => {
  it("gives back everything, branches too", () => expect(from_json(to_json([conversation]))).toEqual([conversation]));

  it.each([
    ["{", /not JSON/],
    ["[]", /no conversations/],
    ['{"format":"heed.conversations","version":1,"conversations":[]}', /no conversations/],
    ['{"format":"heed.conversations","version":1,"conversations":[{"id":3}]}', /no conversations/],
    ['{"format":"heed.conversations","version":2,"conversations":[]}', /version 2/],
    ['{"format":"other","conversations":[]}', /no conversations/],
  ])("refuses %j with words", (text, words) => expect(() => from_json(text)).toThrow(words));

  it("writes the path that is shown as Markdown", () => {
    expect(to_markdown(conversation)).toBe("# Größe & Maß\n\n## You\n\n**a.txt**\n\n```\n1\n2\n```\n\nHow big?\n\n## n\n\nTrès grand.\n");
  });

  it("fences text so that no line of it ends the fence", () => {
    expect(fenced("a")).toBe("```\na\n```");
    expect(fenced("````\nx\n````")).toBe("`````\n````\nx\n````\n`````");
  });

  it.each([["Größe & Maß", "größe-maß.md"], ["../../etc", "etc.md"], ["???", "conversation.md"], ["日本 語", "日本-語.md"]])("names a file after %s", (title, name) => {
    expect(file_name(title, "md")).toBe(name);
  });
});

describe("search", () => {
  const found = (query: string) => search([conversation], query).map(({ turn_id, before, match, after }) => [turn_id, before + match + after, match]);
  it("finds titles and messages whatever their case and accents, in every branch", () => {
    expect(found("GRÖSSE")).toEqual([]);
    expect(found("GROßE")).toEqual([["", "Größe & Maß", "Größe"]]);
    expect(found("tres GRAND")).toEqual([["a2", "Très grand.", "Très"]]);
    expect(found("small")).toEqual([["a", "Very **small**.", "small"]]);
  });
  it("wants every word, in one message", () => {
    expect(found("very small")).toHaveLength(1);
    expect(found("very grand")).toEqual([]);
    expect(found("  ")).toEqual([]);
  });
  it("shows only the place", () => {
    const long = { ...conversation, title: "t", turns: [{ id: "x", parent: "", role: "user" as const, text: `${"a ".repeat(500)}needle${" b".repeat(500)}` }] };
    const [hit] = search([long], "needle");
    expect(hit!.before.startsWith("…") && hit!.before.length < 40 && hit!.after.length <= 90).toBe(true);
  });
});
