// Takes the README's picture of a chat with the server at HEED_URL: node dev/docs_image.mjs FILE [QUESTION]
import { chromium } from "playwright-core";

const [file, question = "Explain how attention works in a language model: one everyday comparison, then a few lines of Python."] = process.argv.slice(2);
if (!process.env.HEED_URL || !file) {
  console.error("docs_image: needs HEED_URL and the name of the picture");
  process.exit(2);
}
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage({ viewport: { width: 1200, height: 860 }, deviceScaleFactor: 1.5, colorScheme: "light" });
await page.goto(process.env.HEED_URL);
await page.locator("#model option:not([value=''])").first().waitFor({ state: "attached" });
await page.locator("#message").fill(question);
await page.locator("#message").press("Enter");
await page.locator('[data-testid="answer"][data-busy="false"]').waitFor({ timeout: 180_000 });
await page.locator(".view").evaluate((view) => (view.scrollTop = 0));
await page.waitForTimeout(300);
await page.screenshot({ path: file });
await browser.close();
