// The app's end of SMART Web Messaging 1.0.0.

import { Recent, asRequest, isOrigin, requestOf, responseTo } from "./envelope.js";
import { Exchange, NoAnswer } from "./exchange.js";
import { Refused, answered, isKnownGroup, problemOf } from "./refused.js";

export { NoAnswer, Refused, problemOf };

/** @typedef {import("./envelope.js").Json} Json */
/** @typedef {import("./envelope.js").Target} Target */
/** @typedef {(payload: Json) => Json | void | Promise<Json | void>} Handler May throw `Refused`. */

/** The page that opened this one: the frame it stands in, or the window of which it is a new tab. */
export function ehrWindow(/** @type {Window} */ window) {
  const found = window.parent !== window.self ? window.parent : window.opener;
  if (!found) throw new Error("no EHR has opened this window");
  return /** @type {Target} */ (found);
}

export class WebMessagingClient {
  #exchange = new Exchange();
  #answered = new Recent();

  /**
   * @param {object} options
   * @param {string} options.handle `smart_web_messaging_handle` of the token response
   * @param {string} options.origin `smart_web_messaging_origin` of the token response
   * @param {Window} [options.window]
   * @param {number} [options.seconds] how long a response may take: an EHR that does not know us stays silent
   * @param {Record<string, Handler>} [options.handlers] answers to what the EHR asks, by message type
   * @param {(error: unknown) => void} [options.onProblem] hears what went wrong in a handler
   */
  constructor({ handle, origin, window = globalThis.window, seconds = 5, handlers = {}, onProblem = () => {} }) {
    if (!handle || !isOrigin(origin)) throw new TypeError("a handle and an exact origin are needed");
    this.handle = handle;
    this.origin = origin;
    this.seconds = seconds;
    /** @type {Record<string, Handler>} */
    this.handlers = { "status.handshake": () => ({}), ...handlers };
    this.onProblem = onProblem;
    this.window = window;
    this.ehr = ehrWindow(window);
    window.addEventListener("message", this.#hear);
  }

  /** Stop listening. */
  close() {
    this.window.removeEventListener("message", this.#hear);
  }

  /**
   * Sends a request; the payload of the first response. Throws NoAnswer, or Refused if the response says no.
   * @param {string} type @param {Json} [payload] @param {number} [seconds]
   */
  async request(type, payload = {}, seconds = this.seconds) {
    const answer = await this.#exchange.first(this.ehr, this.origin, requestOf(this.handle, type, payload), seconds);
    const problem = problemOf(answer);
    if (problem) throw Object.assign(new Refused(problem), { payload: answer });
    return answer;
  }

  /**
   * Sends a request; the payloads of all responses (`additionalResponsesExpected`), whatever they say.
   * @param {string} type @param {Json} [payload] @param {number} [seconds] for each of them
   */
  responses(type, payload = {}, seconds = this.seconds) {
    return this.#exchange.send(this.ehr, this.origin, requestOf(this.handle, type, payload), seconds);
  }

  /** Is messaging on, and does the EHR know us? */
  handshake() {
    return this.request("status.handshake");
  }

  /** The app's work is done: the EHR may close it. */
  done() {
    return this.request("ui.done");
  }

  /** @param {string} activityType @param {Json} activityParameters */
  launchActivity(activityType, activityParameters) {
    return this.request("ui.launchActivity", { activityType, activityParameters });
  }

  /** @param {Json} resource @returns {Promise<string>} where it is, `ServiceRequest/…` */
  async create(resource) {
    return String((await this.request("scratchpad.create", { resource }))["location"]);
  }

  /** @param {string} location @returns {Promise<Json>} */
  async read(location) {
    return /** @type {Json} */ ((await this.request("scratchpad.read", { location }))["resource"]);
  }

  /** @returns {Promise<Json[]>} everything on the scratchpad */
  async readAll() {
    return /** @type {Json[]} */ ((await this.request("scratchpad.read"))["scratchpad"] ?? []);
  }

  /** @param {Json} resource with `resourceType` and `id` */
  update(resource) {
    return this.request("scratchpad.update", { resource });
  }

  /** @param {string} location */
  delete(location) {
    return this.request("scratchpad.delete", { location });
  }

  /** @param {Json} bundle a batch @returns {Promise<Json>} the batch-response; each entry says how it went */
  async fhir(bundle) {
    return /** @type {Json} */ ((await this.request("fhir.http", { bundle }))["bundle"]);
  }

  #hear = async (/** @type {MessageEvent} */ event) => {
    if (event.source !== this.ehr || event.origin !== this.origin || this.#exchange.settle(event)) return;
    const request = asRequest(event.data);
    if (!request || request.messagingHandle !== this.handle || !isKnownGroup(request.messageType)) return;
    if (!this.#answered.add(request.messageId)) return; // once for each request
    const handler = Object.hasOwn(this.handlers, request.messageType) ? this.handlers[request.messageType] : undefined;
    const payload = await answered(
      request.messageType,
      () => {
        if (!handler) throw new Refused(`This app does not answer ${request.messageType}.`, 501);
        return handler(request.payload);
      },
      this.onProblem,
    );
    this.ehr.postMessage(responseTo(request, payload), this.origin);
  };
}
