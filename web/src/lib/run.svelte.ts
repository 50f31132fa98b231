// One answer while it is being made: reads the stream, shows it a frame at a time, can be stopped.
import type { Stats, StreamItem } from "./api";
import { failure_of_exception } from "./errors";
import type { ScoredToken, Turn } from "./conversations";

export type Stage = "waiting" | "loading" | "queued" | "reading" | "writing";

/// What a run fills in: a turn of a conversation, or the playground's text.
export type Written = Pick<Turn, "text" | "finish" | "stats" | "failure" | "tokens">;

export class Run {
  stage = $state<Stage>("waiting");
  prefill_done = $state(0);
  prefill_total = $state(0);
  #controller = new AbortController();
  #pending = "";
  #pending_tokens: ScoredToken[] = [];
  #frame = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #text_pieces = 0;
  #began_ms = performance.now();
  #first_text_ms = 0;
  #last_text_ms = 0;

  /// `turn` is reactive. `owner` names the conversation.
  constructor(
    readonly turn: Written,
    readonly owner: string,
  ) {}

  stop(): void {
    this.#controller.abort();
  }

  async follow(open: (signal: AbortSignal) => AsyncGenerator<StreamItem>): Promise<void> {
    let has_begun = false;
    try {
      for await (const item of open(this.#controller.signal)) {
        has_begun = true;
        this.#take(item);
      }
      this.turn.finish ??= "stop";
    } catch (error) {
      if (this.#controller.signal.aborted) this.turn.finish = "stopped";
      else this.turn.failure = failure_of_exception(error, has_begun);
    } finally {
      this.#show();
      this.#measure();
    }
  }

  #take(item: StreamItem): void {
    if (item.kind === "text") {
      this.stage = "writing";
      this.#last_text_ms = performance.now();
      if (this.#text_pieces++ === 0) this.#first_text_ms = this.#last_text_ms;
      this.#pending += item.text;
      this.#pending_tokens.push(...item.tokens);
      this.#plan_to_show();
    } else if (item.kind === "prefill") {
      this.stage = "reading";
      this.prefill_done = item.done;
      this.prefill_total = item.total;
    } else if (item.kind === "stage") {
      this.stage = item.stage;
    } else if (item.kind === "finish") {
      this.turn.finish = item.reason;
    } else {
      this.turn.stats = { ...this.turn.stats, ...item.stats };
    }
  }

  // Frames don't come to a hidden page, whose answer should still grow.
  #plan_to_show(): void {
    if (this.#frame !== 0 || this.#timer !== undefined) return;
    if (document.hidden) this.#timer = setTimeout(() => this.#show(), 500);
    else this.#frame = requestAnimationFrame(() => this.#show());
  }

  #show(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = 0;
    this.#timer = undefined;
    if (this.#pending_tokens.length > 0) this.turn.tokens = [...(this.turn.tokens ?? []), ...this.#pending_tokens.splice(0)];
    if (this.#pending === "") return;
    this.turn.text += this.#pending;
    this.#pending = "";
  }

  // What the server did not say (a stopped answer has no usage) is measured here.
  #measure(): void {
    if (this.#text_pieces === 0) return;
    const seconds = (this.#last_text_ms - this.#first_text_ms) / 1000;
    const measured: Partial<Stats> = { first_token_ms: this.#first_text_ms - this.#began_ms };
    if (this.#text_pieces > 4 && seconds > 0) measured.tokens_per_second = (this.#text_pieces - 1) / seconds;
    this.turn.stats = { ...measured, ...this.turn.stats };
  }
}
