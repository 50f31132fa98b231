// Named settings: a system prompt with its parameters. Two come with the page, the others are the reader's own.
import { new_id } from "./conversations";
import { kDefaults, sane, type Settings } from "./settings";

export interface Preset {
  id: string;
  name: string;
  settings: Settings;
}

const kName = "heed.presets";
const kMost = 100;

export const kGiven: readonly Preset[] = [
  { id: "default", name: "Balanced", settings: { ...kDefaults } },
  { id: "exact", name: "Exact", settings: { ...kDefaults, temperature: 0, seed: "0" } },
];

function sane_preset(value: unknown): Preset | undefined {
  const { id, name, settings } = (value ?? {}) as Partial<Preset>;
  if (typeof id !== "string" || typeof name !== "string" || name.trim() === "") return undefined;
  return { id, name, settings: sane(settings) };
}

export function load_presets(storage: Storage = localStorage): Preset[] {
  try {
    const value: unknown = JSON.parse(storage.getItem(kName) ?? "[]");
    return Array.isArray(value) ? value.flatMap((item) => sane_preset(item) ?? []).slice(0, kMost) : [];
  } catch {
    return [];
  }
}

class Presets {
  own = $state<Preset[]>(load_presets());

  get all(): Preset[] {
    return [...kGiven, ...this.own];
  }

  find(id: string): Preset | undefined {
    return this.all.find((preset) => preset.id === id);
  }

  is_own(id: string): boolean {
    return this.own.some((preset) => preset.id === id);
  }

  /// Under a name that is taken it replaces; returns its id.
  store(name: string, settings: Settings): string {
    const called = name.trim().slice(0, 60);
    const known = this.own.find((preset) => preset.name === called);
    const id = known?.id ?? new_id();
    const preset: Preset = { id, name: called, settings: { ...settings } };
    this.own = known ? this.own.map((other) => (other.id === id ? preset : other)) : [...this.own, preset].slice(-kMost);
    this.#keep();
    return id;
  }

  remove(id: string): void {
    this.own = this.own.filter((preset) => preset.id !== id);
    this.#keep();
  }

  #keep(): void {
    try {
      localStorage.setItem(kName, JSON.stringify(this.own));
    } catch {
      // Storage full or forbidden: they hold until the page is closed.
    }
  }
}

export const presets = new Presets();
