// Web messaging with the EHR that opened the app: a draft order, a screen over there, and the end.

import { NoAnswer, WebMessagingClient } from "/web-messaging/app.js";
import { byId } from "./dom.js";
import { showStory } from "./panels.js";

const drafts = [];

/** Say hello to the EHR; nothing of this is shown if it is not wanted, not granted, or there is no EHR. */
export async function talkToEhr(session, patient) {
  const { smart_web_messaging_handle: handle, smart_web_messaging_origin: origin } = session.response;
  if (!handle || (window.parent === window && !window.opener)) return;
  const ehr = new WebMessagingClient({ handle, origin, seconds: 10 });
  byId("in-ehr").hidden = false;
  byId("order-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const order = event.target.elements.order.value;
    attempt(event.submitter, async () => {
      drafts.push(await ehr.create(draftOf(order, patient, session.response.encounter)));
      byId("show-orders").disabled = false;
      return `“${order}” is a draft in the EHR now.`;
    });
  });
  byId("show-orders").addEventListener("click", (event) => attempt(event.target, async () => {
    await ehr.launchActivity("order-review", { draftOrderLocations: drafts });
    return "The EHR shows them.";
  }));
  byId("done").addEventListener("click", (event) => attempt(event.target, async () => {
    await ehr.done();
    return "The EHR closes this app.";
  }));
  const answers = await attempt(null, () => ehr.handshake().then(() => ""));
  byId("ehr-state").textContent = answers ? "it answers" : "silent";
  byId("ehr-state").className = `badge ${answers ? "good" : "bad"}`;
  session.story.push(answers
    ? { title: "It said hello to the EHR", words: `The token response brought a handle and the origin ${origin}. The app sent the handle to the window that opened it, at that origin only, and got an answer.` }
    : { title: "It said hello to the EHR, and heard nothing", words: "An EHR stays silent unless window, origin and handle are all right." });
  showStory(session);
}

const draftOf = (text, patient, encounter) => ({
  resourceType: "ServiceRequest",
  status: "draft",
  intent: "order",
  code: { text },
  subject: { reference: `Patient/${patient.id}` },
  ...(encounter ? { encounter: { reference: `Encounter/${encounter}` } } : {}),
});

async function attempt(button, work) {
  const told = byId("told");
  if (button) button.disabled = true;
  try {
    told.textContent = await work();
    told.className = "small good";
    return true;
  } catch (error) {
    told.textContent = error instanceof NoAnswer ? "The EHR does not answer." : `The EHR says: ${error.message}`;
    told.className = "small bad";
    return false;
  } finally {
    if (button) button.disabled = false;
  }
}
