// Appearance by choice, and a phone.
import { axe, both_looks, button, check, expect, message, models, page, rows, shot, until } from "./kit.mjs";

await check("the dark appearance is chosen and kept", async () => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await ground();
  await page.getByTestId("theme").click();
  expect((await ground()) !== before, "the colours did not change");
  await page.reload();
  await message.waitFor();
  expect((await page.evaluate(() => document.documentElement.dataset.theme)) === "dark", "not dark any more");
  await page.getByTestId("theme").click();
});

const width_is_kept = async (name) => {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(overflow <= 0, `${name}: the page is ${overflow} pixels too wide`);
};

await check("on a phone everything is in reach", async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(200);
  await button("Conversations").click();
  await page.waitForTimeout(200);
  await axe("phone, list");
  await shot("phone_list");
  const several = rows.filter({ hasText: "Say hello." }).last(); // the one with columns, where the server has two models
  await ((await models()).length > 1 ? several : rows.first()).click();
  await page.waitForTimeout(250);
  await width_is_kept("chat");
  for (const name of ["Conversations", "New chat", "Send"]) expect(await button(name).last().isVisible(), `${name} is not visible`);
  await both_looks("phone");
  await button("Parameters, changed").click();
  await page.waitForTimeout(200);
  await width_is_kept("parameters");
  await axe("phone, parameters");
  await shot("phone_parameters");
  await button("Close parameters").click();
  await button("Conversations").click();
  await button("Playground").click();
  await until("the playground", async () => (await page.locator("#prompt").count()) === 1, 3000);
  await page.waitForTimeout(250);
  await width_is_kept("playground");
  await both_looks("phone_playground");
  await page.setViewportSize({ width: 1280, height: 800 });
});
