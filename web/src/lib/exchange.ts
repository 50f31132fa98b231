// Conversations as files: JSON, which comes back whole, and Markdown, to read and pass on.
import { sane_conversation, type Conversation } from "./conversations";
import { Tree } from "./tree";

const kFormat = "heed.conversations";

export function to_json(conversations: readonly Conversation[]): string {
  return JSON.stringify({ format: kFormat, version: 1, conversations }, null, 1);
}

/// The conversations of a file, or an Error whose message says what is wrong with it.
export function from_json(text: string): Conversation[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("This file is not JSON.");
  }
  const file = value as { format?: unknown; version?: unknown; conversations?: unknown } | null;
  if (typeof file !== "object" || file === null || file.format !== kFormat || !Array.isArray(file.conversations)) {
    throw new Error("This file holds no conversations of heed.");
  }
  if (file.version !== 1) throw new Error(`This file is of version ${String(file.version)}; this page reads version 1.`);
  const found = file.conversations.flatMap((item: unknown) => sane_conversation(item) ?? []);
  if (found.length === 0) throw new Error("This file holds no conversations of heed.");
  return found;
}

/// A fence that no line of `text` can close.
export function fenced(text: string): string {
  const longest = Math.max(2, ...Array.from(text.matchAll(/`{3,}/g), (run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text.replace(/\n$/, "")}\n${fence}`;
}

/// The path that is shown.
export function to_markdown(conversation: Conversation): string {
  const parts = [`# ${conversation.title}`];
  for (const turn of new Tree(conversation.turns).path(conversation.head)) {
    parts.push(turn.role === "user" ? "## You" : `## ${turn.model ?? "Answer"}`);
    for (const { name, text } of turn.attachments ?? []) parts.push(`**${name}**`, fenced(text));
    if (turn.text !== "") parts.push(turn.text.trim());
  }
  return `${parts.join("\n\n")}\n`;
}

/// A title as a file's name.
export function file_name(title: string, extension: string): string {
  const plain = title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60).toLowerCase();
  return `${plain || "conversation"}.${extension}`;
}

export function download(name: string, type: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
