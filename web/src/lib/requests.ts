// From a conversation to the body of a request.
import type { ChatMessage, RequestBody } from "./api";
import { with_attachments } from "./attachments";
import type { Turn } from "./conversations";
import { to_request, type Settings } from "./settings";

const kAlternatives = 5;

/// Messages that take turns, as many chat templates demand: unanswered questions join the next one.
export function messages_of(turns: readonly Turn[], system: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  if (system.trim() !== "") messages.push({ role: "system", content: system.trim() });
  for (const turn of turns) {
    const content = with_attachments(turn.text, turn.attachments);
    if (content === "") continue;
    const last = messages[messages.length - 1];
    if (last?.role === turn.role) last.content += `\n\n${content}`;
    else messages.push({ role: turn.role, content });
  }
  return messages;
}

export function chat_body(model: string, turns: readonly Turn[], settings: Settings): RequestBody {
  const asked = settings.logprobs ? { logprobs: true, top_logprobs: kAlternatives } : {};
  return { model, messages: messages_of(turns, settings.system), ...to_request(settings), ...asked };
}

export function completion_body(model: string, prompt: string, settings: Settings): RequestBody {
  return { model, prompt, ...to_request(settings) };
}
