// Server-sent events: text in any pieces in, whole events and comments out (WHATWG HTML, section 9.2.6).

export type SseItem = { kind: "data"; data: string } | { kind: "comment"; text: string };

export class SseParser {
  #rest = "";
  #data: string[] = [];
  #skips_line_feed = false;
  #is_start = true;

  /// Takes a piece of the stream and returns what it completed. A piece may end anywhere, between CR and LF too.
  feed(piece: string): SseItem[] {
    if (this.#is_start && piece.length > 0) {
      this.#is_start = false;
      if (piece.startsWith("\uFEFF")) piece = piece.slice(1);
    }
    const items: SseItem[] = [];
    let start = 0;
    for (let i = 0; i < piece.length; ++i) {
      const c = piece.charCodeAt(i);
      if (c === 10 && this.#skips_line_feed) {
        this.#skips_line_feed = false;
        start = i + 1;
        continue;
      }
      this.#skips_line_feed = c === 13;
      if (c !== 10 && c !== 13) continue;
      this.#line(this.#rest + piece.slice(start, i), items);
      this.#rest = "";
      start = i + 1;
    }
    this.#rest += piece.slice(start);
    return items;
  }

  #line(line: string, items: SseItem[]): void {
    if (line === "") {
      if (this.#data.length > 0) items.push({ kind: "data", data: this.#data.join("\n") });
      this.#data = [];
      return;
    }
    if (line.startsWith(":")) {
      items.push({ kind: "comment", text: line.slice(1).trim() });
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    if (field !== "data") return;
    const value = colon < 0 ? "" : line.slice(colon + 1);
    this.#data.push(value.startsWith(" ") ? value.slice(1) : value);
  }
}

/// The events of a response body. Bytes of one character may come in two pieces.
export async function* read_sse(body: ReadableStream<Uint8Array>): AsyncGenerator<SseItem> {
  const parser = new SseParser();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Leaving early (stop, error) must close the connection: that is how the server learns to stop.
    await reader.cancel().catch(() => undefined);
  }
}
