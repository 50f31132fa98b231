// The playground: one text, which the model continues, cuts into tokens, or finds likely or not.
import { apply_template, score, stream_completion, tokenize, type ChatMessage, type Piece } from "./api";
import { failure_of_exception, type Failure } from "./errors";
import type { ScoredToken } from "./conversations";
import { completion_body } from "./requests";
import { Run, type Written } from "./run.svelte";
import { server } from "./server.svelte";
import type { Settings } from "./settings";

export type Lens = "write" | "tokens" | "likelihood";
const kName = "heed.playground";
const kOwner = "playground";

class Playground {
  text = $state(localStorage.getItem(kName) ?? "");
  lens = $state<Lens>("write");
  run = $state.raw<Run | undefined>(undefined);
  written = $state<Written>({ text: "" });
  pieces = $state.raw<Piece[]>([]);
  scored = $state.raw<ScoredToken[]>([]);
  failure = $state<Failure | undefined>(undefined);
  is_looking = $state(false);
  #before = $state<string | undefined>(undefined);
  #looking: AbortController | undefined;

  /// What is on the page: while the model writes, its words too.
  get shown(): string {
    return this.run ? this.text + this.written.text : this.text;
  }

  get can_undo(): boolean {
    return this.#before !== undefined && !this.run;
  }

  set(text: string): void {
    this.text = text;
    this.#before = undefined;
    this.keep();
  }

  keep(): void {
    try {
      localStorage.setItem(kName, this.text);
    } catch {
      // Storage full or forbidden: the text holds until the page is closed.
    }
  }

  complete(settings: Settings): void {
    if (this.run || this.text === "") return;
    this.failure = undefined;
    this.written = { text: "" };
    this.lens = "write";
    const model = server.model;
    const run = new Run(this.written, kOwner);
    this.run = run;
    const body = completion_body(model, this.text, settings);
    void run.follow((signal) => stream_completion(body, signal)).finally(() => {
      const before = this.text;
      this.run = undefined;
      this.failure = this.written.failure;
      if (this.written.text === "") return;
      this.set(before + this.written.text);
      this.#before = before;
    });
  }

  stop(): void {
    this.run?.stop();
  }

  undo(): void {
    if (this.#before !== undefined) this.set(this.#before);
  }

  /// Tokens or likelihoods of the text as it is now.
  async look(lens: Lens): Promise<void> {
    this.lens = lens;
    this.#looking?.abort();
    const looking = new AbortController();
    this.#looking = looking;
    this.failure = undefined;
    if (lens === "write") return;
    this.pieces = [];
    this.scored = [];
    if (this.text === "") return;
    this.is_looking = true;
    try {
      if (lens === "tokens") this.pieces = await tokenize(server.model, this.text, looking.signal);
      else this.scored = await score(server.model, this.text, looking.signal);
    } catch (error) {
      if (!looking.signal.aborted) this.failure = failure_of_exception(error, false);
    }
    if (this.#looking === looking) this.is_looking = false;
  }

  /// A conversation as the model reads it.
  async take_messages(messages: ChatMessage[]): Promise<void> {
    try {
      this.set(await apply_template(server.model, messages));
      this.failure = undefined;
    } catch (error) {
      this.failure = failure_of_exception(error, false);
    }
    this.lens = "write";
  }
}

export const playground = new Playground();
