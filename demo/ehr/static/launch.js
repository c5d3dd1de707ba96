// Opens an app: the EHR's back end makes the launch, this page takes the browser there and tells the story.

import { closed, listen, openedIn } from "./messages.js";
import { begin, folded, step } from "./story.js";

const desk = document.getElementById("desk");
const problem = document.getElementById("problem");
const frameCard = document.getElementById("frame-card");
const frame = document.getElementById("app-frame");
const frameTitle = document.getElementById("frame-title");

function tell(name, made, where) {
  const [page, query = ""] = made.launch_url.split("?");
  const parameters = new URLSearchParams(query);
  begin([
    step(
      `The EHR announced ${name}`,
      "Back end to back end, with the EHR's own credential: who is working, which app, which patient and visit. The browser had no part in it.",
      folded("POST /launch: what the EHR said", JSON.stringify(made.told, null, 2)),
    ),
    step(
      "It got a handle back",
      `The handle ${made.handle} stands for all that. It works once, for ${made.expires_in / 60} minutes and for this app only. It says nothing by itself, so it may travel through the browser.`,
    ),
    step(
      where === "frame" ? "The app was opened in this page" : "The app was opened in a new tab",
      `At its registered launch address, with two parameters: iss, where the data is, and launch, the handle.`,
      folded("The address", `${page}\n  ?iss=${parameters.get("iss")}\n  &launch=${made.handle}`),
    ),
    step(
      "Now the app is on its own",
      where === "frame"
        ? "It finds the authorization server, asks for access, and may read this patient only. Scroll to “Behind the scenes” in the app for its side of the story."
        : "It finds the authorization server, asks for access, and may read this patient only. Its own page tells the rest.",
    ),
    step(
      "Signing out here ends it",
      "The access of this app lasts as long as you are signed in at the EHR. Sign out, and its token stops working.",
    ),
  ]);
}

function fail(words) {
  problem.textContent = words;
  problem.hidden = false;
}

function closeFrame() {
  closed(frame.contentWindow);
  frame.src = "about:blank";
  frameCard.hidden = true;
  desk.classList.remove("is-running");
}

async function makeLaunch(form, where) {
  const body = new URLSearchParams(new FormData(form));
  body.set("where", where);
  const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
  if (answer.redirected || !answer.headers.get("Content-Type")?.startsWith("application/json")) {
    throw new Error("You are no longer signed in at the EHR. Load this page again.");
  }
  const made = await answer.json();
  if (!answer.ok) throw new Error([made.problem, made.detail].filter(Boolean).join(" It said: "));
  return made;
}

async function open(form, where) {
  problem.hidden = true;
  // the tab must be opened while the click is being handled, or the browser blocks it
  const tab = where === "tab" ? window.open("about:blank", "_blank") : null;
  try {
    const made = await makeLaunch(form, where);
    tell(form.dataset.name, made, where);
    if (where === "frame") {
      frameTitle.textContent = `${form.dataset.name} for ${desk.dataset.patient}`;
      frame.title = frameTitle.textContent;
      frameCard.hidden = false;
      desk.classList.add("is-running");
      openedIn(frame.contentWindow, made.launch_id);
      frame.src = made.launch_url;
    } else if (tab) {
      openedIn(tab, made.launch_id);
      tab.location = made.launch_url;
    } else {
      fail("The browser did not allow a new tab. Allow pop-ups for this page and try again.");
    }
  } catch (error) {
    tab?.close();
    fail(error instanceof TypeError ? "The EHR does not answer. Is the demo still running?" : error.message);
  }
}

for (const form of document.querySelectorAll(".app form")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const buttons = form.querySelectorAll("button");
    for (const button of buttons) button.disabled = true;
    open(form, event.submitter.value).finally(() => {
      for (const button of buttons) button.disabled = false;
    });
  });
}
document.getElementById("close").addEventListener("click", closeFrame);
listen((app) => (app === frame.contentWindow ? closeFrame() : app.close()));
