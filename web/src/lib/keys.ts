// Keyboard shortcuts: how they are written down, shown and recognised.

export interface Shortcut {
  keys: string; // "mod+k": mod is Ctrl, or Command on a Mac; other names are those of KeyboardEvent.code or key
  about: string;
  group: string;
  run?: () => void; // without: the part of the page where it works sees to it
}

const is_mac = (): boolean => /mac|iphone|ipad/i.test(navigator.platform);
const kSymbols: Record<string, string> = { escape: "Esc", enter: "Enter", arrowleft: "←", arrowright: "→", arrowup: "↑", arrowdown: "↓", comma: ",", slash: "/" };

/// "mod+k" as a person reads it.
export function shown_keys(keys: string, on_mac = is_mac()): string[] {
  return keys.split("+").map((key) => {
    if (key === "mod") return on_mac ? "⌘" : "Ctrl";
    if (key === "alt") return on_mac ? "⌥" : "Alt";
    if (key === "shift") return on_mac ? "⇧" : "Shift";
    return kSymbols[key] ?? key.toUpperCase();
  });
}

/// Letters go by their place (`code`): with Option a Mac types another letter. A lone sign goes by what was typed.
export function is_pressed(event: KeyboardEvent, keys: string): boolean {
  const parts = keys.split("+");
  const key = parts.at(-1)!;
  const wants = (name: string): boolean => parts.slice(0, -1).includes(name);
  if ((event.ctrlKey || event.metaKey) !== wants("mod") || event.altKey !== wants("alt")) return false;
  if (key === "?") return event.key === "?";
  if (event.shiftKey !== wants("shift")) return false;
  const code = event.code.replace(/^Key|^Digit/, "").toLowerCase();
  return code === key || event.key.toLowerCase() === key;
}

/// Where a lone key is text rather than a command.
export function is_typing(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input:not([type=range], [type=radio], [type=checkbox]), textarea, select, [contenteditable]") !== null;
}
