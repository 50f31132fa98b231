// The conversations of this browser and what can be done with them.
import { SvelteMap } from "svelte/reactivity";
import { stream_chat, stream_completion } from "./api";
import {
  forget_conversation, is_conversation_key, load_conversations, new_conversation, new_id, parse_conversation,
  store_conversation, title_of, type Conversation, type Mode, type Turn,
} from "./conversations";
import { chat_body, completion_body } from "./requests";
import { Run } from "./run.svelte";
import { server } from "./server.svelte";
import { load_settings, store_settings, type Settings } from "./settings";

const kCurrentName = "heed.current";
const kKeepEveryMs = 1000;

class Chat {
  conversations = $state<Conversation[]>(load_conversations());
  settings = $state<Settings>(load_settings());
  runs = new SvelteMap<string, Run>();
  is_storage_full = $state(false);
  removed = $state<Conversation | undefined>(undefined);
  #fresh = $state<Conversation>(new_conversation("chat")); // until its first message it is in no list
  #current_id = $state("");

  constructor() {
    const wanted = sessionStorage.getItem(kCurrentName);
    this.#current_id = this.conversations.find((c) => c.id === wanted)?.id ?? "";
    if (wanted === null) this.#current_id = this.conversations[0]?.id ?? "";
    window.addEventListener("storage", (event) => this.#adopt(event.key, event.newValue));
  }

  get current(): Conversation {
    return this.conversations.find((c) => c.id === this.#current_id) ?? this.#fresh;
  }

  get run(): Run | undefined {
    return this.runs.get(this.current.id);
  }

  open(id: string): void {
    this.#current_id = id;
    sessionStorage.setItem(kCurrentName, id);
  }

  start_new(mode: Mode = server.is_base(server.model) ? "complete" : "chat"): void {
    if (this.#fresh.turns.length > 0 || this.#fresh.mode !== mode) this.#fresh = new_conversation(mode);
    this.open("");
  }

  set_mode(mode: Mode): void {
    if (mode !== this.current.mode) this.start_new(mode);
  }

  choose_model(model: string): void {
    server.choose(model);
    if (this.current.turns.length > 0) return;
    this.start_new();
  }

  send(text: string): void {
    if (text.trim() === "" || this.run) return;
    const conversation = this.#listed(this.current);
    if (conversation.turns.length === 0) conversation.title = title_of(text);
    const kept = conversation.mode === "complete" ? text : text.trim();
    conversation.turns.push({ id: new_id(), role: "user", text: kept });
    this.#answer(conversation);
  }

  /// Another answer in place of the last one.
  regenerate(): void {
    const conversation = this.current;
    if (this.run || conversation.turns.length === 0) return;
    if (conversation.turns.at(-1)?.role === "assistant") conversation.turns.pop();
    this.#answer(conversation);
  }

  /// More text after the last completion.
  extend(): void {
    const turn = this.current.turns.at(-1);
    if (this.run || turn?.role !== "assistant" || this.current.mode !== "complete") return;
    delete turn.finish;
    delete turn.failure;
    delete turn.stats;
    this.#follow(this.current, turn);
  }

  stop(): void {
    this.run?.stop();
  }

  /// A base model cannot chat: the same text again, to be completed.
  complete_instead(): void {
    const conversation = this.current;
    const text = conversation.turns.findLast((turn) => turn.role === "user")?.text ?? "";
    conversation.turns.splice(-2);
    if (conversation.turns.length === 0) this.remove(conversation.id, { for_good: true });
    this.start_new("complete");
    this.send(text);
  }

  rename(id: string, title: string): void {
    const conversation = this.conversations.find((c) => c.id === id);
    if (!conversation || title.trim() === "") return;
    conversation.title = title.trim().slice(0, 120);
    this.#keep(conversation);
  }

  remove(id: string, options: { for_good: boolean } = { for_good: false }): void {
    const index = this.conversations.findIndex((c) => c.id === id);
    if (index < 0) return;
    const was_current = this.current.id === id;
    this.runs.get(id)?.stop();
    this.runs.delete(id);
    const [conversation] = this.conversations.splice(index, 1);
    forget_conversation(id);
    this.removed = options.for_good ? undefined : conversation;
    if (was_current) this.start_new();
  }

  restore(): void {
    if (!this.removed) return;
    const conversation = this.removed;
    this.removed = undefined;
    this.conversations.push(conversation);
    this.conversations.sort((a, b) => b.updated_ms - a.updated_ms);
    this.#keep(conversation);
    this.open(conversation.id);
  }

  keep_settings(): void {
    store_settings(this.settings);
  }

  #listed(conversation: Conversation): Conversation {
    if (this.conversations.some((c) => c.id === conversation.id)) return conversation;
    this.conversations.unshift(conversation);
    this.open(conversation.id);
    this.#fresh = new_conversation(conversation.mode);
    return this.current;
  }

  #answer(conversation: Conversation): void {
    conversation.turns.push({ id: new_id(), role: "assistant", text: "", model: server.model });
    conversation.updated_ms = Date.now();
    this.#keep(conversation);
    this.conversations.sort((a, b) => b.updated_ms - a.updated_ms);
    this.#follow(conversation, conversation.turns.at(-1)!);
  }

  #follow(conversation: Conversation, turn: Turn): void {
    const model = server.model;
    const run = new Run(turn, () => this.#keep(conversation));
    this.runs.set(conversation.id, run);
    const timer = setInterval(() => this.#keep(conversation), kKeepEveryMs);
    const settings = $state.snapshot(this.settings);
    const turns = conversation.turns.slice(0, -1);
    const prompt = (turns.at(-1)?.text ?? "") + turn.text;
    const opened = conversation.mode === "chat"
      ? (signal: AbortSignal) => stream_chat(chat_body(model, turns, settings), signal)
      : (signal: AbortSignal) => stream_completion(completion_body(model, prompt, settings), signal);
    void run.follow(opened).finally(() => {
      clearInterval(timer);
      if (this.runs.get(conversation.id) === run) this.runs.delete(conversation.id);
      if (turn.failure?.kind === "no_chat") server.remember_base(model);
      if (turn.failure?.kind === "unreachable") void server.look();
    });
  }

  #keep(conversation: Conversation): void {
    // A removed conversation's run may still report its end.
    if (!this.conversations.some((c) => c.id === conversation.id)) return;
    this.is_storage_full = !store_conversation(conversation);
  }

  // Another tab wrote: take it over, unless this tab is writing the same conversation.
  #adopt(key: string | null, value: string | null): void {
    if (!is_conversation_key(key)) return;
    const theirs = parse_conversation(value);
    if (!theirs) {
      const stored = new Set(load_conversations().map((c) => c.id));
      this.conversations = this.conversations.filter((c) => stored.has(c.id) || this.runs.has(c.id));
      return;
    }
    if (this.runs.has(theirs.id)) return;
    const index = this.conversations.findIndex((c) => c.id === theirs.id);
    if (index >= 0) this.conversations[index] = theirs;
    else this.conversations.unshift(theirs);
  }
}

export const chat = new Chat();
