// The page in a real browser against the server at HEED_URL, real or mock: no text of any model is expected here.
// Screenshots go to SCREENSHOTS (default build/screenshots). Prints a line a check and "N passed, N failed".
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const from_page = createRequire(new URL("../../web/package.json", import.meta.url));
const { chromium } = from_page("playwright-core");
const { AxeBuilder } = from_page("@axe-core/playwright");

const address = process.env.HEED_URL;
if (!address) {
  console.error("page.e2e: HEED_URL must name a running server");
  process.exit(2);
}
const shots = process.env.SCREENSHOTS ?? "build/screenshots";
mkdirSync(shots, { recursive: true });

const kAnswerMs = 180_000; // two busy cores and a real model
const kFlags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const profile = mkdtempSync(join(tmpdir(), "heed-page-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: kFlags,
  viewport: { width: 1280, height: 800 },
  permissions: ["clipboard-read", "clipboard-write"],
  colorScheme: "light",
});
const page = context.pages()[0] ?? (await context.newPage());
page.setDefaultTimeout(15_000);

let passed = 0;
let failed = 0;
const complaints = [];
const expected_statuses = [];
const foreign = new Set();
context.on("request", (request) => {
  const url = new URL(request.url());
  if (url.protocol.startsWith("http") && url.origin !== new URL(address).origin) foreign.add(url.origin);
});
page.on("pageerror", (error) => complaints.push(`exception: ${error.message}`));
page.on("console", (message) => {
  if (message.type() !== "error" && message.type() !== "warning") return;
  // A refused request is logged by the browser itself; checks that provoke one say so.
  const index = expected_statuses.findIndex((status) => message.text().includes(`status of ${status}`));
  if (index >= 0) expected_statuses.splice(index, 1);
  else complaints.push(`${message.type()}: ${message.text()}`);
});

async function check(name, body) {
  try {
    await body();
    ++passed;
    console.log(`ok    ${name}`);
  } catch (error) {
    ++failed;
    console.log(`FAIL  ${name}: ${String(error.message ?? error).split("\n").slice(0, 3).join(" ")}`);
    await page.screenshot({ path: join(shots, `failed_${failed}.png`) }).catch(() => undefined);
  }
}

function expect(condition, words) {
  if (!condition) throw new Error(words);
}

const answers = page.getByTestId("answer");
const message = page.locator("#message");
const button = (name) => page.getByRole("button", { name, exact: true });
const last_text = () =>
  answers.last().getByTestId("text").evaluate((node) => {
    const copy = node.cloneNode(true);
    for (const head of copy.querySelectorAll(".code_head")) head.remove();
    return copy.textContent ?? "";
  });
const shot = (name) => page.screenshot({ path: join(shots, `${name}.png`), animations: "disabled" });

async function until(what, condition, limit_ms = kAnswerMs) {
  const end = Date.now() + limit_ms;
  while (Date.now() < end) {
    if (await condition()) return;
    await page.waitForTimeout(50);
  }
  throw new Error(`${what} did not happen within ${limit_ms / 1000} s`);
}

async function ask(text) {
  await message.fill(text);
  await message.press("Enter");
}

async function finished(count) {
  await until("the answer's end", async () => (await answers.count()) === count && (await answers.last().getAttribute("data-busy")) === "false");
}

async function set_parameter(id, value) {
  await page.locator(`#${id}`).fill(String(value));
  await page.locator(`#${id}`).press("Tab");
}

async function axe(name) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const grave = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  expect(grave.length === 0, `${name}: ${grave.map((v) => `${v.id} at ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")}`).join("; ")}`);
}

async function models() {
  return page.locator("#model option").evaluateAll((options) => options.map((option) => option.value).filter((value) => value !== ""));
}

await check("the page loads under a strict content policy", async () => {
  const response = await page.goto(address);
  expect(response?.ok(), `status ${response?.status()}`);
  const policy = response.headers()["content-security-policy"] ?? "";
  expect(/default-src 'none'/.test(policy) && /script-src 'self'/.test(policy), `policy is "${policy}"`);
  expect(!/unsafe-(inline|eval)/.test(policy), `policy is "${policy}"`);
  await message.waitFor();
});

await check("models are listed and the server is ready", async () => {
  await until("a model", async () => (await models()).length > 0, 30_000);
  await until("readiness", async () => (await page.getByTestId("state").getAttribute("data-state")) === "ready", 60_000);
});

await check("the empty page is accessible", () => axe("empty page"));
await shot("welcome");

await check("an example fills the message", async () => {
  await page.locator(".welcome button").first().click();
  expect((await message.inputValue()).length > 10, "the message stayed empty");
  await message.fill("");
});

await check("parameters are set and kept", async () => {
  await button("Parameters").click();
  await set_parameter("max_tokens", 160);
  await set_parameter("temperature", 0.3);
  await set_parameter("seed", 7);
  await axe("parameters");
  await shot("parameters");
  const stored = await page.evaluate(() => JSON.parse(localStorage.getItem("heed.settings")));
  expect(stored.max_tokens === 160 && stored.temperature === 0.3 && stored.seed === "7", JSON.stringify(stored));
  await button("Close parameters").click();
});

await check("Shift+Enter begins a line and sends nothing", async () => {
  await message.fill("one");
  await message.press("Shift+Enter");
  await message.pressSequentially("two");
  expect((await message.inputValue()) === "one\ntwo", "the line break is missing");
  expect((await answers.count()) === 0, "it was sent");
  await message.fill("");
});

let first_lengths = [];
await check("an answer streams in", async () => {
  const request = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  await ask("Write a Python function that adds two numbers. Put it in a ```python code block.");
  const body = (await request).postDataJSON();
  expect(body.stream === true && body.stream_options.include_usage === true && body.max_tokens === 160 && body.seed === 7, JSON.stringify(body));
  await until("text while it is written", async () => {
    const is_busy = (await answers.last().getAttribute("data-busy")) === "true";
    const text = (await answers.last().getByTestId("text").count()) > 0 ? await last_text() : "";
    if (is_busy && text.length > 0) first_lengths.push(text.length);
    return first_lengths.length > 0 && text.length > first_lengths[0];
  });
  await finished(1);
  expect((await last_text()).trim().length > 0, "the answer is empty");
});

await check("the answer tells its speed and tokens", async () => {
  const stats = answers.last().getByTestId("stats");
  expect(/^[\d.]+ tokens\/s$/.test(await stats.locator('[data-figure="speed"]').innerText()), "no speed");
  expect(/\d+ tokens?/.test(await stats.locator('[data-figure="completion"]').innerText()), "no answer tokens");
  expect(/prompt \d+/.test(await stats.locator('[data-figure="prompt"]').innerText()), "no prompt tokens");
});

await check("the answer is accessible", () => axe("answer"));
await shot("desktop");

await check("an answer can be copied", async () => {
  await button("Copy answer").last().click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied.trim().length > 0, "the clipboard is empty");
});

await check("code has a label and can be copied", async () => {
  const copy = page.locator("button[data-copy]").last();
  // A small model may answer without a code block; asking more firmly is all one can do.
  for (let tries = 0; tries < 4 && (await copy.count()) === 0; ++tries) {
    const count = await answers.count();
    await ask("Show only this, unchanged, nothing else:\n```python\ndef add(a, b):\n    return a + b\n```");
    await finished(count + 1);
  }
  const block = page.locator(".code").last();
  const code = (await block.locator("code").textContent()) ?? "";
  expect((await block.locator(".code_language").innerText()).length > 0, "no language label");
  await copy.click();
  await until("the button says Copied", async () => (await copy.innerText()) === "Copied", 2000);
  expect((await page.evaluate(() => navigator.clipboard.readText())) === code, "the clipboard holds something else");
});

await check("the same seed gives the same answer again", async () => {
  const before = await last_text();
  const count = await answers.count();
  await button("Answer again").click();
  await finished(count);
  expect((await last_text()) === before, "the answers differ");
});

await check("a fresh seed goes with each request when none is set", async () => {
  await button("Parameters, changed").click();
  await page.locator("#seed").fill("");
  await page.locator("#seed").press("Tab");
  await set_parameter("max_tokens", 2000);
  await button("Close parameters").click();
  const seeds = [];
  for (let i = 0; i < 2; ++i) {
    const request = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
    const count = await answers.count();
    await button("Answer again").click();
    seeds.push((await request).postDataJSON().seed);
    await until("text", async () => (await answers.last().getByTestId("text").count()) > 0 || (await answers.last().getAttribute("data-busy")) === "false");
    await page.keyboard.press("Escape");
    await finished(count);
  }
  expect(seeds.every(Number.isInteger) && seeds[0] !== seeds[1], `seeds ${seeds}`);
});

await check("a long answer is stopped midway and keeps what came", async () => {
  await page.keyboard.press("Control+k");
  await until("an empty page", async () => (await answers.count()) === 0, 5000);
  // Without an end token: any seed's answer is long.
  await page.route("**/v1/chat/completions", (route) => route.continue({ postData: { ...route.request().postDataJSON(), ignore_eos: true } }));
  await ask("Count from one to one thousand in words, every number, on one line.");
  await until("some text", async () => (await answers.last().getByTestId("text").count()) > 0 && (await last_text()).length > 20);
  await page.unroute("**/v1/chat/completions");
  expect((await answers.last().getAttribute("data-busy")) === "true", "it ended before it could be stopped");
  await button("Stop").click();
  await finished(1);
  const kept = await last_text();
  expect(kept.length > 20, "the text is gone");
  await page.getByText("Stopped.", { exact: true }).waitFor();
  await page.waitForTimeout(700);
  expect((await last_text()) === kept, "it went on writing");
});

await check("an answer is made again", async () => {
  await button("Answer again").click();
  await until("another answer's text", async () => (await answers.last().getAttribute("data-busy")) === "true" && (await answers.last().getByTestId("text").count()) > 0);
  await page.keyboard.press("Escape");
  await finished(1);
  expect((await answers.count()) === 1, "the old answer is still there");
});

const listed = await models();
await check(listed.length >= 2 ? "another model answers" : "one model is chosen (the server has no other)", async () => {
  expect(listed.length >= 1, "no model");
  if (listed.length < 2) return;
  await button("Parameters, changed").click();
  await set_parameter("max_tokens", 40);
  await button("Close parameters").click();
  await page.keyboard.press("Control+k");
  await page.locator("#model").selectOption(listed[1]);
  const request = page.waitForRequest((r) => /\/v1\/(chat\/)?completions$/.test(r.url()));
  await ask("Say hello.");
  expect((await request).postDataJSON().model === listed[1], "the request names another model");
  await finished(1);
  expect((await page.evaluate(() => localStorage.getItem("heed.model"))) === listed[1], "the choice is not kept");
});

await check("dark appearance", async () => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await ground();
  await page.getByTestId("theme").click();
  expect((await ground()) !== before, "the colours did not change");
  await page.locator(".side li button").nth(1).focus();
  await page.locator("nav .open").last().click();
  await page.waitForTimeout(250);
  await axe("dark");
  await shot("dark");
});

await check("reloading keeps conversation, model, appearance and parameters", async () => {
  const before = await page.getByTestId("question").first().innerText();
  const titles = await page.locator("nav .open").allInnerTexts();
  await page.reload();
  await page.getByTestId("question").first().waitFor();
  expect((await page.getByTestId("question").first().innerText()) === before, "another conversation");
  expect(JSON.stringify(await page.locator("nav .open").allInnerTexts()) === JSON.stringify(titles), "another list");
  expect((await page.evaluate(() => document.documentElement.dataset.theme)) === "dark", "not dark any more");
  if (listed.length >= 2) await until("the chosen model", async () => (await page.locator("#model").inputValue()) === listed[1], 10_000);
  await page.getByTestId("theme").click();
});

await check("a conversation is renamed, deleted and brought back", async () => {
  const count = await page.locator("nav .open").count();
  await page.locator("nav li").first().hover();
  await page.locator('nav li [aria-label^="Rename"]').first().click();
  await page.getByLabel("Name of the conversation").fill("Renamed");
  await page.getByLabel("Name of the conversation").press("Enter");
  expect((await page.locator("nav .open").first().innerText()) === "Renamed", "the name is the old one");
  await page.locator("nav li").first().hover();
  await button("Delete Renamed").click();
  await until("the deletion", async () => (await page.locator("nav .open").count()) === count - 1, 5000);
  await button("Undo").click();
  await until("the return", async () => (await page.locator("nav .open").count()) === count, 5000);
});

const has_chat_template = async (model) =>
  page.evaluate(async (name) => {
    const body = JSON.stringify({ model: name, messages: [{ role: "user", content: "x" }], max_tokens: 1 });
    const response = await fetch("v1/chat/completions", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    return response.status !== 400;
  }, model);

let base;
for (const model of listed) {
  expected_statuses.push(400);
  if (await has_chat_template(model)) expected_statuses.pop();
  else base ??= model;
}

await check(base ? "a base model leads to completing text" : "text is completed", async () => {
  await page.keyboard.press("Control+k");
  if (base) {
    await page.locator("#model").selectOption(base);
    if ((await page.locator('input[value="chat"]').isChecked()) === true) {
      expected_statuses.push(400);
      await ask("The lighthouse keeper had not spoken to anyone for three weeks when");
      await button("Complete my text instead").click();
    } else {
      await ask("The lighthouse keeper had not spoken to anyone for three weeks when");
    }
  } else {
    await page.locator("label", { hasText: /^\s*Complete\s*$/ }).click();
    await ask("The lighthouse keeper had not spoken to anyone for three weeks when");
  }
  await finished(1);
  const text = await last_text();
  expect(text.startsWith("The lighthouse keeper") && text.length > 75, `the text is "${text}"`);
  await axe("completion");
  await shot("complete");
});

await check("a completion goes on where it ended", async () => {
  const before = await last_text();
  await button("Continue this text").click();
  await finished(1);
  const after = await last_text();
  expect(after.startsWith(before), "the text before was changed");
});

await check("an unreachable server is said in words, and asking again helps", async () => {
  await page.route("**/v1/**", (route) => route.abort());
  await button("Answer again").click();
  const notice = page.getByTestId("notice");
  await notice.waitFor();
  expect((await notice.getAttribute("data-kind")) === "unreachable", await notice.innerText());
  await page.unroute("**/v1/**");
  await notice.getByRole("button", { name: "Try again" }).click();
  await finished(1);
  expect((await notice.count()) === 0, await notice.allInnerTexts().then(String));
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !text.includes("net::ERR_FAILED")));
});

async function refuse_once(status, headers, error) {
  expected_statuses.push(status);
  await page.route("**/v1/**completions", (route) => route.fulfill({ status, headers, contentType: "application/json", body: JSON.stringify({ error }) }), { times: 1 });
}

await check("a busy server is waited for", async () => {
  await refuse_once(429, { "Retry-After": "2" }, { message: "queue full", code: "busy" });
  await button("Answer again").click();
  await button("Try again in 2 s").or(button("Try again in 1 s")).waitFor();
  await button("Try again").click();
  await finished(1);
});

await check("a key is asked for, used, and kept for this tab only", async () => {
  await refuse_once(401, {}, { message: "a valid API key is needed", code: "invalid_api_key" });
  await button("Answer again").click();
  await page.getByLabel("API key").fill("test-key");
  const request = page.waitForRequest((r) => /completions$/.test(r.url()));
  await button("Use key").click();
  expect((await request).headers()["authorization"] === "Bearer test-key", "the key was not sent");
  await finished(1);
  const kept = await page.evaluate(() => [sessionStorage.getItem("heed.key"), Object.values(localStorage).some((v) => v.includes("test-key"))]);
  expect(kept[0] === "test-key" && kept[1] === false, JSON.stringify(kept));
  await page.evaluate(() => sessionStorage.removeItem("heed.key"));
});

await check("on a phone everything is in reach", async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(200);
  await button("Conversations").click();
  await page.waitForTimeout(200);
  await axe("phone, list");
  await shot("phone_list");
  await page.locator("nav .open").last().click();
  await page.waitForTimeout(250);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(overflow <= 0, `the page is ${overflow} pixels too wide`);
  for (const name of ["Conversations", "New chat", "Send"]) expect(await button(name).last().isVisible(), `${name} is not visible`);
  await axe("phone");
  await shot("phone");
  await page.setViewportSize({ width: 1280, height: 800 });
});

await check("nothing was asked of any other host", async () => expect(foreign.size === 0, [...foreign].join(", ")));
await check("the browser had nothing to complain about", async () => expect(complaints.length === 0, complaints.slice(0, 5).join(" | ")));

await context.close();
rmSync(profile, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
