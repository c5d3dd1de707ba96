// The draft orders of this chart, and the screen on which a person looks at them and signs.

import { element } from "./story.js";

const byId = (id) => document.getElementById(id);
const [place, count, open] = [byId("drafts"), byId("drafts-count"), byId("open-review")];
const [activity, form, list] = [byId("activity"), byId("review"), byId("reviewed")];
let current;

const words = (draft) => draft.code?.text ?? draft.medicationCodeableConcept?.text ?? draft.resourceType;

export function drawDrafts(scratchpad) {
  const drafts = scratchpad.all();
  count.textContent = String(drafts.length);
  open.hidden = drafts.length === 0;
  const lines = drafts.map((draft) => element("li", "", [element("span", words(draft))]));
  const listed = element("ul", "", lines);
  listed.className = "plain";
  const none = element("p", "None any more.");
  none.className = "quiet small";
  place.replaceChildren(drafts.length ? listed : none);
}

/** Show these drafts, and only these, in place of the apps; an app in the frame goes on behind. */
export function review(scratchpad, locations, heading) {
  current = scratchpad;
  byId("activity-by").textContent = heading;
  list.replaceChildren(...scratchpad.all().filter(({ resourceType, id }) => locations.includes(`${resourceType}/${id}`)).map(line));
  document.getElementById("desk").classList.add("is-reviewing");
  activity.hidden = false;
  byId("activity-title").focus();
}

function line(draft) {
  const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "draft", value: `${draft.resourceType}/${draft.id}`, checked: true });
  const label = element("label", "", [box, element("span", words(draft)), element("code", `${draft.resourceType}, ${draft.status}`)]);
  return element("li", "", [label]);
}

function back() {
  activity.hidden = true;
  document.getElementById("desk").classList.remove("is-reviewing");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  for (const location of new FormData(form).getAll("draft")) current.remove(location); // in this demo a signed order goes no further
  back();
});
byId("back").addEventListener("click", back);
