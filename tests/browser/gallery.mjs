// Shows the pages that the test `gallery` wrote, without a service: for a look at style and markup alone.
//   GROUPCAST_GALLERY=target/gallery cargo test ... gallery && node gallery.mjs ../../target/gallery [page ...]
import { readdirSync } from "node:fs";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { launch, audit } from "./browser.mjs";

const folder = path.resolve(process.argv[2] ?? "../../target/gallery");
const wanted = process.argv.slice(3);
const types = { ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".html": "text/html" };
const server = createServer(async (request, response) => {
  try {
    const file = path.join(folder, path.normalize(new URL(request.url, "http://x").pathname));
    const content = await readFile(file);
    response.writeHead(200, { "content-type": types[path.extname(file)] ?? "text/plain" }).end(content);
  } catch {
    response.writeHead(404).end();
  }
}).listen(0, "127.0.0.1");
await new Promise((ready) => server.once("listening", ready));
const at = `http://127.0.0.1:${server.address().port}`;
const browser = await launch();
let serious = 0;
for (const file of readdirSync(folder).filter((name) => name.endsWith(".html"))) {
  const name = path.basename(file, ".html");
  if (wanted.length && !wanted.includes(name)) continue;
  for (const [label, theme, width] of [["light", "light", 1280], ["dark", "dark", 1280], ["phone", "light", 390]]) {
    const page = await browser.newPage({ colorScheme: theme, viewport: { width, height: 900 } });
    await page.goto(`${at}/${file}`);
    await page.screenshot({ path: path.join(folder, `${name}.${label}.png`), fullPage: true });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) console.log(`${name} ${label}: ${wide} pixels too wide`);
    for (const finding of await audit(page)) {
      serious += 1;
      console.log(`${name} ${label}: ${finding}`);
    }
    await page.close();
  }
}
await browser.close();
server.close();
console.log(`${serious} serious findings`);
