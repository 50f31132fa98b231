// The page in a real browser against the server at HEED_URL, real or mock: no text of any model is expected here.
// Screenshots go to SCREENSHOTS (default build/screenshots). Prints a line a check and "N passed, N failed".
import { check, complaints, expect, finish, foreign } from "./page/kit.mjs";

for (const part of ["chat", "branches", "library", "tokens", "failures", "layout", "states"]) await import(`./page/${part}.mjs`);

await check("nothing was asked of any other host", async () => expect(foreign.size === 0, [...foreign].join(", ")));
await check("the browser had nothing to complain about", async () => expect(complaints.length === 0, complaints.slice(0, 5).join(" | ")));
await finish();
