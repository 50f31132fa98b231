// The keyboard map: one table, from which keys are recognised and the dialog is drawn.
import { chat } from "./chat.svelte";
import { copy_text } from "./clipboard";
import type { Shortcut } from "./keys";
import { playground } from "./playground.svelte";
import { theme } from "./theme.svelte";
import { ui } from "./ui.svelte";

export function start_new(): void {
  ui.show("chat");
  chat.start_new();
  ui.focus("#message");
}

function find(): void {
  ui.is_side_open = true;
  ui.focus("#search");
}

async function copy_last(): Promise<void> {
  const answer = chat.path.findLast((turn) => turn.role === "assistant");
  if (answer && (await copy_text(answer.text))) ui.announce("Copied");
}

function edit_last(): void {
  ui.edited = chat.path.findLast((turn) => turn.role === "user")?.id ?? "";
}

/// The last place where the path could have gone another way.
function switch_last(step: number): void {
  const turn = chat.path.findLast((other) => chat.tree.branches(other).length > 1);
  if (turn) chat.switch_branch(turn, step);
}

function escape(): void {
  if (ui.is_covered) ui.close_drawers();
  else if (ui.view === "playground") playground.stop();
  else chat.stop();
}

export const kShortcuts: readonly Shortcut[] = [
  { group: "Writing", keys: "enter", about: "Send the message" },
  { group: "Writing", keys: "shift+enter", about: "Begin a line" },
  { group: "Writing", keys: "escape", about: "Stop the answer; close what is open", run: escape },
  { group: "Writing", keys: "alt+m", about: "To the text", run: () => ui.focus(ui.view === "chat" ? "#message" : "#prompt") },
  { group: "Answers", keys: "alt+r", about: "Answer again, as a branch", run: () => chat.regenerate() },
  { group: "Answers", keys: "alt+e", about: "Edit your last message", run: edit_last },
  { group: "Answers", keys: "alt+b", about: "Next branch", run: () => switch_last(1) },
  { group: "Answers", keys: "alt+shift+b", about: "Branch before", run: () => switch_last(-1) },
  { group: "Answers", keys: "alt+c", about: "Copy the last answer", run: () => void copy_last() },
  { group: "Page", keys: "mod+k", about: "New chat", run: start_new },
  { group: "Page", keys: "alt+f", about: "Search conversations", run: find },
  { group: "Page", keys: "alt+s", about: "Show or hide the list", run: () => ui.toggle_side() },
  { group: "Page", keys: "alt+p", about: "Show or hide parameters", run: () => ui.toggle_panel() },
  { group: "Page", keys: "alt+g", about: "Chat or playground", run: () => ui.show(ui.view === "chat" ? "playground" : "chat") },
  { group: "Page", keys: "alt+l", about: "Light or dark", run: () => theme.toggle() },
  { group: "Page", keys: "?", about: "This map", run: () => (ui.dialog = "keys") },
  { group: "Tokens", keys: "arrowright", about: "Next token" },
  { group: "Tokens", keys: "arrowleft", about: "Token before" },
];
