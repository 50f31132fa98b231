// First sight, asking, stopping, parameters, presets, attachments, the meter.
import { address, answers, ask, axe, both_looks, button, check, expect, finished, last_text, message, models, new_chat, page, questions, set_parameters, shot, until } from "./kit.mjs";

const kFirstPaintMs = 1000;

await check("the page loads under a strict content policy", async () => {
  const response = await page.goto(address);
  expect(response?.ok(), `status ${response?.status()}`);
  const policy = response.headers()["content-security-policy"] ?? "";
  expect(/default-src 'none'/.test(policy) && /script-src 'self'/.test(policy), `policy is "${policy}"`);
  expect(!/unsafe-(inline|eval)/.test(policy), `policy is "${policy}"`);
  await message.waitFor();
});

await check("the first paint comes within a second", async () => {
  const painted = await page.evaluate(() => new Promise((resolve) => {
    new PerformanceObserver((list) => resolve(list.getEntriesByName("first-contentful-paint")[0]?.startTime)).observe({ type: "paint", buffered: true });
  }));
  console.log(`      first contentful paint after ${Math.round(painted)} ms`);
  expect(painted < kFirstPaintMs, `painted after ${painted} ms`);
});

await check("models are listed and the server is ready", async () => {
  await until("a model", async () => (await models()).length > 0, 30_000);
  await until("readiness", async () => (await page.getByTestId("state").getAttribute("data-state")) === "ready", 60_000);
});

await check("the empty page is accessible", () => both_looks("welcome"));

await check("an example fills the message", async () => {
  await page.locator(".welcome button").first().click();
  expect((await message.inputValue()).length > 10, "the message stayed empty");
  await message.fill("");
});

await check("parameters are set and kept", async () => {
  await button("Parameters").click();
  for (const [id, value] of [["max_tokens", 64], ["temperature", 0.3], ["seed", 7]]) {
    await page.locator(`#${id}`).fill(String(value));
    await page.locator(`#${id}`).press("Tab");
  }
  const stored = await page.evaluate(() => JSON.parse(localStorage.getItem("heed.settings")));
  expect(stored.max_tokens === 64 && stored.temperature === 0.3 && stored.seed === "7", JSON.stringify(stored));
});

await check("a preset is kept under a name, chosen and deleted", async () => {
  await page.locator("#system").fill("You answer briefly.");
  await button("Save…").click();
  await page.getByLabel("Name of the preset").fill("Brief");
  await button("Save").click();
  await both_looks("parameters");
  await page.locator("#preset").selectOption({ label: "Exact" });
  expect((await page.locator("#temperature").inputValue()) === "0" && (await page.locator("#system").inputValue()) === "", "Exact changed nothing");
  await page.reload();
  await button("Parameters, changed").click();
  await page.locator("#preset").selectOption({ label: "Brief" });
  expect((await page.locator("#system").inputValue()) === "You answer briefly." && (await page.locator("#seed").inputValue()) === "7", "Brief is not what was kept");
  await page.locator("#temperature").fill("0.4");
  await page.locator("#temperature").press("Tab");
  expect((await page.locator("#preset option:checked").innerText()) === "Brief, changed", "the change is not shown");
  await page.locator("#preset").selectOption({ label: "Brief" });
  await button("Delete preset Brief").click();
  expect((await page.locator("#preset option").allInnerTexts()).every((name) => name !== "Brief"), "still listed");
  await page.locator("#system").fill("");
  await page.locator("#system").press("Tab");
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

await check("an answer streams in", async () => {
  let first_length = 0;
  const request = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  await ask("Write a Python function that adds two numbers. Put it in a ```python code block.");
  const body = (await request).postDataJSON();
  expect(body.stream === true && body.stream_options.include_usage === true && body.max_tokens === 64 && body.seed === 7 && body.logprobs === undefined, JSON.stringify(body));
  await until("text while it is written", async () => {
    const is_busy = (await answers.last().getAttribute("data-busy")) === "true";
    const text = (await answers.last().getByTestId("text").count()) > 0 ? await last_text() : "";
    if (is_busy && first_length === 0) first_length = text.length;
    return first_length > 0 && text.length > first_length;
  });
  await finished(1);
  expect((await last_text()).trim().length > 0, "the answer is empty");
});

await check("a screen reader hears the answer once it is whole", async () => {
  await until("the words", async () => (await page.getByTestId("announcer").innerText()).length > 20, 3000);
  expect((await page.locator('[role="log"]').getAttribute("aria-live")) === "off", "the growing text is announced as well");
});

await check("the answer tells its speed and tokens", async () => {
  const stats = answers.last().getByTestId("stats");
  expect(/^[\d.]+ tokens\/s$/.test(await stats.locator('[data-figure="speed"]').innerText()), "no speed");
  expect(/\d+ tokens?/.test(await stats.locator('[data-figure="completion"]').innerText()), "no answer tokens");
  expect(/prompt \d+/.test(await stats.locator('[data-figure="prompt"]').innerText()), "no prompt tokens");
});

await check("an answer can be copied", async () => {
  await button("Copy answer").last().click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied.trim().length > 0, "the clipboard is empty");
});

await check("the same seed gives the same answer again", async () => {
  const before = await last_text();
  await button("Answer again").click();
  await finished(1);
  expect((await last_text()) === before, "the answers differ");
});

await check("the meter counts what is written", async () => {
  const meter = page.getByTestId("meter");
  const number = async () => Number((await meter.innerText()).replace(/,/g, "").match(/\d+/)[0]);
  const before = await number();
  await message.fill("one two three four five six seven");
  await until("an exact count", async () => (await meter.getAttribute("data-exact")) === "true" && (await number()) > before, 5000);
  const counted = (await number()) - before;
  expect(counted >= 5 && counted <= 20, `${counted} tokens`);
  const context = await page.evaluate(async () => (await (await fetch("v1/models")).json()).data[0].heed.context_length);
  expect(Number.isInteger(context) && (await meter.innerText()).includes(new Intl.NumberFormat("en").format(context)), `context ${context}: ${await meter.innerText()}`);
  await page.evaluate((text) => navigator.clipboard.writeText(text), "word ".repeat(700));
  await message.fill("word ".repeat(Math.round(context * 0.9)));
  await until("a warning", async () => (await meter.getAttribute("data-state")) !== "fine", 5000);
  await shot("meter");
  await message.fill("");
});

await check("text files are attached, refused with words, removed and sent", async () => {
  const files = page.getByLabel("Text files", { exact: true });
  await files.setInputFiles([
    { name: "fruit.txt", mimeType: "text/plain", buffer: Buffer.from("apples\npears\n") },
    { name: "picture.bin", mimeType: "application/octet-stream", buffer: Buffer.from([0, 255, 1, 2]) },
  ]);
  await until("a refusal", async () => /picture\.bin is not text/.test(await page.getByTestId("trouble").innerText()), 5000);
  await files.setInputFiles([{ name: "big.log", mimeType: "text/plain", buffer: Buffer.alloc(300 * 1024, "x") }]);
  await until("the limit", async () => /big\.log has 300 KB; at most 256 KB/.test(await page.getByTestId("trouble").innerText()), 5000);
  await page.locator("main").evaluate((main) => {
    const data = new DataTransfer();
    data.items.add(new File(["plums\n"], "dropped.md", { type: "text/markdown" }));
    main.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  });
  await message.focus();
  await page.evaluate(() => navigator.clipboard.writeText("a long line of text\n".repeat(300)));
  await page.keyboard.press("Control+v");
  const chips = page.locator(".composer").getByTestId("chips").locator("li");
  await until("three chips", async () => (await chips.count()) === 3, 5000);
  await both_looks("attachments");
  await button("Remove pasted.txt").click();
  const request = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  await ask("Which fruit is in the files?");
  const asked = (await request).postDataJSON().messages.at(-1).content;
  expect(asked === "fruit.txt:\n```\napples\npears\n```\n\ndropped.md:\n```\nplums\n```\n\nWhich fruit is in the files?", JSON.stringify(asked));
  await finished(2);
  expect((await questions.last().getByTestId("chips").locator("li").count()) === 2, "the chips are gone");
  await questions.last().locator("summary").first().click();
  expect((await questions.last().locator("pre").first().innerText()).includes("pears"), "the file cannot be read");
});

await check("an answer is accessible", () => both_looks("answer"));

await check("a fresh seed goes with each request when none is set", async () => {
  await set_parameters({ seed: "", max_tokens: 16 });
  const seeds = [];
  for (let i = 0; i < 2; ++i) {
    const request = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
    await button("Answer again").last().click();
    seeds.push((await request).postDataJSON().seed);
    await finished(2);
  }
  expect(seeds.every(Number.isInteger) && seeds[0] !== seeds[1], `seeds ${seeds}`);
});

await check("a long answer is stopped midway and keeps what came", async () => {
  await set_parameters({ max_tokens: 4000 });
  await new_chat();
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
  await page.waitForTimeout(500);
  expect((await last_text()) === kept, "it went on writing");
  await set_parameters({ max_tokens: 48 });
});

await check("text from right to left stands at the right, and code in it does not", async () => {
  await new_chat();
  await page.route("**/v1/chat/completions", (route) => route.fulfill({
    contentType: "text/event-stream",
    body: `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "השמיים כחולים בגלל פיזור האור.\n\n- ראשון\n- שני\n\n```python\nprint(1)\n```\n" }, finish_reason: "stop" }] })}\n\ndata: [DONE]\n\n`,
  }), { times: 1 });
  await ask("למה השמיים כחולים?");
  await finished(1);
  const direction = (locator) => locator.evaluate((node) => getComputedStyle(node).direction);
  expect((await direction(questions.last().getByTestId("said"))) === "rtl", "the question");
  expect((await direction(answers.last().locator(".prose p").first())) === "rtl", "the answer");
  expect((await direction(answers.last().locator(".code"))) === "ltr", "the code");
  await shot("right_to_left");
  await axe("right to left");
});
