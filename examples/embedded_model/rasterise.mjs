// Draws the icons that words.py names into artwork/<icon>.png, 160 px each. Needed once: the PNGs are committed.
// usage: npm install @iconify-json/noto@1.2.9 @resvg/resvg-js && node rasterise.mjs
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const require = createRequire(process.cwd() + "/");  // packages are looked up in the folder one starts it from
const { Resvg } = require("@resvg/resvg-js");
const set = JSON.parse(readFileSync(require.resolve("@iconify-json/noto/icons.json"), "utf8"));
const here = new URL(".", import.meta.url);
const words = readFileSync(new URL("words.py", here), "utf8");
const names = [...words.matchAll(/Noun\("[a-z]+", "([a-z-]+)"/g)].map((match) => match[1]);

mkdirSync(new URL("artwork/", here), { recursive: true });
for (const name of names) {
  const icon = set.icons[name] ?? set.icons[set.aliases?.[name]?.parent];
  if (!icon) throw new Error(`the icon set has no ${name}`);
  const box = [icon.left ?? 0, icon.top ?? 0, icon.width ?? set.width ?? 128, icon.height ?? set.height ?? 128].join(" ");
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="${box}" width="160" height="160">${icon.body}</svg>`;
  writeFileSync(new URL(`artwork/${name}.png`, here), new Resvg(svg).render().asPng());
}
console.log(`${names.length} icons drawn`);
