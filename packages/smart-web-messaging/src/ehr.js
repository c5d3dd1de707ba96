// The EHR's end of SMART Web Messaging 1.0.0: hears apps in windows that the EHR has opened, and stays silent to all others.

import { asRequest, isObject, requestOf, responseTo, newId } from "./envelope.js";
import { Exchange, NoAnswer } from "./exchange.js";
import { check, covers } from "./payloads.js";
import { Refused, answered, isKnownGroup, groupOf } from "./refused.js";

export { NoAnswer, Refused };
export { launchActivity } from "./activities.js";
export { throughFhir } from "./fhir.js";
export { Scratchpad } from "./scratchpad.js";

/** @typedef {import("./envelope.js").Json} Json */
/** @typedef {import("./envelope.js").Target} Target */
/** @typedef {import("./envelope.js").Request} Request */
/** @typedef {Json & { scope?: string, fhir_scope?: string, patient?: string }} Launch The authorization server's answer about a handle. */
/** @typedef {{ launch: Launch, window: Target, handle: string, origin: string }} Context */
/** @typedef {(payload: Json, context: Context) => Json | void | Promise<Json | void>} Handler May throw `Refused`. */
/** @typedef {{ from: "app" | "ehr", type: string, payload: Json, answer?: Json, ignored?: string, origin?: string }} Seen */

/** A window in which the EHR has opened an app, and what is known of it. */
class Binding {
  id = newId();
  handle = "";
  origin = "";
  /** @type {Set<string>} */
  done = new Set();
  /** @type {Map<string, { answer: Promise<Launch>, until: number }>} */
  answers = new Map();

  /** @param {string} launchId */
  constructor(launchId) {
    this.launchId = launchId;
  }
}

export class WebMessagingHost {
  #exchange = new Exchange();
  /** @type {WeakMap<object, Binding>} */
  #bindings = new WeakMap();

  /**
   * @param {object} options
   * @param {(handle: string, seen: { origin: string, messageType: string, window: string }) => Promise<Launch>} options.verify
   *   asks the EHR's back end, which asks the authorization server
   * @param {string | null} options.ehrSession this EHR session; null if the back end names it when it asks
   * @param {Record<string, Handler>} [options.handlers] by message type; what is not there is not offered
   * @param {(context: Context) => void} [options.close] closes the app's window, after `ui.done`
   * @param {(handle: string) => Promise<unknown>} [options.revoke] ends the handle, through the back end, after `ui.done`
   * @param {(seen: Seen) => void} [options.onMessage] sees every message, those that were ignored too
   * @param {(error: unknown) => void} [options.onProblem] hears what went wrong here
   * @param {string} [options.origin] the origin of this page, as the launch named it
   * @param {number} [options.cacheSeconds] how long an answer about a handle is believed; 0: never
   * @param {Window} [options.window]
   */
  constructor({ verify, ehrSession, handlers = {}, close, revoke, onMessage, onProblem, origin, cacheSeconds = 2, window = globalThis.window }) {
    if (ehrSession === undefined) throw new TypeError("ehrSession is needed, or null where the back end checks it");
    this.verify = verify;
    this.ehrSession = ehrSession;
    /** @type {Record<string, Handler>} */
    this.handlers = { "status.handshake": () => ({}), ...handlers };
    this.closeWindow = close ?? (() => {});
    this.revoke = revoke ?? (async () => {});
    this.onMessage = onMessage ?? (() => {});
    this.onProblem = onProblem ?? ((error) => console.error(error));
    this.window = window;
    this.origin = origin ?? window.location.origin;
    this.cacheSeconds = cacheSeconds;
    window.addEventListener("message", this.#hear);
  }

  /** Stop listening. */
  stop() {
    this.window.removeEventListener("message", this.#hear);
  }

  /**
   * Says that the app of a launch was opened in this window: only its messages are heard there.
   * @param {Target} target @param {string} launchId `launch_id` of the answer to `POST /launch`
   */
  bind(target, launchId) {
    this.#bindings.set(target, new Binding(launchId));
  }

  /** Whatever comes from this window is ignored from now on. @param {Target} target */
  release(target) {
    this.#bindings.delete(target);
  }

  /**
   * Lets the EHR speak first, with what its back end got from `GET /launch/{launch_id}`.
   * @param {Target} target @param {string} handle @param {string} origin the app's
   */
  introduce(target, handle, origin) {
    const binding = this.#bindings.get(target);
    if (binding) Object.assign(binding, { handle, origin });
  }

  /**
   * A request to the app in this window; the payload of its first response. Throws NoAnswer.
   * @param {Target} target @param {string} type @param {Json} [payload] @param {number} [seconds]
   */
  async request(target, type, payload = {}, seconds = 5) {
    const { handle, origin } = this.#bindings.get(target) ?? {};
    if (!handle || !origin) throw new NoAnswer("the app in this window is not known yet");
    const answer = await this.#exchange.first(target, origin, requestOf(handle, type, payload), seconds);
    this.onMessage({ from: "ehr", type, payload, answer, origin });
    return answer;
  }

  #hear = async (/** @type {MessageEvent} */ event) => {
    const request = asRequest(event.data);
    if (!request) return void this.#exchange.settle(event);
    const source = /** @type {Target | null} */ (event.source);
    const binding = source ? this.#bindings.get(source) : undefined;
    const seen = /** @type {Seen} */ ({ from: "app", type: request.messageType, payload: request.payload, origin: event.origin });
    if (!source || !binding) return this.onMessage({ ...seen, ignored: "the EHR has opened no app in this window" });
    const { launch, ignored } = await this.#verified(request, event.origin, binding);
    if (ignored || this.#bindings.get(source) !== binding) return this.onMessage({ ...seen, ignored: ignored || "the app was closed" });
    if (binding.done.has(request.messageId)) return this.onMessage({ ...seen, ignored: "it was answered already" });
    binding.done.add(request.messageId);
    Object.assign(binding, { handle: request.messagingHandle, origin: event.origin });
    await this.#answer(request, { launch, window: source, handle: request.messagingHandle, origin: event.origin }, seen);
  };

  /** @param {Request} request @param {string} origin @param {Binding} binding */
  async #verified(request, origin, binding) {
    try {
      const launch = await this.#asked(request, origin, binding);
      return { launch, ignored: this.#reasonToIgnore(launch, origin, binding) || (isKnownGroup(request.messageType) ? "" : "no such message") };
    } catch (error) {
      this.onProblem(error);
      return { launch: {}, ignored: "the handle could not be verified" };
    }
  }

  /** @param {Request} request @param {string} origin @param {Binding} binding @returns {Promise<Launch>} */
  #asked({ messagingHandle: handle, messageType }, origin, binding) {
    const key = JSON.stringify([handle, origin, messageType]);
    const known = binding.answers.get(key);
    if (known && known.until > Date.now()) return known.answer;
    if (binding.answers.size >= 100) binding.answers.clear();
    const answer = this.verify(handle, { origin, messageType, window: binding.id });
    binding.answers.set(key, { answer, until: Date.now() + this.cacheSeconds * 1000 });
    answer.catch(() => binding.answers.delete(key));
    return answer;
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

  /** @param {Request} request @param {Context} context @param {Seen} seen */
  async #answer(request, context, seen) {
    const { messageType: type, payload } = request;
    const answer = await answered(type, () => this.#work(type, payload, context), this.onProblem);
    context.window.postMessage(responseTo(request, answer), context.origin);
    this.onMessage({ ...seen, answer });
    if (type === "ui.done" && answer["status"] === "success") await this.#end(context);
  }

  /** @param {string} type @param {Json} payload @param {Context} context */
  #work(type, payload, context) {
    const { launch } = context;
    if (!covers(launch.scope, type) || (launch["allowed"] === false && groupOf(type) !== "status")) {
      throw new Refused(`The app was not granted messaging/${groupOf(type)}.`);
    }
    check(type, payload);
    const handler = Object.hasOwn(this.handlers, type) ? this.handlers[type] : undefined;
    if (!handler) throw new Refused(`This EHR does not offer ${type}.`, 501);
    return handler(payload, context);
  }

  /** @param {Context} context */
  async #end(context) {
    this.release(context.window);
    try {
      this.closeWindow(context);
      await this.revoke(context.handle);
    } catch (error) {
      this.onProblem(error);
    }
  }
}
