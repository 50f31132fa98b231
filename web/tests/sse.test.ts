import { describe, expect, it } from "vitest";
import { read_sse, SseParser, type SseItem } from "../src/lib/sse";

const kStream =
  '\uFEFF: prefill 512/2048\n\ndata: {"text":"naïve 😀"}\n\ndata: a\r\ndata:b\r\n\r\nevent: x\rdata\r\rid: 7\ndata:  two\n\n: end\ndata: [DONE]\n\n';
const kItems: SseItem[] = [
  { kind: "comment", text: "prefill 512/2048" },
  { kind: "data", data: '{"text":"naïve 😀"}' },
  { kind: "data", data: "a\nb" },
  { kind: "data", data: "" },
  { kind: "data", data: " two" },
  { kind: "comment", text: "end" },
  { kind: "data", data: "[DONE]" },
];

function body_of(pieces: Uint8Array[], on_cancel: () => void = () => undefined): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream({
    pull: (c) => (next < pieces.length ? c.enqueue(pieces[next++]!) : c.close()),
    cancel: on_cancel,
  });
}

async function all(body: ReadableStream<Uint8Array>): Promise<SseItem[]> {
  const items: SseItem[] = [];
  for await (const item of read_sse(body)) items.push(item);
  return items;
}

describe("server-sent events", () => {
  const bytes = new TextEncoder().encode(kStream);

  it("reads a whole stream", () => expect(new SseParser().feed(kStream)).toEqual(kItems));

  it("reads the same whatever byte it is split at", async () => {
    for (let cut = 0; cut <= bytes.length; ++cut) {
      expect(await all(body_of([bytes.slice(0, cut), bytes.slice(cut)])), `cut at ${cut}`).toEqual(kItems);
    }
  });

  it("reads the same byte by byte", async () => {
    expect(await all(body_of([...bytes].map((b) => Uint8Array.of(b))))).toEqual(kItems);
  });

  it("gives out an event only when its empty line came", () => {
    const parser = new SseParser();
    expect(parser.feed("data: x\n")).toEqual([]);
    expect(parser.feed("\n")).toEqual([{ kind: "data", data: "x" }]);
  });

  it("drops an event that the end cuts off", async () => {
    expect(await all(body_of([new TextEncoder().encode("data: whole\n\ndata: half")]))).toEqual([{ kind: "data", data: "whole" }]);
  });

  it("closes the connection when the reader leaves", async () => {
    let cancelled = false;
    const body = body_of([new TextEncoder().encode("data: 1\n\n"), new TextEncoder().encode("data: 2\n\n")], () => (cancelled = true));
    for await (const item of read_sse(body)) {
      expect(item).toEqual({ kind: "data", data: "1" });
      break;
    }
    expect(cancelled).toBe(true);
  });
});
