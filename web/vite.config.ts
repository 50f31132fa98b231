// How the page is built: plain files with hashed names, nothing inline, so that a strict content policy holds.
import { readFileSync } from "node:fs";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const server = process.env.HEED_URL ?? "http://127.0.0.1:8080";
const forwarded = ["/v1", "/health", "/ready"];

// build.license below lists what scripts import; the font comes in by the style sheet.
const fontLicence = {
  name: "font-licence",
  generateBundle(this: { emitFile: (file: { type: "asset"; fileName: string; source: string }) => string }) {
    const source = readFileSync("node_modules/@fontsource-variable/figtree/LICENSE", "utf8");
    this.emitFile({ type: "asset", fileName: "licence-figtree.txt", source });
  },
};

export default defineConfig({
  plugins: [svelte(), fontLicence],
  base: "./",
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    reportCompressedSize: true,
    license: { fileName: "licences.txt" },
  },
  server: { proxy: Object.fromEntries(forwarded.map((path) => [path, server])) },
  test: { environment: "jsdom", include: ["tests/**/*.test.ts"] },
});
