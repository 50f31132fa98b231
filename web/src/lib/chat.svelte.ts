// The conversation that is shown and what can be done with it: ask, ask again, edit, branch, compare.
import { SvelteMap } from "svelte/reactivity";
import { stream_chat } from "./api";
import { new_conversation, new_id, title_of, type Attachment, type Conversation, type Turn } from "./conversations";
import { library } from "./library.svelte";
import { chat_body } from "./requests";
import { Run } from "./run.svelte";
import { server } from "./server.svelte";
import { load_settings, store_settings, type Settings } from "./settings";
import { Tree } from "./tree";

const kCurrentName = "heed.current";
const kKeepEveryMs = 1000;
export const kMostModels = 4;

class Chat {
  settings = $state<Settings>(load_settings());
  beside = $state<string[]>([]); // models that answer beside the chosen one
  runs = new SvelteMap<string, Run>(); // by the turn they write
  sought = $state(""); // a turn to be scrolled to
  #fresh = $state<Conversation>(new_conversation()); // until its first message it is in no list
  #current_id = $state("");
  #tree = $derived.by(() => new Tree(this.current.turns));

  constructor() {
    library.protect((id) => this.is_answering(id));
  }

  async load(): Promise<void> {
    await library.load();
    const wanted = sessionStorage.getItem(kCurrentName);
    if (this.#current_id === "" && this.#fresh.turns.length === 0) this.#current_id = wanted ?? library.conversations[0]?.id ?? "";
  }

  get current(): Conversation {
    return library.find(this.#current_id) ?? this.#fresh;
  }

  get tree(): Tree {
    return this.#tree;
  }

  get path(): Turn[] {
    return this.#tree.path(this.current.head);
  }

  get models(): string[] {
    return [server.model, ...this.beside];
  }

  get is_busy(): boolean {
    return this.is_answering(this.current.id);
  }

  is_answering(id: string): boolean {
    return [...this.runs.values()].some((run) => run.owner === id);
  }

  open(id: string, turn_id = ""): void {
    this.#current_id = id;
    sessionStorage.setItem(kCurrentName, id);
    const turn = this.#tree.get(turn_id);
    if (!turn) return;
    if (!this.path.includes(turn)) this.current.head = this.#tree.leaf(turn).id;
    this.sought = turn.id;
  }

  start_new(): void {
    if (this.#fresh.turns.length > 0) this.#fresh = new_conversation();
    this.open("");
  }

  send(text: string, attachments: Attachment[] = []): void {
    if ((text.trim() === "" && attachments.length === 0) || this.is_busy) return;
    const conversation = this.#listed(this.current);
    if (conversation.turns.length === 0) conversation.title = title_of(text.trim() || attachments[0]!.name);
    this.#ask(conversation, { parent: conversation.head, text: text.trim(), attachments });
  }

  /// A changed question is a branch beside the old one, and is answered; a changed answer is a branch that is kept.
  edit(turn: Turn, text: string, attachments: Attachment[] = turn.attachments ?? []): void {
    if (this.is_busy || (text.trim() === "" && attachments.length === 0)) return;
    const conversation = this.current;
    if (turn.role === "user") return this.#ask(conversation, { parent: turn.parent, text: text.trim(), attachments });
    const model = turn.model === undefined ? {} : { model: turn.model };
    const edited: Turn = { id: new_id(), parent: turn.parent, role: "assistant", text, is_edited: true, finish: "stop", ...model };
    conversation.turns.push(edited);
    conversation.head = edited.id;
    library.touch(conversation);
  }

  /// Another answer beside this one, as a branch. One that failed without a word is no branch worth keeping.
  regenerate(turn: Turn | undefined = this.path.findLast((other) => other.role === "assistant")): void {
    if (this.is_busy || turn?.role !== "assistant") return;
    const conversation = this.current;
    if (turn.failure && turn.text === "") conversation.turns = conversation.turns.filter((other) => other.id !== turn.id && !(other.failure && other.group !== undefined && other.group === turn.group));
    this.#answer(conversation, turn.parent);
  }

  /// The branch `step` places further on, where it was last.
  switch_branch(turn: Turn, step: number): void {
    const branches = this.#tree.branches(turn);
    const wanted = branches[branches.indexOf(turn) + step];
    if (wanted) this.choose(wanted);
  }

  /// Goes on from this turn's branch.
  choose(turn: Turn): void {
    if (this.is_busy && !this.runs.has(turn.id)) return;
    this.current.head = this.#tree.leaf(turn).id;
    library.keep(this.current);
  }

  stop(): void {
    for (const run of this.runs.values()) if (run.owner === this.current.id) run.stop();
  }

  /// A question that the model cannot answer as a chat: it is taken back, and its text returned.
  take_back(): string {
    const question = this.path.findLast((turn) => turn.role === "user");
    if (!question) return "";
    const conversation = this.current;
    conversation.turns = conversation.turns.filter((turn) => turn !== question && turn.parent !== question.id);
    conversation.head = question.parent;
    if (conversation.turns.length > 0) library.keep(conversation);
    else this.remove(conversation.id, { for_good: true });
    return question.text;
  }

  remove(id: string, options: { for_good: boolean } = { for_good: false }): void {
    const was_current = this.current.id === id;
    for (const run of this.runs.values()) if (run.owner === id) run.stop();
    library.remove(id);
    if (options.for_good) library.removed = undefined;
    if (was_current) this.start_new();
  }

  restore(): void {
    const conversation = library.restore();
    if (conversation) this.open(conversation.id);
  }

  keep_settings(): void {
    store_settings(this.settings);
  }

  #listed(conversation: Conversation): Conversation {
    if (library.find(conversation.id)) return conversation;
    library.conversations.unshift(conversation);
    this.open(conversation.id);
    this.#fresh = new_conversation();
    return this.current;
  }

  #ask(conversation: Conversation, question: { parent: string; text: string; attachments: Attachment[] }): void {
    const { parent, text, attachments } = question;
    const turn: Turn = { id: new_id(), parent, role: "user", text, ...(attachments.length > 0 ? { attachments } : {}) };
    conversation.turns.push(turn);
    this.#answer(conversation, turn.id);
  }

  // One answer of each chosen model, side by side; the conversation goes on from the first unless another is chosen.
  #answer(conversation: Conversation, parent: string): void {
    const group = this.beside.length > 0 ? { group: new_id() } : {};
    const made = this.models.map((model): Turn => ({ id: new_id(), parent, role: "assistant", text: "", model, ...group }));
    conversation.turns.push(...made);
    conversation.head = made[0]!.id;
    library.touch(conversation);
    for (const { id } of made) this.#follow(conversation, conversation.turns.find((turn) => turn.id === id)!);
  }

  #follow(conversation: Conversation, turn: Turn): void {
    const model = turn.model ?? server.model;
    const run = new Run(turn, conversation.id);
    this.runs.set(turn.id, run);
    const timer = setInterval(() => library.keep(conversation), kKeepEveryMs);
    const turns = new Tree(conversation.turns).path(turn.parent);
    const body = chat_body(model, turns, $state.snapshot(this.settings));
    void run.follow((signal) => stream_chat(body, signal)).finally(() => {
      clearInterval(timer);
      this.runs.delete(turn.id);
      library.keep(conversation);
      if (turn.failure?.kind === "no_chat") server.remember_base(model);
      if (turn.failure?.kind === "unreachable") void server.look();
      else if (!server.details(model)?.is_loaded) void server.load_models();
    });
  }
}

export const chat = new Chat();
