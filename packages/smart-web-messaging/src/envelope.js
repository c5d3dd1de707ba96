// The envelope that both ends agree on (SMART Web Messaging 1.0.0, "Message Structure").

/** @typedef {Record<string, unknown>} Json */
/** @typedef {{ messagingHandle: string, messageId: string, messageType: string, payload: Json }} Request */
/** @typedef {{ messageId: string, responseToMessageId: string, payload: Json, additionalResponsesExpected?: boolean }} Response */
/** @typedef {{ postMessage(message: unknown, targetOrigin: string): void }} Target A window, as another origin sees it. */

const LONGEST = 500; // characters of a handle, an id or a type

/** @param {unknown} value @returns {value is Json} */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {unknown} value @returns {value is string} */
const isWord = (value) => typeof value === "string" && value !== "" && value.length <= LONGEST;

/** @param {unknown} payload Absent counts as empty: the IG's own examples leave it out. */
const payloadOf = (payload) => (payload === undefined ? {} : isObject(payload) ? payload : null);

/** @param {unknown} data @returns {Request | null} */
export function asRequest(data) {
  if (!isObject(data)) return null;
  const { messagingHandle, messageId, messageType } = data;
  const payload = payloadOf(data["payload"]);
  if (!isWord(messagingHandle) || !isWord(messageId) || !isWord(messageType) || !payload) return null;
  return { messagingHandle, messageId, messageType, payload };
}

/** @param {unknown} data @returns {Response | null} */
export function asResponse(data) {
  if (!isObject(data) || "messageType" in data) return null;
  const { messageId, responseToMessageId } = data;
  const payload = payloadOf(data["payload"]);
  if (!isWord(messageId) || !isWord(responseToMessageId) || !payload) return null;
  return { messageId, responseToMessageId, payload, additionalResponsesExpected: data["additionalResponsesExpected"] === true };
}

/** @param {string} messagingHandle @param {string} messageType @param {Json} payload @returns {Request} */
export const requestOf = (messagingHandle, messageType, payload) => ({ messagingHandle, messageId: newId(), messageType, payload });

/** @param {Request} request @param {Json} payload @returns {Response} The one and last response. */
export const responseTo = (request, payload) => ({ messageId: newId(), responseToMessageId: request.messageId, payload });

/** 128 random bits. `crypto.randomUUID` needs a secure context, which a test hospital may not have. */
export const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The last few thousand of something: an app that stays open for weeks must not fill the memory. */
export class Recent {
  /** @type {Set<string>} */
  #known = new Set();

  /** @param {string} item @returns {boolean} whether it is new */
  add(item) {
    if (this.#known.has(item)) return false;
    this.#known.add(item);
    if (this.#known.size > 5000) for (const oldest of this.#known) return this.#known.delete(oldest);
    return true;
  }
}

/** @param {string} text Whether it is what a browser reports as `event.origin`: no path, no `*`, never `null`. */
export const isOrigin = (text) => URL.canParse(text) && new URL(text).origin === text && text !== "null";
