// The site of an app in Node: what is not SMART about it. Its address goes out on stdout; then its registration
// (client_id, and client_secret of a confidential one) comes in on stdin; then it serves /launch and /callback.
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

export async function serve(open) {
  const session = {}; // one person uses this app
  let pages;
  const server = createServer(async (request, response) => {
    request.session = session;
    const url = new URL(request.url, `http://${request.headers.host}`);
    try {
      const answer = await pages[url.pathname](request, response, url);
      if (answer !== undefined) {
        response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(answer));
      }
    } catch (error) {
      response.writeHead(500, { "Content-Type": "text/plain" }).end(describe(error));
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const origin = `http://127.0.0.1:${server.address().port}`;
  process.stdout.write(`${origin}\n`);
  pages = open(JSON.parse(await text(process.stdin)), origin);
  process.stdout.write("open\n");
}

// An error of these libraries says little without the code and the cause below it.
function describe(error) {
  const causes = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    causes.push([at.code, at.message, at.error, at.error_description].filter(Boolean).join(" | "));
  }
  return causes.join("\n");
}
