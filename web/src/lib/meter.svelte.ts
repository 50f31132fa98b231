// How much of the model's context a conversation and the draft take.
import { count_tokens } from "./api";
import { with_attachments } from "./attachments";
import type { Attachment, Turn } from "./conversations";

const kWarnShare = 0.8;
const kCharactersPerToken = 4; // a guess for models that are not loaded, and between counts
const kCalmMs = 350;

export type Fullness = "fine" | "near" | "over";

export function fullness(used: number, context: number): Fullness {
  if (used >= context) return "over";
  return used >= context * kWarnShare ? "near" : "fine";
}

const guess = (text: string): number => Math.ceil(text.length / kCharactersPerToken);

/// Tokens of a path: what the server counted for its last answer, and a guess for whatever that did not cover.
export function tokens_of_path(path: readonly Turn[], system: string): number {
  const counted = path.findLastIndex((turn) => turn.stats?.prompt_tokens !== undefined && turn.stats.completion_tokens !== undefined);
  const { prompt_tokens = 0, completion_tokens = 0 } = path[counted]?.stats ?? {};
  const rest = path.slice(counted + 1).reduce((sum, turn) => sum + guess(with_attachments(turn.text, turn.attachments)), 0);
  return prompt_tokens + completion_tokens + rest + (counted < 0 ? guess(system) : 0);
}

export class DraftCount {
  tokens = $state(0);
  is_exact = $state(true);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked: AbortController | undefined;

  /// Guesses at once and counts a moment later, by the model if it is loaded: counting must load none.
  update(draft: string, attachments: readonly Attachment[], model: string, is_loaded: boolean): void {
    clearTimeout(this.#timer);
    this.#asked?.abort();
    const text = with_attachments(draft, attachments);
    this.tokens = guess(text);
    this.is_exact = text === "";
    if (text === "" || !is_loaded) return;
    const asked = new AbortController();
    this.#asked = asked;
    this.#timer = setTimeout(async () => {
      const counted = await count_tokens(model, text, asked.signal).catch(() => undefined);
      if (counted === undefined || asked.signal.aborted) return;
      this.tokens = counted;
      this.is_exact = true;
    }, kCalmMs);
  }
}
