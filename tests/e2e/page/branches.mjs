// Editing, branches, models side by side.
import { answers, ask, both_looks, button, check, expect, finished, last_text, message, models, new_chat, page, questions, shot, until } from "./kit.mjs";

const said = (index) => questions.nth(index).getByTestId("said").innerText();
const place = (locator) => locator.getByTestId("branch").innerText().then((text) => text.match(/\d\/\d/)[0]);

await check("an edited message is a branch, and the old one stays", async () => {
  await new_chat();
  await ask("Name a colour.");
  await finished(1);
  const first = await last_text();
  await ask("Name a fruit.");
  await finished(2);
  await questions.first().hover();
  await button("Edit message").first().click();
  await shot("edit");
  const editor = page.getByLabel("Edit your message");
  await editor.fill("Name an animal.");
  const request = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  await editor.press("Enter");
  const asked = (await request).postDataJSON().messages;
  expect(asked.length === 1 && asked[0].content === "Name an animal.", JSON.stringify(asked));
  await finished(1);
  expect((await said(0)) === "Name an animal." && (await place(questions.first())) === "2/2", "the new branch is not shown");
  await questions.first().getByRole("button", { name: "Branch before" }).click();
  await until("the old branch", async () => (await answers.count()) === 2 && (await said(0)) === "Name a colour." && (await said(1)) === "Name a fruit.", 3000);
  expect((await answers.first().getByTestId("text").innerText()).trim() === first.trim(), "the old answer changed");
});

await check("another answer is a branch", async () => {
  await answers.first().getByRole("button", { name: "Answer again" }).click();
  await finished(1);
  expect((await place(answers.first())) === "2/2", await place(answers.first()));
  await page.keyboard.press("Alt+Shift+b");
  await until("the branch before", async () => (await answers.count()) === 2, 3000);
  await page.keyboard.press("Alt+b");
  await until("the next branch", async () => (await answers.count()) === 1, 3000);
});

await check("an edited answer is a branch, and the model reads it", async () => {
  await answers.first().getByRole("button", { name: "Edit answer" }).click();
  await page.getByLabel("Edit the answer").fill("Turquoise, of course.");
  await button("Save").click();
  await until("the new text", async () => (await last_text()).trim() === "Turquoise, of course." && (await place(answers.first())) === "3/3", 3000);
  const request = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  await ask("Say it again.");
  const asked = (await request).postDataJSON().messages;
  expect(asked[1].role === "assistant" && asked[1].content === "Turquoise, of course." && asked.length === 3, JSON.stringify(asked));
  await finished(2);
  await both_looks("branches");
});

await check("branches are there after a reload", async () => {
  await page.waitForTimeout(300);
  await page.reload();
  await answers.first().waitFor();
  expect((await place(answers.first())) === "3/3" && (await place(questions.first())) === "1/2", "other branches");
});

const listed = await models();
await check(listed.length >= 2 ? "two models answer side by side, and one goes on" : "one model is chosen (the server has no other)", async () => {
  if (listed.length < 2) return;
  await new_chat();
  await button("Compare with another model").click();
  const asked = [];
  const note = (request) => request.url().endsWith("/v1/chat/completions") && asked.push(request.postDataJSON());
  page.on("request", note);
  await ask("Say hello.");
  await until("two columns", async () => (await page.getByTestId("columns").locator("article").count()) === 2, 5000);
  await finished(2);
  page.off("request", note);
  expect(asked.length === 2 && new Set(asked.map(({ model }) => model)).size === 2, JSON.stringify(asked.map(({ model }) => model)));
  const texts = await page.getByTestId("columns").getByTestId("text").allInnerTexts();
  expect(texts.length === 2 && texts.every((text) => text.trim() !== ""), JSON.stringify(texts));
  await both_looks("side_by_side");
  await button("Go on from this").click();
  expect((await answers.nth(1).innerText()).includes("Goes on from here"), "the other was not chosen");
  await button(`Leave ${listed[1]} out`).click();
  const request = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  await ask("And goodbye.");
  const next = (await request).postDataJSON();
  expect(next.messages[1].content.trim().slice(0, 10) === texts[1].trim().slice(0, 10) || next.messages.length === 3, JSON.stringify(next.messages));
  await finished(3);
});

await check("another model answers", async () => {
  if (listed.length < 2) return;
  await new_chat();
  await page.locator("#model").selectOption(listed[1]);
  const request = page.waitForRequest((r) => r.url().endsWith("/v1/chat/completions"));
  await ask("Say hello.");
  expect((await request).postDataJSON().model === listed[1], "the request names another model");
  await finished(1);
  expect((await page.evaluate(() => localStorage.getItem("heed.model"))) === listed[1], "the choice is not kept");
  await page.locator("#model").selectOption(listed[0]);
  await message.focus();
});
