// Every view and state a person can come to, wide and on a phone, in light and in dark: clean by axe, and no wider than
// the window; with STATE_PICTURES=1 a picture of each. The server's part is played here, so that each state stands still.
import { answers, ask, axe, button, check, expect, finished, message, page, questions, shot } from "./kit.mjs";

const kModels = ["example-chat", "example-small", "example-base"];
const kRich = `# Attention\n\nIt decides **which earlier words matter**, and *how much*; see [the paper](https://example.org/paper) and ![a picture](https://example.org/a.png).\n\n> Heed what answers your question.\n\n1. Scores\n2. Shares\n   - of one\n   - of all\n\n| step | what happens | cost |\n|---|:-:|--:|\n| query | looks | 1 |\n| key | offers | 20 |\n\n---\n\nInline \`softmax(q k)\`, then a block:\n\n\`\`\`python\n# how well do they match?\ndef attention(q, k, v):\n    scores = q @ k.T / np.sqrt(64)\n    return softmax(scores, axis=-1) @ v  ${"# a long line ".repeat(8)}\n\`\`\`\n\n\`\`\`diff\n- old\n+ new\n\`\`\`\n\n- [x] done\n- H<sub>2</sub>O`;
const kUsage = { prompt_tokens: 1234, completion_tokens: 48, prompt_tokens_details: { cached_tokens: 1200 } };
const kTop = [0.62, 0.2, 0.08, 0.05, 0.02].map((part, i) => ({ token: ["grow", " perhaps", "\n", " é", " "][i], logprob: Math.log(part), bytes: [] }));

const data = (chunk) => `data: ${JSON.stringify(chunk)}\n\n`;
const words = (text, more = {}) => data({ choices: [{ index: 0, delta: { content: text }, text, ...more }] });
const scored = (text) => text.match(/\s*\S+|\s+$/g).map((token, i) => words(token, { logprobs: { content: [{ token, logprob: Math.log(kTop[i % 5].logprob / -4 + 0.01), bytes: [], top_logprobs: [{ ...kTop[0], token }, ...kTop.slice(1)] }] } })).join("");
const whole = (text, finish = "stop", written = words(text)) => ({
  body: `${written}${data({ choices: [{ index: 0, delta: {}, text: "", finish_reason: finish }] })}${data({ choices: [], usage: kUsage, heed: { tokens_per_second: 43.21, prefill_ms: 1360, queue_ms: 1 } })}data: [DONE]\n\n`,
});
const open = (body) => ({ body, stays_open: true });
const refusal = (status, code, text, headers = {}) => ({ status, headers, body: JSON.stringify({ error: { message: text, code } }) });
const json = (body) => ({ body: JSON.stringify(body) });
const listed = (ids) => json({ data: ids.map((id) => ({ id, heed: { loaded: true, context_length: 8192, chat: id !== "example-base" } })) });
const pieces = "The cat sat.\n Die Katze saß".match(/\s*\S{1,4}|\s+/g);
const kAnswers = {
  "/ready": json({}),
  "/v1/models": listed(kModels),
  "/v1/tokenize": json({ tokens: pieces.map((piece, i) => ({ id: 1000 + i, piece })) }),
  "/v1/chat/completions": whole(kRich),
  "/v1/completions": whole(" the light went out one evening."),
};

// What is told here is answered in the page: a stream may stay open until it is stopped.
await page.addInitScript((kept) => {
  const real = window.fetch.bind(window);
  window.fetch = async (address, options = {}) => {
    const told = { ...kept, ...JSON.parse(sessionStorage.getItem("test.told") ?? "{}") }[new URL(address, location.href).pathname];
    if (!told) return real(address, options);
    if (told.is_lost) throw new TypeError("Failed to fetch");
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(told.body));
        if (told.breaks) setTimeout(() => controller.error(new TypeError("network error")), 100);
        else if (!told.stays_open) controller.close();
        options.signal?.addEventListener("abort", () => told.stays_open && controller.error(new DOMException("stopped", "AbortError")));
      },
    });
    return new Response(body, { status: told.status ?? 200, headers: told.headers ?? {} });
  };
}, kAnswers);

const tell = (answers_by_path) => page.evaluate((told) => sessionStorage.setItem("test.told", JSON.stringify(told)), answers_by_path);
const chat_says = (answer) => tell({ "/v1/chat/completions": answer });
const is_phone = () => page.viewportSize().width < 761;

/// As on a first visit, with one conversation that has branches.
const kSeed = { format: "heed.conversations", version: 1, conversations: [{ id: "seed", title: "Name a colour.", updated_ms: 1, head: "b2", turns: [
  { id: "q", parent: "", role: "user", text: "Name a colour." },
  { id: "b1", parent: "q", role: "assistant", text: "Red.", model: "example-chat" },
  { id: "b2", parent: "q", role: "assistant", text: "Green, of course.", model: "example-chat", is_edited: true, finish: "stop" },
] }] };

async function begin() {
  await page.evaluate(async () => {
    for (const store of [localStorage, sessionStorage]) store.clear();
    await new Promise((done) => Object.assign(indexedDB.deleteDatabase("heed"), { onsuccess: done, onerror: done, onblocked: done }));
  });
  await page.reload({ waitUntil: "commit" });
  await message.waitFor();
  await page.locator("#model option").first().waitFor({ state: "attached" });
}

const in_list = async (action) => {
  if (is_phone() && !(await page.locator("#search, nav .empty").first().isVisible())) await button("Conversations").click();
  await page.waitForTimeout(150);
  return action();
};

async function with_seed() {
  await in_list(() => button("Keep, export, import").click());
  await page.getByLabel("File to import").setInputFiles({ name: "c.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(kSeed)) });
  await page.getByText("Imported 1 conversation.").waitFor();
}

async function opened() {
  await with_seed();
  await page.keyboard.press("Escape");
  await in_list(() => page.locator("nav .open").first().click());
  await answers.first().waitFor();
}

async function answered(answer = whole(kRich)) {
  await chat_says(answer);
  await ask("How does attention work?");
  await finished(1);
}

async function refused(answer) {
  await chat_says(answer);
  await ask("How does attention work?");
  await page.getByTestId("notice").waitFor();
}

async function panel() {
  await page.locator('[aria-controls="panel"]').click();
  await page.locator("#preset").waitFor();
}

async function playground(text = "") {
  await page.keyboard.press("Alt+g");
  await page.locator("#prompt").fill(text);
}

const more = async (label) => {
  await in_list(() => page.locator("nav li").first().hover());
  await button("More about Name a colour.").click();
  await page.getByRole("menuitem").first().waitFor();
  if (label) await page.getByRole("menuitem", { name: label }).click();
};
const lens = async (name) => {
  await page.locator(".playground fieldset label").filter({ hasText: name }).click();
  await page.getByTestId("tokens").or(page.locator(".hint")).or(page.getByTestId("notice")).first().waitFor();
};
const attach = (...files) => page.getByLabel("Text files", { exact: true }).setInputFiles(files.map(([name, text]) => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) })));
const beside = async (count, answer = whole("Hello!")) => {
  for (let i = 1; i < count; ++i) await button("Compare with another model").click();
  await chat_says(answer);
  await ask("Say hello.");
  await page.getByTestId("columns").waitFor();
};
const kLikely = json({ choices: [{ logprobs: { tokens: pieces, token_logprobs: [null, ...pieces.slice(1).map((_, i) => -0.4 * (i % 12))], top_logprobs: pieces.map((piece) => ({ [piece]: -0.1, " other": -3 })) } }] });

const kStates = {
  "first visit": async () => {},
  "the list, empty": async () => in_list(async () => {}),
  "the list, closed": async () => is_phone() || page.keyboard.press("Alt+s"),
  "skip link": async () => page.locator(".skip").focus(),
  "connecting": async () => { await tell({ "/v1/models": open(""), "/ready": open("") }); await page.reload(); },
  "starting": async () => { await tell({ "/ready": refusal(503, "", "loading") , "/v1/models": listed([]) }); await page.reload(); },
  "no server": async () => { await tell({ "/ready": { is_lost: true }, "/v1/models": { is_lost: true } }); await page.reload(); await page.getByTestId("notice").waitFor(); },
  "no models for want of a key": async () => { await tell({ "/v1/models": refusal(401, "invalid_api_key", "a valid API key is needed") }); await page.reload(); await page.getByTestId("notice").waitFor(); },
  "a base model": async () => page.locator("#model").selectOption("example-base"),
  "a message begun": async () => message.fill("How does attention work?\n\nIn few words, please."),
  "context nearly full": async () => { await tell({ "/v1/tokenize": json({ tokens: Array(7900).fill(1) }) }); await message.fill("word"); await page.locator('[data-state="near"]').waitFor(); },
  "context overfull": async () => { await tell({ "/v1/tokenize": json({ tokens: Array(9000).fill(1) }) }); await message.fill("word"); await page.locator('[data-state="over"]').waitFor(); },
  "attached": async () => { await attach(["fruit.txt", "apples\n"], [`a-name-that-goes-on-${"and-on-".repeat(12)}.csv`, "1,2\n"], ["empty.md", " "]); await page.getByTestId("trouble").waitFor(); },
  "attached and sent": async () => { await chat_says(whole("Apples.")); await attach(["fruit.txt", "apples\n".repeat(40)]); await ask("Which?"); await finished(1); await page.locator("summary").click(); },
  "a file over the page": async () => page.locator("main").evaluate((main) => { const held = new DataTransfer(); held.items.add(new File(["x"], "x.md")); main.dispatchEvent(new DragEvent("dragenter", { dataTransfer: held, bubbles: true })); }),
  "thinking": async () => { await chat_says(open("")); await ask("How?"); await page.locator('[data-stage="waiting"]').waitFor(); },
  "loading the model": async () => { await chat_says(open(": loading\n\n")); await ask("How?"); await page.locator('[data-stage="loading"]').waitFor(); },
  "reading the prompt": async () => { await chat_says(open(": prefill 800/2048\n\n")); await ask("How?"); await page.locator('[data-stage="reading"]').waitFor(); },
  "writing": async () => { await chat_says(open(words(kRich.slice(0, 700)))); await ask("How?"); await page.getByTestId("text").waitFor(); },
  "stopped": async () => { await chat_says(open(words("Half an answer"))); await ask("How?"); await page.getByTestId("text").waitFor(); await button("Stop").click(); await finished(1); },
  "an answer": async () => { await answered(); await questions.first().hover(); },
  "an answer, scrolled away": async () => { await answered(whole(kRich.repeat(4))); await page.locator(".view").evaluate((view) => (view.scrollTop = 0)); await button("To the latest").waitFor(); },
  "an answer of the greatest length": async () => answered(whole(kRich.slice(0, 300), "length")),
  "right to left": async () => { await chat_says(whole("השמיים כחולים.\n\n- ראשון\n\n```python\nprint(1)\n```\n")); await ask("למה השמיים כחולים?"); await finished(1); },
  "token probabilities": async () => { await answered(whole("", "stop", scored("Leaves grow towards the light because it feeds them.\n\nSo they turn."))); await button("Token probabilities").click(); },
  "token probabilities, one shown": async () => { await answered(whole("", "stop", scored("Leaves grow towards the light because it feeds them.\n\nSo they turn."))); await button("Token probabilities").click(); await page.getByTestId("tokens").locator("[data-index]").nth(3).focus(); },
  "branches": async () => opened(),
  "a message being edited": async () => { await opened(); await questions.first().hover(); await button("Edit message").click(); },
  "an answer being edited": async () => { await opened(); await button("Edit answer").click(); await page.getByLabel("Edit the answer").fill("Blue."); },
  "two side by side, being written": async () => { await beside(2, open(words("Hello"))); await page.getByTestId("text").first().waitFor(); },
  "four side by side": async () => { await beside(4, whole(kRich)); await finished(4); },
  "two side by side, both refused": async () => { await beside(2, refusal(500, "", "out of memory")); await page.getByTestId("notice").first().waitFor(); },
  "the list": async () => { await opened(); await in_list(async () => {}); },
  "search, found": async () => { await opened(); await in_list(() => page.locator("#search").fill("green")); await page.locator(".hit").waitFor(); },
  "search, nothing": async () => { await opened(); await in_list(() => page.locator("#search").fill("zzz")); await page.getByText("Nothing found").waitFor(); },
  "a conversation's menu": async () => { await opened(); await more(); },
  "a conversation being renamed": async () => { await opened(); await more("Rename"); },
  "a conversation deleted": async () => { await opened(); await more("Delete"); await button("Undo").waitFor(); },
  "keep and files": async () => with_seed(),
  "keep and files, refused": async () => { await with_seed(); await page.getByLabel("File to import").setInputFiles({ name: "o.json", mimeType: "application/json", buffer: Buffer.from("{}") }); await page.getByText("holds no conversations").waitFor(); },
  "keyboard": async () => { await page.locator(".view").focus(); await page.keyboard.press("?"); await page.getByRole("dialog").waitFor(); },
  "parameters": async () => panel(),
  "parameters, changed and named": async () => { await panel(); await page.locator("#system").fill("You answer briefly."); await page.locator("#temperature").fill("0.3"); await page.locator("#temperature").press("Tab"); await button("Save…").click(); },
  "parameters, a preset of one's own": async () => { await panel(); await page.locator("#system").fill("You answer briefly."); await page.locator("#system").press("Tab"); await button("Save…").click(); await page.getByLabel("Name of the preset").fill("Brief"); await button("Save").click(); },
  "parameters, their end": async () => { await panel(); await page.locator("#panel .fields").evaluate((fields) => (fields.scrollTop = 9999)); },
  "playground": async () => playground(),
  "playground, waiting": async () => { await playground("The lighthouse"); await tell({ "/v1/completions": open(": queued\n\n") }); await button("Complete").click(); await page.locator('[data-stage="queued"]').waitFor(); },
  "playground, completed": async () => { await playground("The lighthouse keeper slept when"); await button("Complete").click(); await button("Undo").waitFor(); await page.getByText("tokens/s").waitFor(); },
  "playground, refused": async () => { await playground("The"); await tell({ "/v1/completions": refusal(500, "", "out of memory") }); await button("Complete").click(); await page.getByTestId("notice").waitFor(); },
  "playground, no tokens": async () => { await playground(); await lens("Tokens"); },
  "playground, tokens": async () => { await playground("The cat sat."); await lens("Tokens"); await page.getByTestId("tokens").locator("[data-index]").nth(1).focus(); },
  "playground, likelihood": async () => { await playground("The cat sat."); await tell({ "/v1/completions": kLikely }); await lens("Likelihood"); await page.getByTestId("tokens").locator("[data-index]").nth(2).hover(); },
  "refused: unreachable": async () => refused({ is_lost: true }),
  "refused: a key": async () => refused(refusal(401, "invalid_api_key", "a valid API key is needed")),
  "refused: busy": async () => refused(refusal(429, "busy", "queue full", { "Retry-After": "60" })),
  "refused: starting": async () => refused(refusal(503, "", "", { "Retry-After": "60" })),
  "refused: no chat": async () => refused(refusal(400, "no_chat_template", "example-base is a base model")),
  "refused: too long": async () => refused(refusal(400, "context_length_exceeded", "messages: 9000 tokens, but the context holds 8192.")),
  "refused: something else": async () => refused(refusal(400, "", `logit_bias: ${"x".repeat(200)}`)),
  "broken off": async () => refused({ body: words("Half an ans"), breaks: true }),
};

const kTakesPictures = process.env.STATE_PICTURES !== undefined;
const kRulesOfColour = ["color-contrast", "link-in-text-block"]; // all that another appearance can break
const kLooks = { wide: { width: 1280, height: 800 }, middle: { width: 1000, height: 720 }, phone: { width: 390, height: 844 } };
// What a width shows in its own way; between them, the panel covers the page.
const seen_at = (width) => (name) => width !== "middle" || /^parameters/.test(name);

for (const [width, size] of Object.entries(kLooks)) {
  for (const name of Object.keys(kStates).filter(seen_at(width))) {
    await check(`${width}: ${name}`, async () => {
      await page.setViewportSize(size);
      await begin();
      await kStates[name]();
      await page.waitForTimeout(200);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(overflow <= 0, `the page is ${overflow} pixels too wide`);
      if (kTakesPictures) await shot(`${width}_${name.replace(/\W+/g, "_")}_light`);
      await axe("light");
      await page.emulateMedia({ colorScheme: "dark" });
      await page.waitForTimeout(180); // colours fade over
      if (kTakesPictures) await shot(`${width}_${name.replace(/\W+/g, "_")}_dark`);
      await axe("dark", kRulesOfColour);
    });
    await page.emulateMedia({ colorScheme: "light" });
  }
}

await check("no line of figures begins with a dot", async () => {
  await page.setViewportSize(kLooks.phone);
  await begin();
  await answered();
  const lines = await page.getByTestId("stats").evaluate((stats) => {
    const hidden = Number(/inset\(0px 0px 0px ([\d.]+)px\)/.exec(getComputedStyle(stats).clipPath)?.[1] ?? 0);
    const from = new Map(); // where a line's first word begins
    for (const figure of stats.querySelectorAll("span")) {
      const words = document.createRange();
      words.selectNodeContents(figure);
      const { left, top } = words.getBoundingClientRect();
      if (!from.has(Math.round(top))) from.set(Math.round(top), left - stats.getBoundingClientRect().left - hidden);
    }
    return [...from.values()];
  });
  expect(lines.length > 1 && lines.every((at) => Math.abs(at) < 2), `${lines.length} lines, their words at ${lines.join(", ")}`);
});
await page.setViewportSize(kLooks.wide);
