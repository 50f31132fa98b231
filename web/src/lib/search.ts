// Search over all conversations: every word must occur in a title or in one message, whatever its accents and case.
import type { Conversation } from "./conversations";

export interface Hit {
  conversation: Conversation;
  turn_id: string; // "" when the title matched
  before: string;
  match: string;
  after: string;
}

const kBefore = 24;
const kAfter = 90;

// One folded character per UTF-16 unit of the text, so that places in both agree.
function folded(text: string): string {
  const ascii = text.replace(/[A-Z]+/g, (part) => part.toLowerCase());
  return ascii.replace(/[^\x00-\x7f]/g, (unit) => {
    const plain = unit.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    return plain.length === 1 ? plain : unit;
  });
}

function excerpt(text: string, at: number, length: number): Pick<Hit, "before" | "match" | "after"> {
  const begin = Math.max(0, at - kBefore);
  const flat = (part: string): string => part.replace(/\s+/g, " ");
  return {
    before: (begin > 0 ? "…" : "") + flat(text.slice(begin, at)),
    match: flat(text.slice(at, at + length)),
    after: flat(text.slice(at + length, at + length + kAfter)),
  };
}

/// At most one hit a conversation: its title, or else the first turn with all the words.
export function search(conversations: readonly Conversation[], query: string): Hit[] {
  const words = folded(query).split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return [];
  const found_in = (text: string): number => {
    const plain = folded(text);
    return words.every((word) => plain.includes(word)) ? plain.indexOf(words[0]!) : -1;
  };
  const hits: Hit[] = [];
  for (const conversation of conversations) {
    const texts = [{ id: "", text: conversation.title }, ...conversation.turns];
    for (const { id, text } of texts) {
      const at = found_in(text);
      if (at < 0) continue;
      hits.push({ conversation, turn_id: id, ...excerpt(text, at, words[0]!.length) });
      break;
    }
  }
  return hits;
}
