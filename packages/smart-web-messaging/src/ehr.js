// The EHR's end of SMART Web Messaging 1.0.0: hears apps in windows that the EHR has opened, and stays silent to all others.

import { asRequest, requestOf, responseTo } from "./envelope.js";
import { Exchange, NoAnswer } from "./exchange.js";
import { check, covers } from "./payloads.js";
import { Refused, answered, groupOf } from "./refused.js";
import { Binding, Verification } from "./verification.js";

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

export class WebMessagingHost {
  #exchange = new Exchange();
  /** @type {WeakMap<object, Binding>} */
  #bindings = new WeakMap();

  /**
   * @param {object} options
   * @param {import("./verification.js").Verify} options.verify
   *   asks the EHR's back end, which asks the authorization server; `window` ties a handle to its window there
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
    /** @type {Record<string, Handler>} */
    this.handlers = { "status.handshake": () => ({}), ...handlers };
    this.closeWindow = close ?? (() => {});
    this.revoke = revoke ?? (async () => {});
    this.onProblem = onProblem ?? ((error) => console.error(error));
    /** @param {Seen} seen Whoever looks on can't stop the work. */
    this.onMessage = (seen) => void this.#attempt(() => onMessage?.(seen));
    this.window = window;
    this.verification = new Verification({ verify, ehrSession, cacheSeconds, origin: origin ?? window.location.origin, onProblem: this.onProblem });
    window.addEventListener("message", this.#hear);
  }

  /** Stop listening. */
  stop() {
    this.window.removeEventListener("message", this.#hear);
  }

  /**
   * Says that the app of a launch was opened in this window: only its messages are heard there. What was there before is ended.
   * @param {Target} target @param {string} launchId `launch_id` of the answer to `POST /launch`
   */
  bind(target, launchId) {
    if (!launchId) throw new TypeError("a window is bound to a launch by its launch_id");
    void this.end(target);
    this.#bindings.set(target, new Binding(launchId));
  }

  /**
   * The EHR closes this window, or opens something else in it: whatever still comes from it is ignored, its handle revoked.
   * @param {Target} target
   */
  async end(target) {
    const { handle } = this.#bindings.get(target) ?? {};
    this.#bindings.delete(target);
    if (handle) await this.#attempt(() => this.revoke(handle));
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
    const { launch, ignored } = await this.verification.of(request, event.origin, binding);
    if (ignored || this.#bindings.get(source) !== binding) return this.onMessage({ ...seen, ignored: ignored || "the app was closed" });
    if (!binding.done.add(request.messageId)) return this.onMessage({ ...seen, ignored: "it was answered already" });
    Object.assign(binding, { handle: request.messagingHandle, origin: event.origin });
    await this.#answer(request, { launch, window: source, handle: request.messagingHandle, origin: event.origin }, seen);
  };

  /** @param {Request} request @param {Context} context @param {Seen} seen */
  async #answer(request, context, seen) {
    const { messageType: type, payload } = request;
    const answer = await answered(type, () => this.#work(type, payload, context), this.onProblem);
    context.window.postMessage(responseTo(request, answer), context.origin);
    this.onMessage({ ...seen, answer });
    if (type !== "ui.done" || answer["status"] !== "success") return;
    await this.end(context.window);
    await this.#attempt(() => this.closeWindow(context));
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

  /** @param {() => unknown} work */
  async #attempt(work) {
    try {
      await work();
    } catch (error) {
      this.onProblem(error);
    }
  }
}
