// Requests that this end has sent and that wait for their responses. Both ends have one.

import { asResponse } from "./envelope.js";

/** @typedef {import("./envelope.js").Json} Json */
/** @typedef {import("./envelope.js").Target} Target */
/** @typedef {import("./envelope.js").Request} Request */
/** @typedef {import("./envelope.js").Response} Response */

/** Nobody answered in time: messaging is off, or the other end does not know this origin or this handle. */
export class NoAnswer extends Error {}

export class Exchange {
  /** @type {Map<string, { to: Target, origin: string, push: (response: Response) => void }>} */
  #waiting = new Map();

  /**
   * Sends a request and yields the payload of each response, until one says that it is the last.
   * @param {Target} to
   * @param {string} origin the only origin that may read it, and may answer
   * @param {Request} request
   * @param {number} seconds how long each response may take
   * @returns {AsyncGenerator<Json, void>}
   */
  async *send(to, origin, request, seconds) {
    /** @type {Response[]} */
    const arrived = [];
    let wake = () => {};
    this.#waiting.set(request.messageId, { to, origin, push: (response) => { arrived.push(response); wake(); } });
    try {
      to.postMessage(request, origin);
      for (;;) {
        const response = arrived.shift();
        if (response) {
          yield response.payload;
          if (!response.additionalResponsesExpected) return;
        } else {
          await new Promise((resolve, reject) => {
            const timer = setTimeout(() => reject(new NoAnswer(`no answer to ${request.messageType}`)), seconds * 1000);
            wake = () => { clearTimeout(timer); resolve(undefined); };
          });
        }
      }
    } finally {
      this.#waiting.delete(request.messageId);
    }
  }

  /**
   * The first response only.
   * @param {Target} to @param {string} origin @param {Request} request @param {number} seconds
   * @returns {Promise<Json>}
   */
  async first(to, origin, request, seconds) {
    for await (const payload of this.send(to, origin, request, seconds)) return payload;
    throw new NoAnswer(`no answer to ${request.messageType}`);
  }

  /**
   * Takes an event that is a response to one of our requests, from whom it was sent to.
   * @param {MessageEvent} event
   * @returns {boolean} whether it was one
   */
  settle(event) {
    const response = asResponse(event.data);
    const waiting = response && this.#waiting.get(response.responseToMessageId);
    if (!waiting || event.source !== waiting.to || event.origin !== waiting.origin) return false;
    waiting.push(response);
    return true;
  }
}
