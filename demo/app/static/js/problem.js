// What went wrong, and what the person in front of it can do.

import { byId, make } from "./dom.js";

export class Problem extends Error {
  constructor(title, advice, detail = "") {
    super(title);
    this.advice = advice;
    this.detail = detail;
  }
}

/** What can be done depends on how the app was opened. */
export function startAgain() {
  const framed = window.parent !== window;
  return framed
    ? "Close the app in the EHR and open it again from the chart: a launch works once, and for five minutes."
    : "Open the app again from the EHR, or go to its start page and connect.";
}

/** Put the problem on the page in place of everything else. */
export function show(error) {
  const { fhir, ehr, redirect } = document.body.dataset;
  const known =
    error instanceof Problem
      ? error
      : error instanceof TypeError && /fetch|network|load/i.test(error.message)
        ? new Problem("A server of the demo does not answer", `Is everything running (make run)? Data is read from ${fhir}.`)
        : new Problem("The app stopped with an error of its own", startAgain(), error.message);
  const box = byId("problem");
  box.replaceChildren(
    make(
      "section",
      { class: "card stack", role: "alert" },
      make("h1", {}, known.message),
      make("p", {}, known.advice),
      known.detail ? make("p", { class: "notice bad" }, known.detail) : null,
      make(
        "div",
        { class: "row" },
        make("a", { class: "button", href: redirect }, "To the start page"),
        window.parent === window ? make("a", { class: "button plain", href: ehr }, "To the EHR") : null,
      ),
    ),
  );
  box.hidden = false;
  for (const id of ["status", "start", "connected"]) {
    const part = byId(id);
    if (part) part.hidden = true;
  }
}
