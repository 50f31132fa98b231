// The parameters a person can set: their ranges, defaults and how they become fields of a request.
import type { RequestBody } from "./api";

export interface Settings {
  system: string;
  temperature: number;
  top_p: number;
  top_k: number;
  min_p: number;
  max_tokens: number;
  seed: string; // empty: another one for each answer
  repetition_penalty: number;
  presence_penalty: number;
  frequency_penalty: number;
  stop: string; // one a line
  logprobs: boolean; // keep each token's probability and alternatives
}

export const kDefaults: Readonly<Settings> = Object.freeze({
  system: "",
  temperature: 0.7,
  top_p: 0.95,
  top_k: 40,
  min_p: 0.05,
  max_tokens: 1024,
  seed: "",
  repetition_penalty: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  stop: "",
  logprobs: false,
});

export type NumberKey = { [K in keyof Settings]: Settings[K] extends number ? K : never }[keyof Settings];

export interface Range {
  key: NumberKey;
  label: string;
  low: number;
  high: number;
  step: number;
  hint: string;
}

export const kSampling: readonly Range[] = [
  { key: "temperature", label: "Temperature", low: 0, high: 2, step: 0.05, hint: "0 always takes the likeliest word; higher is freer." },
  { key: "top_p", label: "Top p", low: 0.05, high: 1, step: 0.05, hint: "Chooses among the likeliest words that make up this share." },
  { key: "top_k", label: "Top k", low: 0, high: 200, step: 1, hint: "Chooses among this many words; 0 means all." },
  { key: "min_p", label: "Min p", low: 0, high: 0.5, step: 0.01, hint: "Leaves out words this much less likely than the best one." },
];

export const kPenalties: readonly Range[] = [
  { key: "repetition_penalty", label: "Repetition", low: 1, high: 2, step: 0.05, hint: "Above 1 makes words already in the text less likely." },
  { key: "presence_penalty", label: "Presence", low: -2, high: 2, step: 0.1, hint: "Above 0 prefers words the answer has not used yet." },
  { key: "frequency_penalty", label: "Frequency", low: -2, high: 2, step: 0.1, hint: "Above 0 holds back words the more often they came." },
];

export const kMaxTokens: Range = {
  key: "max_tokens", label: "Longest answer", low: 16, high: 8192, step: 16, hint: "In tokens; a word is a token or two.",
};

const kName = "heed.settings";

function clamped(range: Range, value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value)) return kDefaults[range.key];
  return Math.min(Math.max(value, range.low), range.high);
}

/// Makes valid settings of anything, as stored text may be old or edited.
export function sane(value: unknown): Settings {
  const given = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const out: Settings = { ...kDefaults };
  for (const range of [...kSampling, ...kPenalties, kMaxTokens]) out[range.key] = clamped(range, given[range.key] ?? kDefaults[range.key]);
  for (const key of ["system", "stop"] as const) if (typeof given[key] === "string") out[key] = given[key];
  out.logprobs = given.logprobs === true;
  if (typeof given.seed === "string" && /^\d{0,15}$/.test(given.seed)) out.seed = given.seed;
  return out;
}

export function load_settings(): Settings {
  try {
    return sane(JSON.parse(localStorage.getItem(kName) ?? "null"));
  } catch {
    return { ...kDefaults };
  }
}

export function store_settings(settings: Settings): void {
  try {
    localStorage.setItem(kName, JSON.stringify(settings));
  } catch {
    // Storage full or forbidden: the settings still hold until the page is closed.
  }
}

export function same_settings(a: Settings, b: Readonly<Settings>): boolean {
  return (Object.keys(kDefaults) as (keyof Settings)[]).every((key) => a[key] === b[key]);
}

export const is_default = (settings: Settings): boolean => same_settings(settings, kDefaults);

/// The request's fields. The server's own seed is always 0, so that a program gets the same answer twice; a person who
/// asks again wants another one, hence a fresh seed here unless one was set.
export function to_request(settings: Settings, random: () => number = Math.random): RequestBody {
  const stop = settings.stop.split("\n").filter((line) => line !== "");
  const body: RequestBody = {
    temperature: settings.temperature,
    top_p: settings.top_p,
    top_k: settings.top_k,
    min_p: settings.min_p,
    max_tokens: settings.max_tokens,
    seed: settings.seed === "" ? Math.floor(random() * 2 ** 31) : Number(settings.seed),
  };
  if (settings.repetition_penalty !== 1) body.repetition_penalty = settings.repetition_penalty;
  if (settings.presence_penalty !== 0) body.presence_penalty = settings.presence_penalty;
  if (settings.frequency_penalty !== 0) body.frequency_penalty = settings.frequency_penalty;
  if (stop.length > 0) body.stop = stop;
  return body;
}
