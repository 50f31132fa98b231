// Svelte's own settings; styles are always written to a file, never injected (the content policy forbids it).
import { vitePreprocess } from "@sveltejs/vite-plugin-svelte";

export default { preprocess: vitePreprocess(), compilerOptions: { runes: true, css: "external" } };
