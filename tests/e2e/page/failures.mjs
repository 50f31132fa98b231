// What goes wrong is said in words, with what helps.
import { answers, ask, axe, button, check, complaints, expect, expected_statuses, finished, new_chat, page, shot } from "./kit.mjs";

await check("an unreachable server is said in words, and asking again helps", async () => {
  await new_chat();
  await page.route("**/v1/**", (route) => route.abort());
  await ask("Name a tree.");
  const notice = page.getByTestId("notice");
  await notice.waitFor();
  expect((await notice.getAttribute("data-kind")) === "unreachable", await notice.innerText());
  await axe("notice");
  await shot("notice");
  await page.unroute("**/v1/**");
  await notice.getByRole("button", { name: "Try again" }).click();
  await finished(1);
  expect((await notice.count()) === 0, await notice.allInnerTexts().then(String));
  expect((await answers.first().getByTestId("branch").count()) === 0, "the failed answer is kept as a branch");
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
