import { describe, expect, it } from "vitest";
import { GrowingMarkdown, render_markdown, sanitize } from "../src/lib/markdown";

function dom(html: string): HTMLElement {
  const root = document.createElement("div");
  root.innerHTML = html;
  return root;
}

const kHostile = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](&#106;avascript:alert(1))",
  "[x](java\tscript:alert(1))",
  "[x](vbscript:msgbox)",
  "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
  "![x](javascript:alert(1))",
  '![x](https://e.test/a.png"onerror="alert(1))',
  "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
  "<svg onload=alert(1)>",
  "<iframe srcdoc='<script>alert(1)</script>'>",
  "<a href='javascript:alert(1)'>x</a>",
  '```"><img src=x onerror=alert(1)>\ncode\n```',
  "```html\n<img src=x onerror=alert(1)>\n```",
  "`<img src=x onerror=alert(1)>`",
  "<style>*{display:none}</style>",
  "<form action=https://e.test><input name=password></form>",
  '[x](https://e.test "onmouseover=alert(1)")',
  "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
  "| a |\n|:-:|\n| <img src=x onerror=alert(1)> |",
];

function expect_harmless(html: string): void {
  const root = dom(html);
  expect(root.querySelector("script,iframe,svg,math,style,form,input,object,embed,link,meta,base")).toBeNull();
  for (const node of root.querySelectorAll("*")) {
    for (const { name, value } of node.attributes) {
      expect(name.startsWith("on"), `${name} in ${html}`).toBe(false);
      expect(name).not.toBe("style");
      if (name === "href" || name === "src") expect(value).not.toMatch(/^\s*(javascript|vbscript|data:text|data:image\/svg)/i);
    }
  }
}

describe("markdown", () => {
  it.each(kHostile)("makes harmless: %s", (text) => {
    expect_harmless(render_markdown(text));
    expect_harmless(sanitize(text));
  });

  it("keeps what scrolls within reach of the keyboard, and a list's first number", () => {
    const root = dom(render_markdown("```python\nx\n```\n\n| a |\n|---|\n| b |\n\n3. c"));
    expect([...root.querySelectorAll("pre, .table")].map((node) => node.getAttribute("tabindex"))).toEqual(["0", "0"]);
    expect(root.querySelector("button")?.getAttribute("type")).toBe("button");
    expect(root.querySelector("ol")?.getAttribute("start")).toBe("3");
  });

  it("loads no remote picture, but links it", () => {
    const root = dom(render_markdown("![a cat](https://e.test/cat.png)"));
    expect(root.querySelector("img")).toBeNull();
    expect(root.querySelector("a")?.getAttribute("href")).toBe("https://e.test/cat.png");
    expect(root.textContent).toContain("a cat");
  });

  it("drops remote pictures even from HTML that skipped the renderer", () => {
    expect(sanitize('<p><img src="https://e.test/x.png" alt="x"></p>')).not.toContain("e.test");
  });

  it("opens links in another tab without a referrer", () => {
    const link = dom(render_markdown("see https://e.test/a and [b](https://e.test/b)")).querySelectorAll("a");
    expect(link).toHaveLength(2);
    for (const a of link) {
      expect(a.getAttribute("target")).toBe("_blank");
      expect(a.getAttribute("rel")).toContain("noopener");
    }
  });

  it("labels and colours code, and offers to copy it", () => {
    const root = dom(render_markdown('```python\nprint("hi")\n```'));
    expect(root.querySelector(".code_language")?.textContent).toBe("python");
    expect(root.querySelector("button[data-copy]")?.getAttribute("aria-label")).toBe("Copy python code");
    expect(root.querySelector(".hljs-string")?.textContent).toBe('"hi"');
    expect(root.querySelector("code")?.textContent).toBe('print("hi")\n');
  });

  it("leaves code of unknown languages plain", () => {
    const root = dom(render_markdown("```brainrot\n<b>&\n```"));
    expect(root.querySelector("code")?.innerHTML).toBe("&lt;b&gt;&amp;\n");
  });

  it("says a column's side by class, since style attributes are forbidden", () => {
    expect(dom(render_markdown("| a |\n|--:|\n| 1 |")).querySelector("td")?.className).toBe("to_right");
  });
});

const kLong = `# Title

Some *text* with \`code\`
and a second line.

- one
- two

  nested paragraph
- three
#not a heading

1. first

2. second
   \`\`\`js
   let a = 1;

   let b = 2;
   \`\`\`

| a | b |
|---|--:|
| 1 | 2 |

> quote
lazy

---
Setext
===

\`\`\`cpp
int main() {

}
\`\`\`

    indented

* a
*b*

last paragraph`;

describe("growing markdown", () => {
  it("ends as the whole text does, however it grew", () => {
    const whole = GrowingMarkdown.whole(kLong).map((block) => block.html);
    for (const step of [1, 2, 3, 7, 50, 1000]) {
      const growing = new GrowingMarkdown();
      let blocks = growing.update("");
      for (let end = step; end < kLong.length + step; end += step) blocks = growing.update(kLong.slice(0, end));
      expect(blocks.map((block) => block.html), `step ${step}`).toEqual(whole);
    }
  });

  it("shows at every length what that text alone would show", () => {
    const growing = new GrowingMarkdown();
    for (let end = 0; end <= kLong.length; ++end) {
      const text = kLong.slice(0, end);
      expect(growing.update(text).map((block) => block.html), `at ${end}`).toEqual(GrowingMarkdown.whole(text).map((block) => block.html));
    }
  });

  it("renders rested blocks once", () => {
    const growing = new GrowingMarkdown();
    const first = growing.update("one\n\ntwo\n\nthree\n")[0];
    expect(growing.update("one\n\ntwo\n\nthree\n\nfour\n")[0]).toBe(first);
  });
});
