// Whose message is this? What the EHR's page can see of a message, against what the authorization server says of its handle.

import { Recent, isObject, newId } from "./envelope.js";
import { isKnownGroup } from "./refused.js";

/** @typedef {import("./envelope.js").Json} Json */
/** @typedef {import("./envelope.js").Request} Request */
/** @typedef {import("./ehr.js").Launch} Launch */
/** @typedef {(handle: string, seen: { origin: string, messageType: string, window?: string }) => Promise<Launch>} Verify */

const AT_ONCE = 20; // messages of one window that may wait for the back end
const KEPT = 100; // answers about one window

/** A window in which the EHR has opened an app, and what is known of it. */
export class Binding {
  id = newId();
  handle = "";
  origin = "";
  checking = 0;
  done = new Recent();
  /** @type {Map<string, { answer: Promise<Launch>, until: number }>} */
  answers = new Map();

  /** @param {string} launchId */
  constructor(launchId) {
    this.launchId = launchId;
  }
}

export class Verification {
  /** @param {{ verify: Verify, ehrSession: string | null, origin: string, cacheSeconds: number, onProblem: (error: unknown) => void }} options */
  constructor({ verify, ehrSession, origin, cacheSeconds, onProblem }) {
    this.verify = verify;
    this.ehrSession = ehrSession;
    this.origin = origin;
    this.cacheSeconds = cacheSeconds;
    this.onProblem = onProblem;
  }

  /**
   * The launch that a message belongs to, or why it is ignored.
   * @param {Request} request @param {string} origin @param {Binding} binding @returns {Promise<{ launch: Launch, ignored: string }>}
   */
  async of(request, origin, binding) {
    if (binding.checking >= AT_ONCE) return { launch: {}, ignored: "too many messages at once" };
    binding.checking += 1;
    try {
      const launch = await this.#asked(request, origin, binding);
      return { launch, ignored: this.#reasonToIgnore(launch, origin, binding) || (isKnownGroup(request.messageType) ? "" : "no such message") };
    } catch (error) {
      this.onProblem(error);
      return { launch: {}, ignored: "the handle could not be verified" };
    } finally {
      binding.checking -= 1;
    }
  }

  /** @param {Request} request @param {string} origin @param {Binding} binding @returns {Promise<Launch>} */
  #asked({ messagingHandle: handle, messageType }, origin, binding) {
    const key = JSON.stringify([handle, origin, messageType]);
    const known = binding.answers.get(key);
    if (known && known.until > Date.now()) return known.answer;
    if (binding.answers.size >= KEPT) binding.answers.clear();
    const answer = this.#askedAnew(handle, { origin, messageType }, binding);
    binding.answers.set(key, { answer, until: Date.now() + this.cacheSeconds * 1000 });
    answer.catch(() => binding.answers.delete(key));
    return answer;
  }

  /**
   * The first time in two steps: a handle stolen from another launch must not be tied to this window, away from its own.
   * @param {string} handle @param {{ origin: string, messageType: string }} seen @param {Binding} binding
   */
  async #askedAnew(handle, seen, binding) {
    if (binding.handle !== handle) {
      const launch = await this.verify(handle, seen);
      if (this.#reasonToIgnore(launch, seen.origin, binding)) return launch;
    }
    return this.verify(handle, { ...seen, window: binding.id });
  }

  /** @param {Launch} launch @param {string} origin @param {Binding} binding */
  #reasonToIgnore(launch, origin, binding) {
    const { active, token_type: kind, app_origins: origins, smart_web_messaging_origin: meantFor, exp } = isObject(launch) ? launch : /** @type {Json} */ ({});
    if (active !== true || kind !== "smart_web_messaging_handle") return "the handle is not active";
    if (typeof exp !== "number" || exp * 1000 <= Date.now()) return "the handle has expired";
    if (origin === "null" || !Array.isArray(origins) || !origins.includes(origin)) return "the origin is not one of the app's";
    if (meantFor !== this.origin) return "the handle is meant for another page";
    if (this.ehrSession !== null && launch["ehr_session"] !== this.ehrSession) return "the handle is of another session";
    if (launch["launch_id"] !== binding.launchId) return "the handle is of another app's launch";
    return "";
  }
}
