// Token probabilities, the playground, the keyboard.
import { answers, ask, both_looks, button, check, complaints, expect, expected_statuses, finished, last_text, message, models, new_chat, page, shot, until } from "./kit.mjs";

const about = page.getByTestId("token");
const lens = (name) => page.locator(".playground fieldset label").filter({ hasText: name });

await check("each token tells its probability and what else was likely", async () => {
  await button("Parameters, changed").click();
  await page.locator("#panel input[type=checkbox]").check();
  await button("Close parameters").click();
  await new_chat();
  const request = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  await ask("Name three fruits.");
  const body = (await request).postDataJSON();
  expect(body.logprobs === true && body.top_logprobs === 5, JSON.stringify(body));
  await finished(1);
  const text = await last_text();
  await button("Token probabilities").click();
  const tokens = page.getByTestId("tokens").locator("[data-index]");
  expect((await tokens.count()) > 3, "no tokens");
  await button("Copy answer").click();
  const written = (await page.evaluate(() => navigator.clipboard.readText())).replace(/\s+/g, "");
  const joined = (await tokens.allTextContents()).join("").replace(/↵/g, "").replace(/\s+/g, "");
  expect(joined.startsWith(written), `${joined} is not ${written}`);
  await tokens.nth(2).hover();
  await until("its probability", async () => /[\d.]+ %/.test(await about.innerText()), 3000);
  const shares = (await about.locator(".share").allInnerTexts()).map((share) => Number.parseFloat(share.replace("<", "")));
  expect(shares.length >= 5 && shares.every((share) => share >= 0 && share <= 100) && shares.reduce((a, b) => a + b) < 101, shares.join(" "));
  const tints = await tokens.evaluateAll((nodes) => nodes.map((node) => Number(node.dataset.tint)));
  expect(tints.every((tint) => tint >= 0 && tint <= 5), tints.join(" "));
  await tokens.nth(2).focus();
  await page.keyboard.press("ArrowRight");
  expect((await page.evaluate(() => document.activeElement.dataset.index)) === "3", "the arrow does not move");
  await both_looks("probabilities");
  await button("Token probabilities").click();
  expect((await last_text()) === text, "the text is not back");
  await button("Parameters, changed").click();
  await page.locator("#panel input[type=checkbox]").uncheck();
  await button("Close parameters").click();
});

const begin = "The lighthouse keeper had not spoken to anyone for three weeks when";
await check("the playground continues a text from its last character", async () => {
  await button("Playground").click();
  await page.locator("#prompt").fill(begin);
  const request = page.waitForRequest((r) => r.url().endsWith("/v1/completions"));
  await page.locator("#prompt").press("Control+Enter");
  const body = (await request).postDataJSON();
  expect(body.prompt === begin && body.max_tokens === 48 && body.top_k === 40, JSON.stringify(body));
  await until("the end", async () => (await button("Complete").count()) === 1);
  const text = await page.locator("#prompt").inputValue();
  expect(text.startsWith(begin) && text.length > begin.length, text);
  expect(/tokens\/s/.test(await page.getByTestId("playground_stats").innerText()), "no figures");
  await both_looks("playground");
  await button("Undo").click();
  expect((await page.locator("#prompt").inputValue()) === begin, "it was not undone");
});

await check("it stops before a text that was set", async () => {
  await button("Parameters, changed").click();
  await page.locator("#stop").fill("\u2003\nE");
  await page.locator("#stop").press("Tab");
  await button("Close parameters").click();
  const request = page.waitForRequest((r) => r.url().endsWith("/v1/completions"));
  await button("Complete").click();
  expect(JSON.stringify((await request).postDataJSON().stop) === JSON.stringify(["\u2003", "E"]), "other stop texts");
  await until("the end", async () => (await button("Complete").count()) === 1);
  const added = (await page.locator("#prompt").inputValue()).slice(begin.length);
  expect(!added.includes("E"), added);
  await button("Parameters, changed").click();
  await page.locator("#stop").fill("");
  await page.locator("#stop").press("Tab");
  await button("Close parameters").click();
});

await check("the text is seen as tokens with their ids", async () => {
  await page.locator("#prompt").fill("The cat sat.\nDie Katze saß. 🐈");
  const expected = await page.evaluate(async (model) => {
    const body = JSON.stringify({ model, content: "The cat sat.\nDie Katze saß. 🐈" });
    return (await (await fetch("v1/tokenize", { method: "POST", headers: { "Content-Type": "application/json" }, body })).json()).tokens;
  }, (await models())[0]);
  await lens("Tokens").click();
  const tokens = page.getByTestId("tokens").locator("[data-index]");
  await until("the tokens", async () => (await tokens.count()) === expected.length, 5000);
  expect((await page.getByTestId("token_count").innerText()) === `${expected.length} tokens`, "another count");
  expect((await page.getByTestId("ids").innerText()) === expected.join(", "), "other ids");
  for (const index of [0, 2]) {
    await tokens.nth(index).hover();
    await until("its id", async () => (await about.innerText()).includes(`id ${expected[index]}`), 3000);
  }
  await both_looks("tokenizer");
});

await check("the text is seen by how likely the model finds it", async () => {
  await lens("Likelihood").click();
  await until("the perplexity", async () => /tokens, perplexity \d+/.test(await page.getByTestId("token_count").innerText()), 30_000);
  await page.getByTestId("tokens").locator("[data-index]").nth(1).hover();
  await until("alternatives", async () => (await about.locator("li").count()) >= 5, 3000);
  await shot("likelihood");
  await lens("Text").click();
});

await check("a conversation opens as the raw prompt the model reads", async () => {
  await page.locator("nav li").filter({ hasText: "Name three fruits." }).first().hover();
  await button("More about Name three fruits.").first().click();
  await page.getByRole("menuitem", { name: "Open as raw prompt" }).click();
  await until("the prompt", async () => /Name three fruits\./.test(await page.locator("#prompt").inputValue()) && /<\|?[a-z_]+\|?>/.test(await page.locator("#prompt").inputValue()), 5000);
});

let base;
for (const model of await models()) {
  expected_statuses.push(400);
  const can_chat = await page.evaluate(async (name) => {
    const body = JSON.stringify({ model: name, messages: [{ role: "user", content: "x" }], max_tokens: 1 });
    return (await fetch("v1/chat/completions", { method: "POST", headers: { "Content-Type": "application/json" }, body })).status !== 400;
  }, model);
  if (can_chat) expected_statuses.pop();
  else base ??= model;
}

await check(base ? "a base model leads to the playground" : "no base model is here to be tried", async () => {
  if (!base) return;
  const first = (await models())[0];
  await new_chat();
  await page.locator("#model").selectOption(base);
  expected_statuses.push(400);
  await ask("The lighthouse keeper had not spoken to anyone for three weeks when");
  const instead = button("Complete my text instead");
  await until("the way there", async () => (await instead.count()) === 1 || (await page.locator("#prompt").count()) === 1);
  if ((await instead.count()) === 1) await instead.click();
  else expected_statuses.pop();
  await until("the end", async () => (await button("Complete").count()) === 1);
  expect((await page.locator("#prompt").inputValue()).length > 70, "nothing was added");
  await page.keyboard.press("Alt+g");
  await message.waitFor();
  await page.locator("#model").selectOption(first);
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !text.includes("status of 400")));
});

await check("the keyboard map opens by ? and does what it says", async () => {
  await new_chat();
  await page.locator(".view").focus();
  await page.keyboard.press("?");
  const dialog = page.getByRole("dialog", { name: "Keyboard" });
  await dialog.waitFor();
  expect((await dialog.locator("dt").count()) >= 15, "the map is short");
  await both_looks("keyboard");
  await page.keyboard.press("Escape");
  await until("it closes", async () => (await dialog.count()) === 0, 3000);
  await message.focus();
  await page.keyboard.type("?");
  expect((await message.inputValue()) === "?" && (await dialog.count()) === 0, "a question mark cannot be typed");
  await message.fill("");
  await page.keyboard.press("Alt+p");
  await page.locator("#preset").waitFor();
  await page.keyboard.press("Alt+p");
  await page.keyboard.press("Alt+s");
  await until("no list", async () => !(await page.locator("#search").isVisible()), 3000);
  await page.keyboard.press("Alt+s");
  const look = () => page.evaluate(() => document.documentElement.dataset.theme ?? "");
  const before = await look();
  await page.keyboard.press("Alt+l");
  expect((await look()) !== before, "Alt+L changed nothing");
  await page.keyboard.press("Alt+l");
  await ask("Name a bird.");
  await finished(1);
  await page.keyboard.press("Alt+e");
  await page.getByLabel("Edit your message").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Alt+r");
  await finished(1);
  await until("a branch", async () => (await answers.first().innerText()).includes("2/2"), 3000);
});

await check("everything is reached by Tab", async () => {
  await page.locator(".skip").focus();
  const reached = new Set();
  for (let i = 0; i < 90; ++i) {
    await page.keyboard.press("Tab");
    const name = await page.evaluate(() => (document.activeElement.getAttribute("aria-label") ?? document.activeElement.id) || document.activeElement.textContent.trim());
    reached.add(name);
    if (name === "Playground" && reached.has("message")) break;
  }
  for (const name of ["New chat", "Search conversations", "Conversations", "model", "Compare with another model", "Parameters, changed", "Edit message", "Copy answer", "Answer again", "Edit answer", "Attach text files", "message"]) {
    expect(reached.has(name), `${name} is not reached: ${[...reached].join(", ")}`);
  }
});
