// Markdown to safe HTML, in blocks, so that a growing answer only renders its last block anew.
import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";
import { highlight } from "./highlight";

const md = new MarkdownIt({ html: false, linkify: true, breaks: false, typographer: false });
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
const escape_html = md.utils.escapeHtml;

function code_block(code: string, info: string): string {
  const language = (/^[\w+#.-]{1,24}/.exec(info.trim())?.[0] ?? "").toLowerCase();
  const inside = highlight(code, language) ?? escape_html(code);
  const label = escape_html(language || "text");
  return (
    `<div class="code"><div class="code_head"><span class="code_language">${label}</span>` +
    `<button type="button" class="code_copy" data-copy="" aria-label="Copy ${label} code">Copy</button></div>` +
    `<pre tabindex="0" role="group" aria-label="${label} code"><code>${inside}</code></pre></div>\n`
  );
}

md.renderer.rules.fence = (tokens, i) => code_block(tokens[i]!.content, tokens[i]!.info);
md.renderer.rules.code_block = (tokens, i) => code_block(tokens[i]!.content, "");

// A picture from elsewhere would tell its host who reads what: it becomes a link to click on purpose.
md.renderer.rules.image = (tokens, i, options, env, self) => {
  const token = tokens[i]!;
  const source = String(token.attrGet("src") ?? "");
  const alt = self.renderInlineAsText(token.children ?? [], options, env);
  if (/^data:image\/(png|jpeg|gif|webp);base64,/i.test(source)) return `<img src="${escape_html(source)}" alt="${escape_html(alt)}">`;
  return `<a class="picture" href="${escape_html(source)}">${escape_html(alt || source)}</a>`;
};

// Column alignment comes as a style attribute, which the content policy forbids: a class says the same.
for (const rule of ["th_open", "td_open"]) {
  md.renderer.rules[rule] = (tokens, i, options, _env, self) => {
    const token = tokens[i]!;
    const side = /text-align:(left|center|right)/.exec(String(token.attrGet("style") ?? ""))?.[1];
    token.attrs = side ? [["class", `to_${side}`]] : null;
    return self.renderToken(tokens, i, options);
  };
}
md.renderer.rules.table_open = () => '<div class="table" tabindex="0" role="group" aria-label="Table"><table>\n';
md.renderer.rules.table_close = () => "</table></div>\n";

const purify = DOMPurify(window);
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName === "IMG" && !node.getAttribute("src")?.startsWith("data:")) node.remove();
  if (node.nodeName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

export function sanitize(html: string): string {
  return purify.sanitize(html, {
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["style", "form", "input", "textarea", "select", "audio", "video", "iframe", "object", "svg", "math"],
    FORBID_ATTR: ["style", "id", "name", "srcset", "background", "action", "formaction"],
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#|data:image\/(?:png|jpeg|gif|webp);base64,)/i,
    ALLOW_DATA_ATTR: false,
    ADD_ATTR: ["data-copy"],
    ADD_URI_SAFE_ATTR: ["tabindex", "type", "start"], // numbers and words, which are no addresses
  });
}

export interface Block {
  source: string;
  html: string;
}

type Token = ReturnType<typeof md.parse>[number];
type Env = Parameters<typeof md.parse>[1];

function render(tokens: Token[], env: Env): string {
  return sanitize(md.renderer.render(tokens, md.options, env));
}

/// Token lists of the top-level blocks, and the line each begins at.
function top_blocks(tokens: Token[]): { first_line: number; tokens: Token[] }[] {
  const blocks: { first_line: number; tokens: Token[] }[] = [];
  let depth = 0;
  for (const token of tokens) {
    if (depth === 0) blocks.push({ first_line: token.map?.[0] ?? 0, tokens: [] });
    blocks[blocks.length - 1]!.tokens.push(token);
    depth += token.nesting;
  }
  return blocks;
}

function line_offset(text: string, line: number): number {
  let offset = 0;
  for (let i = 0; i < line; ++i) offset = text.indexOf("\n", offset) + 1;
  return offset;
}

/// Blocks of a text that only grows. In Markdown a whole line can change the last top-level block and no earlier one
/// (link definitions apart: `whole` sees to these), so earlier blocks are rendered once. A line that is not whole yet
/// can still turn into anything ("#" is a heading, "#1" is not), so a block rests only when a whole line follows it.
export class GrowingMarkdown {
  #rested: Block[] = [];
  #rested_length = 0;
  #moving: Block[] = [];

  update(text: string): Block[] {
    const tail = text.slice(this.#rested_length);
    const whole_lines_end = tail.lastIndexOf("\n") + 1;
    const env = {};
    const found = top_blocks(md.parse(tail, env));
    const starts = found.map((block) => line_offset(tail, block.first_line));
    const blocks = found.map((block, i) => this.#block(block.tokens, tail.slice(starts[i], starts[i + 1] ?? tail.length), env));
    let resting = 0;
    while (resting + 1 < found.length && starts[resting + 1]! < whole_lines_end) ++resting;
    this.#rested = [...this.#rested, ...blocks.slice(0, resting)];
    this.#rested_length += starts[resting] ?? 0;
    this.#moving = blocks.slice(resting);
    return [...this.#rested, ...this.#moving];
  }

  /// All of a text that no longer grows.
  static whole(text: string): Block[] {
    const env = {};
    return top_blocks(md.parse(text, env)).map(({ tokens }) => ({ source: "", html: render(tokens, env) }));
  }

  #block(tokens: Token[], source: string, env: Env): Block {
    return this.#moving.find((block) => block.source === source) ?? { source, html: render(tokens, env) };
  }
}

export function render_markdown(text: string): string {
  return sanitize(md.render(text));
}
