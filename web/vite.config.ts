// How the page is built: plain files with hashed names, nothing inline, so that a strict content policy holds.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const server = process.env.HEED_URL ?? "http://127.0.0.1:8080";
const forwarded = ["/v1", "/health", "/ready"];

export default defineConfig({
  plugins: [svelte()],
  base: "./",
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    reportCompressedSize: true,
  },
  server: { proxy: Object.fromEntries(forwarded.map((path) => [path, server])) },
  test: { environment: "jsdom", include: ["tests/**/*.test.ts"] },
});
