// Files as text: what may be attached, and how the model reads it.
import type { Attachment } from "./conversations";
import { fenced } from "./exchange";

export const kMaxBytes = 256 * 1024; // a file; about 64,000 tokens
export const kMaxFiles = 10;
export const kLongPaste = 4000; // characters; a longer text that is pasted becomes a chip

export function format_bytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

export const size_of = (attachment: Attachment): string => format_bytes(new TextEncoder().encode(attachment.text).length);

function decoded(bytes: Uint8Array): string | undefined {
  const is_utf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  try {
    const text = new TextDecoder(is_utf16 ? "utf-16le" : "utf-8", { fatal: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

/// The file's text, or an Error whose message names the file and what is wrong.
export async function read_attachment(file: File): Promise<Attachment> {
  if (file.size > kMaxBytes) throw new Error(`${file.name} has ${format_bytes(file.size)}; at most ${format_bytes(kMaxBytes)} can be attached.`);
  const text = decoded(new Uint8Array(await file.arrayBuffer()));
  if (text === undefined) throw new Error(`${file.name} is not text: heed reads text files (code, notes, CSV, logs).`);
  if (text.trim() === "") throw new Error(`${file.name} is empty.`);
  return { name: file.name, text: text.replace(/\r\n?/g, "\n") };
}

/// What the model is given: the files first, each under its name, then the message.
export function with_attachments(text: string, attachments: readonly Attachment[] = []): string {
  return [...attachments.map((file) => `${file.name}:\n${fenced(file.text)}`), text].filter((part) => part !== "").join("\n\n");
}
