// Messages from apps: the EHR's end of SMART Web Messaging. The page hears, the back end asks the authorization server.

import { Refused, Scratchpad, WebMessagingHost, launchActivity } from "/web-messaging/ehr.js";
import { drawDrafts, review } from "./orders.js";
import { folded, goOn, step } from "./story.js";

const { messages, csrf } = document.getElementById("desk").dataset;
const ORDERS = ["ServiceRequest", "MedicationRequest", "DeviceRequest"];

const scratchpad = new Scratchpad({
  problem: ({ resourceType, status }) =>
    !ORDERS.includes(resourceType) ? `This EHR keeps no drafts of ${resourceType}.` : status === "draft" ? "" : "An app may only put drafts here.",
  onChange: () => drawDrafts(scratchpad),
});
let host;

async function post(path, fields) {
  const answer = await fetch(`${messages}/${path}`, { method: "POST", body: new URLSearchParams({ csrf, ...fields }) });
  if (!answer.ok || answer.redirected) throw new Error(`The EHR's back end answered ${answer.status}.`);
  return answer;
}

/** Start to listen; `close` takes the window of an app that is done. */
export function listen(close) {
  host = new WebMessagingHost({
    verify: async (handle, { messageType, ...seen }) => (await post("verify", { handle, message_type: messageType, ...seen })).json(),
    ehrSession: null, // never in a page: the back end names it
    handlers: {
      ...scratchpad.handlers(),
      ...launchActivity({ "order-review": ({ draftOrderLocations: wanted }, { launch }) => {
        const missing = wanted.find((location) => !scratchpad.has(location));
        if (missing) throw new Refused(`There is no draft ${missing}.`);
        review(scratchpad, wanted, `${launch.client_name} brought you here`);
      } }),
      "ui.done": () => {},
    },
    close: ({ window }) => close(window),
    revoke: (handle) => post("revoke", { handle }),
    onMessage: narrate,
  });
  document.getElementById("open-review").addEventListener("click", () => {
    review(scratchpad, scratchpad.all().map(({ resourceType, id }) => `${resourceType}/${id}`), "Your drafts");
  });
}

export const openedIn = (window, launchId) => host.bind(window, launchId);

/** The EHR closes an app, or another one takes its window. */
export const closed = (window) => host.end(window);

const TITLES = {
  "status.handshake": "The app said hello",
  "scratchpad.create": "The app drafted an order",
  "scratchpad.read": "The app read the drafts",
  "scratchpad.update": "The app changed a draft",
  "scratchpad.delete": "The app took a draft back",
  "ui.launchActivity": "The app asked for a screen of the EHR",
  "ui.done": "The app said that it is done",
};
const WORDS = {
  "status.handshake": "One window sent the other a message. The EHR asked the authorization server whose handle it carries, and answered.",
  "scratchpad.create": "It lies on the scratchpad and is nobody's order yet: drafts are not in the FHIR server.",
  "ui.launchActivity": "The handle covers messaging/ui, so the EHR went there. The app goes on running.",
  "ui.done": "The EHR closed it and had the handle revoked. Its access to data ends with your session, as before.",
};

const shown = (value) => JSON.stringify(value, null, 2).slice(0, 4000);

function narrate({ type, payload, answer, ignored, origin }) {
  if (ignored) {
    goOn(step("A message got no answer", `From ${origin}: ${ignored}. Its sender is not told, not even that.`, folded(`${type.slice(0, 60)}, ignored`, shown(payload))));
    return;
  }
  const problem = answer.status === "failure" || /^[45]/.test(answer.status ?? "") || answer.outcome;
  goOn(step(problem ? `The EHR refused ${type}` : TITLES[type], problem ? "The handle is good, but this was not to be done." : (WORDS[type] ?? "The handle covers it, so the EHR did it."),
    folded(`${type} and its answer`, `${shown(payload)}\n\n${shown(answer)}`)));
}
