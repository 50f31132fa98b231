// The list: search, names, export and import, deletion; long conversations.
import { readFileSync } from "node:fs";
import { answers, axe, ask, both_looks, button, check, expect, expected_statuses, finished, message, new_chat, page, questions, rows, shot, until } from "./kit.mjs";

async function deed(title, label) {
  await page.locator("nav li").filter({ hasText: title }).first().hover();
  await button(`More about ${title}`).first().click();
  await page.getByRole("menuitem", { name: label, exact: true }).click();
}

async function downloaded(action) {
  const [download] = await Promise.all([page.waitForEvent("download"), action()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
}

async function import_file(text) {
  await button("Keep, export, import").click();
  await page.getByLabel("File to import").setInputFiles({ name: "conversations.json", mimeType: "application/json", buffer: Buffer.from(text) });
}

await check("reloading keeps the conversation and the list", async () => {
  const before = await questions.first().innerText();
  const titles = await rows.allInnerTexts();
  await page.waitForTimeout(300);
  await page.reload();
  await questions.first().waitFor();
  expect((await questions.first().innerText()) === before, "another conversation");
  expect(JSON.stringify(await rows.allInnerTexts()) === JSON.stringify(titles), "another list");
});

await check("conversations are found by any word in them, in every branch", async () => {
  await page.keyboard.press("Alt+f");
  await page.keyboard.type("ANIMAL"); // only in a branch that is not shown
  await until("a hit", async () => (await page.locator(".hit").count()) === 1, 3000);
  await both_looks("search");
  await page.locator(".hit").click();
  await until("the branch", async () => (await questions.first().innerText()).includes("Name an animal."), 3000);
  await page.locator("#search").fill("no such words anywhere");
  await page.getByText("Nothing found").waitFor();
  await page.locator("#search").press("Escape");
  expect((await page.locator("#search").inputValue()) === "" && (await rows.count()) > 2, "the list is not back");
});

await check("a conversation is renamed", async () => {
  await deed("Name a colour.", "Rename");
  await page.getByLabel("Name of the conversation").fill("Colours & fruit");
  await page.getByLabel("Name of the conversation").press("Enter");
  await until("the name", async () => (await rows.allInnerTexts()).includes("Colours & fruit"), 3000);
});

await check("the menu goes by arrows, and Escape gives the focus back", async () => {
  await button("More about Colours & fruit").focus();
  await page.keyboard.press("Enter");
  await until("the first deed", () => page.evaluate(() => document.activeElement.textContent.trim() === "Rename"), 3000);
  await page.keyboard.press("ArrowDown");
  expect((await page.evaluate(() => document.activeElement.textContent.trim())) === "Export as Markdown", "the second deed");
  await shot("menu");
  await axe("menu");
  await page.keyboard.press("Escape");
  expect((await page.evaluate(() => document.activeElement.getAttribute("aria-label"))) === "More about Colours & fruit", "the focus is lost");
});

let file;
await check("a conversation is exported as Markdown and JSON", async () => {
  const markdown = await downloaded(() => deed("Colours & fruit", "Export as Markdown"));
  expect(markdown.name === "colours-fruit.md" && markdown.text.startsWith("# Colours & fruit\n\n## You\n\nName an animal.\n\n## "), markdown.text.slice(0, 120));
  file = await downloaded(() => deed("Colours & fruit", "Export as JSON"));
  const { conversations } = JSON.parse(file.text);
  expect(conversations.length === 1 && conversations[0].turns.some(({ text }) => text === "Turquoise, of course."), "a branch is missing");
});

await check("it is deleted, brought back, deleted for good, and imported again", async () => {
  const count = await rows.count();
  await deed("Colours & fruit", "Delete");
  await until("the deletion", async () => (await rows.count()) === count - 1, 3000);
  await button("Undo").click();
  await until("the return", async () => (await rows.count()) === count, 3000);
  await deed("Colours & fruit", "Delete");
  await until("the deletion", async () => (await rows.count()) === count - 1, 3000);
  await page.waitForTimeout(300);
  await page.reload();
  await until("the list", async () => (await rows.count()) === count - 1, 5000);
  await import_file(file.text);
  await page.getByText("Imported 1 conversation.").waitFor();
  await import_file_again();
  await both_looks("keep_and_files");
  await page.keyboard.press("Escape");
  expect((await rows.count()) === count, "it is not back");
});

async function import_file_again() {
  const input = page.getByLabel("File to import");
  await input.setInputFiles({ name: "same.json", mimeType: "application/json", buffer: Buffer.from(file.text) });
  await page.getByText("Imported 0 conversations; 1 were here already.").waitFor();
  await input.setInputFiles({ name: "other.json", mimeType: "application/json", buffer: Buffer.from("{}") });
  await page.getByText("This file holds no conversations of heed.").waitFor();
}

const keeps = await page.evaluate(async () => (await fetch("v1/conversations")).ok);
await check(keeps ? "conversations move to the server and back" : "a server that keeps none says so", async () => {
  const titles = JSON.stringify(await rows.allInnerTexts());
  const on_server = () => page.evaluate(async () => (await (await fetch("v1/conversations")).json()).data?.length ?? 0);
  const in_browser = () => page.evaluate(() => new Promise((resolve) => {
    const opening = indexedDB.open("heed", 1);
    opening.onsuccess = () => {
      const counting = opening.result.transaction("conversations").objectStore("conversations").count();
      counting.onsuccess = () => resolve(counting.result);
    };
  }));
  const count = await rows.count();
  await button("Keep, export, import").click();
  await page.getByLabel("On the server").check();
  if (!keeps) {
    expected_statuses.push(404, 404);
    await page.getByText("This server keeps no conversations.").waitFor();
    return page.keyboard.press("Escape");
  }
  await page.getByText(`Moved ${count} conversations.`).waitFor();
  expect((await on_server()) === count && (await in_browser()) === 0, `${await on_server()} there, ${await in_browser()} here`);
  await page.keyboard.press("Escape");
  await page.reload();
  await until("the list", async () => (await rows.count()) === count, 5000);
  expect(JSON.stringify(await rows.allInnerTexts()) === titles, "another list");
  await deed("Colours & fruit", "Rename");
  await page.getByLabel("Name of the conversation").fill("Kept there");
  await page.getByLabel("Name of the conversation").press("Enter");
  await until("the new name on the server", () => page.evaluate(async () => (await (await fetch("v1/conversations")).json()).data.some(({ title }) => title === "Kept there")), 5000);
  await button("Keep, export, import").click();
  await page.getByLabel("In this browser").check();
  await page.getByText(`Moved ${count} conversations.`).waitFor();
  expect((await on_server()) === 0 && (await in_browser()) === count, `${await on_server()} there, ${await in_browser()} here`);
  await page.keyboard.press("Escape");
});

const kTurns = 500;
const kOpenMs = 1500;
const kFrameMs = 60; // a frame on two busy cores, most of them
await check(`${kTurns} turns open quickly and scroll smoothly`, async () => {
  const turns = Array.from({ length: kTurns }, (_, i) => ({
    id: `t${i}`, parent: i === 0 ? "" : `t${i - 1}`, role: i % 2 === 0 ? "user" : "assistant",
    text: i % 2 === 0 ? `Question ${i}: how does step ${i} work?` : `Step **${i}** takes the sum of all before:\n\n- one\n- two\n\n\`\`\`python\ndef step_${i}(x):\n    return x + ${i}\n\`\`\`\n\n| a | b |\n|---|---|\n| ${i} | ${i * 2} |\n\n${"And so it goes on, word by word. ".repeat(6)}`,
  }));
  const long = { id: "long", title: "A long conversation", updated_ms: Date.now() + 1000, head: `t${kTurns - 1}`, turns };
  await import_file(JSON.stringify({ format: "heed.conversations", version: 1, conversations: [long] }));
  await page.getByText("Imported 1 conversation.").waitFor();
  await page.keyboard.press("Escape");
  const opened_ms = await page.evaluate(async () => {
    const row = [...document.querySelectorAll("nav .open")].find((node) => node.textContent.includes("A long conversation"));
    const began = performance.now();
    row.click();
    const is_there = () => document.querySelectorAll("#turn_t499 .prose p").length > 0;
    while (!is_there()) await new Promise((resolve) => requestAnimationFrame(resolve));
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    return performance.now() - began;
  });
  expect((await questions.count()) === kTurns / 2 && (await answers.count()) === kTurns / 2, "turns are missing");
  const is_at_end = await page.locator(".view").evaluate((view) => view.scrollHeight - view.scrollTop - view.clientHeight < 80);
  expect(is_at_end, "it is not shown from its end");
  const frames = await page.locator(".view").evaluate(async (view) => {
    const times = [];
    let last = performance.now();
    for (let i = 0; i < 120; ++i) {
      view.scrollTop -= 400;
      await new Promise((resolve) => requestAnimationFrame(resolve));
      times.push(performance.now() - last);
      last = performance.now();
    }
    return times.sort((a, b) => a - b);
  });
  const typed_ms = await page.evaluate(async () => {
    const area = document.querySelector("#message");
    const began = performance.now();
    area.value = "typing";
    area.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    return performance.now() - began;
  });
  const [middle, slow] = [frames[60], frames[113]];
  console.log(`      opened in ${Math.round(opened_ms)} ms; scrolling: median frame ${middle.toFixed(1)} ms, 95 % within ${slow.toFixed(1)} ms; a key ${typed_ms.toFixed(1)} ms`);
  expect(opened_ms < kOpenMs, `opened in ${opened_ms} ms`);
  expect(slow < kFrameMs, `5 % of frames took longer than ${slow} ms`);
  await message.fill("");
});

await check("a turn far away is found and shown", async () => {
  await page.locator("#search").fill("Question 42:");
  await page.locator(".hit").first().click();
  await until("the turn", () => page.locator("#turn_t42").evaluate((node) => {
    const { top, bottom } = node.getBoundingClientRect();
    return top > 0 && bottom < window.innerHeight;
  }), 5000);
  await page.locator("#search").fill("");
});

await check("the long conversation goes on", async () => {
  let asked = 0;
  await page.route("**/v1/chat/completions", (route) => {
    const body = route.request().postDataJSON();
    asked = body.messages.length;
    return route.continue({ postData: { ...body, messages: body.messages.slice(-1) } }); // a small model's context is smaller
  }, { times: 1 });
  await ask("And the next step?");
  await finished(kTurns / 2 + 1);
  expect(asked === kTurns + 1, `${asked} messages were sent`);
  await new_chat();
});
