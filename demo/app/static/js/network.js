// Every request of the app goes through here, so that the page can show them all.

import { Problem } from "./problem.js";

export class Network {
  constructor(requests = []) {
    this.requests = requests;
  }

  /** Send it and write it down; `why` is for the list of requests. */
  async send(why, url, options = {}) {
    const begun = performance.now();
    const entry = { why, method: options.method ?? "GET", url, status: 0, ms: 0 };
    this.requests.push(entry);
    const answer = await fetch(url, { ...options, credentials: "omit", redirect: "error", cache: "no-store" });
    entry.status = answer.status;
    entry.ms = Math.round(performance.now() - begun);
    return answer;
  }

  /** A public document. */
  async document(why, url) {
    const answer = await this.send(why, url, { headers: { Accept: "application/json" } });
    if (!answer.ok) {
      throw new Problem(`${why}: the server answered ${answer.status}`, "Is the authorization server running? Try again in a moment.", url);
    }
    return answer.json();
  }
}
