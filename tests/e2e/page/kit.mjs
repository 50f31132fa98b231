// What the browser tests share: the browser, one check after another, and the page's parts by name.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const from_page = createRequire(new URL("../../../web/package.json", import.meta.url));
const { chromium } = from_page("playwright-core");
const { AxeBuilder } = from_page("@axe-core/playwright");

export const address = process.env.HEED_URL;
if (!address) {
  console.error("page.e2e: HEED_URL must name a running server");
  process.exit(2);
}
const shots = process.env.SCREENSHOTS ?? "build/screenshots";
mkdirSync(shots, { recursive: true });

const kAnswerMs = 120_000; // two busy cores and a real model
const kFlags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const profile = mkdtempSync(join(tmpdir(), "heed-page-"));
export const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: kFlags,
  viewport: { width: 1280, height: 800 },
  permissions: ["clipboard-read", "clipboard-write"],
  colorScheme: "light",
  acceptDownloads: true,
});
export const page = context.pages()[0] ?? (await context.newPage());
page.setDefaultTimeout(15_000);

let passed = 0;
let failed = 0;
export const complaints = [];
export const expected_statuses = [];
export const foreign = new Set();
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

export async function check(name, body) {
  const began = Date.now();
  try {
    await body();
    ++passed;
    console.log(`ok    ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    ++failed;
    console.log(`FAIL  ${name}: ${String(error.message ?? error).split("\n").slice(0, 3).join(" ")}`);
    await page.screenshot({ path: join(shots, `failed_${failed}.png`) }).catch(() => undefined);
  }
}

export function expect(condition, words) {
  if (!condition) throw new Error(words);
}

export async function finish() {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

export const answers = page.getByTestId("answer");
export const questions = page.getByTestId("question");
export const message = page.locator("#message");
export const rows = page.locator("nav .open");
export const button = (name) => page.getByRole("button", { name, exact: true });
export const shot = (name) => page.screenshot({ path: join(shots, `${name}.png`), animations: "disabled" });

export const last_text = () =>
  answers.last().getByTestId("text").evaluate((node) => {
    const copy = node.cloneNode(true);
    for (const head of copy.querySelectorAll(".code_head")) head.remove();
    return copy.textContent ?? "";
  });

export async function until(what, condition, limit_ms = kAnswerMs) {
  const end = Date.now() + limit_ms;
  while (Date.now() < end) {
    if (await condition()) return;
    await page.waitForTimeout(40);
  }
  throw new Error(`${what} did not happen within ${limit_ms / 1000} s`);
}

export async function ask(text) {
  await message.fill(text);
  await message.press("Enter");
}

/// All answers are there, and none is being written.
export async function finished(count) {
  await until("the answer's end", async () => (await answers.count()) === count && (await page.locator('[data-busy="true"]').count()) === 0);
}

export async function set_parameters(values) {
  await page.locator('[aria-controls="panel"]').click();
  for (const [id, value] of Object.entries(values)) {
    await page.locator(`#${id}`).fill(String(value));
    await page.locator(`#${id}`).press("Tab");
  }
  await button("Close parameters").click();
}

/// No violation of any weight, by all rules or by those named.
export async function axe(name, rules = []) {
  const builder = new AxeBuilder({ page }).setLegacyMode(true); // no frame here is foreign, so no page of its own is needed
  const { violations } = await (rules.length > 0 ? builder.withRules(rules) : builder).analyze();
  expect(violations.length === 0, `${name}: ${violations.map((v) => `${v.id} (${v.impact}) at ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")}`).join("; ")}`);
}

/// A view in light and in dark: clean, and a picture of each.
export async function both_looks(name) {
  for (const look of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: look });
    await page.waitForTimeout(180); // colours fade over
    await shot(`${name}_${look}`);
    await axe(`${name}, ${look}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

export async function models() {
  return page.locator("#model option").evaluateAll((options) => options.map((option) => option.value).filter((value) => value !== ""));
}

export async function new_chat() {
  await page.keyboard.press("Control+k");
  await until("an empty page", async () => (await answers.count()) === 0 && (await page.locator(".welcome").count()) === 1, 5000);
}
