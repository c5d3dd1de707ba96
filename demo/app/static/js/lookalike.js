// Sends what an app would send, from a window and an origin that are not the app's.

import { NoAnswer, WebMessagingClient } from "/web-messaging/app.js";
import { byId, make } from "./dom.js";

const ATTEMPTS = ["status.handshake", "scratchpad.read", "ui.done"];
const form = byId("try");
form.elements.handle.value = `swm_${"guessed".repeat(6)}`;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  event.submitter.disabled = true;
  byId("heard").replaceChildren();
  for (const type of ATTEMPTS) byId("heard").append(await attempt(type));
  event.submitter.disabled = false;
});

async function attempt(type) {
  const heard = await ask(type);
  return make("li", {}, make("code", {}, type), make("span", {}), make("span", { class: `badge ${heard ? "bad" : "good"}` }, heard || "silence"));
}

async function ask(type) {
  let client;
  try {
    client = new WebMessagingClient({ handle: form.elements.handle.value, origin: document.body.dataset.ehr, seconds: 1 });
    await client.request(type);
    return "an answer";
  } catch (error) {
    return error instanceof NoAnswer ? "" : error.message;
  } finally {
    client?.close();
  }
}
