// Tokens as the page draws them: what is shown for a token, how strongly it is tinted, in which words it is told.
import type { ScoredToken } from "./conversations";

/// 0 for what the model expected, 5 for what surprised it most.
export function tint_of(logprob: number): number {
  const probability = Math.exp(logprob);
  const floors = [0.8, 0.5, 0.25, 0.1, 0.02];
  const tint = floors.findIndex((floor) => probability >= floor);
  return tint < 0 ? floors.length : tint;
}

export function percent(logprob: number): string {
  const share = Math.exp(logprob) * 100;
  if (share >= 99.95) return "100 %";
  if (share < 0.01) return "< 0.01 %";
  return `${share >= 10 ? share.toFixed(1) : share.toPrecision(2)} %`;
}

/// White space made visible.
export function visible(text: string): string {
  if (text === "") return "∅";
  return text.replace(/ /g, "␣").replace(/\n/g, "↵").replace(/\t/g, "⇥");
}

/// The average over all tokens, as the number of equally likely words the model chose among.
export function perplexity(tokens: readonly ScoredToken[]): number {
  if (tokens.length === 0) return 1;
  return Math.exp(-tokens.reduce((sum, token) => sum + token.logprob, 0) / tokens.length);
}

/// A scored token with its words and alternatives, as the token view shows it.
export function shown_token(token: ScoredToken): { text: string; tint: number; told: string; top: { text: string; share: string; part: number }[] } {
  const top = token.top.map((other) => ({ text: other.text, share: percent(other.logprob), part: Math.exp(other.logprob) }));
  if (!token.top.some((other) => other.text === token.text)) top.push({ text: token.text, share: percent(token.logprob), part: Math.exp(token.logprob) });
  return { text: token.text, tint: tint_of(token.logprob), told: percent(token.logprob), top };
}
