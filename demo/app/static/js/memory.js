// What outlives a page of this tab. sessionStorage belongs to this tab and, in a frame, to this pair of sites; it needs
// no cookie, so the app works in the EHR's frame when third-party cookies are blocked.

import { Problem } from "./problem.js";

function storage() {
  try {
    return window.sessionStorage;
  } catch (error) {
    throw new Problem(
      "This browser lets the app remember nothing here",
      "Its settings block storage in frames. Open the app in a new tab instead.",
      error.message,
    );
  }
}

export const keep = (name, value) => storage().setItem(`growth-chart ${name}`, JSON.stringify(value));

export function recall(name) {
  const text = storage().getItem(`growth-chart ${name}`);
  return text === null ? null : JSON.parse(text);
}

export const forget = (name) => storage().removeItem(`growth-chart ${name}`);
