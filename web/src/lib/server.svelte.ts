// What the page knows of its server: whether it answers, which models it has, which one is chosen.
import { api_key, list_models, server_state, type Model, type ServerState } from "./api";
import { failure_of_exception, type Failure } from "./errors";

const kChosenName = "heed.model";
const kBaseName = "heed.base_models";
const kCalmMs = 20_000; // between looks at a server that is ready
const kAnxiousMs = 2_500; // and at one that is not

function stored_list(name: string): string[] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(name) ?? "[]");
    return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
  } catch {
    return [];
  }
}

function store(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // The choice then holds until the page is closed.
  }
}

class Server {
  state = $state<ServerState | "unknown">("unknown");
  models = $state<Model[]>([]);
  model = $state("");
  failure = $state<Failure | undefined>(undefined);
  #base_models = $state<string[]>(stored_list(kBaseName));
  #timer: ReturnType<typeof setTimeout> | undefined;

  /// Looks now and keeps looking, slowly while all is well and the page is seen.
  watch(): void {
    const look = async (): Promise<void> => {
      if (!document.hidden) await this.look();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(look, this.state === "ready" && !this.failure ? kCalmMs : kAnxiousMs);
    };
    document.addEventListener("visibilitychange", () => !document.hidden && void look());
    void look();
  }

  async look(): Promise<void> {
    const before = this.state;
    this.state = await server_state();
    if (this.state === "unreachable") {
      if (this.models.length === 0) this.failure ??= failure_of_exception(undefined, false);
      return;
    }
    const wants_models = this.models.length === 0 || before !== this.state;
    if (wants_models && this.failure?.kind !== "unauthorized") await this.load_models();
  }

  async load_models(): Promise<void> {
    try {
      // What is known of a model stays known when the server makes room for another.
      this.models = (await list_models()).map((model) => ({ ...this.details(model.id), ...model }));
      this.failure = undefined;
      const wanted = this.model || (localStorage.getItem(kChosenName) ?? "");
      this.model = this.models.some((model) => model.id === wanted) ? wanted : (this.models[0]?.id ?? "");
    } catch (error) {
      this.failure = failure_of_exception(error, false);
    }
  }

  choose(model: string): void {
    this.model = model;
    store(kChosenName, model);
  }

  async use_key(key: string): Promise<void> {
    api_key.store(key.trim());
    this.failure = undefined;
    await this.load_models();
  }

  details(model: string): Model | undefined {
    return this.models.find((known) => known.id === model);
  }

  /// Base models have no chat template: the server says so of loaded ones, and of others when one tries.
  is_base(model: string): boolean {
    const can_chat = this.details(model)?.can_chat;
    return can_chat === undefined ? this.#base_models.includes(model) : !can_chat;
  }

  remember_base(model: string): void {
    if (this.is_base(model)) return;
    this.#base_models.push(model);
    store(kBaseName, JSON.stringify(this.#base_models));
  }
}

export const server = new Server();
