// How each group of messages says no: the IG puts errors into the payload, and has a form of its own for each group.

/** @typedef {import("./envelope.js").Json} Json */

const WORDS = /** @type {Record<number, [string, string]>} */ ({
  400: ["Bad Request", "invalid"],
  403: ["Forbidden", "forbidden"],
  404: ["Not Found", "not-found"],
  422: ["Unprocessable Entity", "processing"],
  500: ["Internal Server Error", "exception"],
  501: ["Not Implemented", "not-supported"],
});

/** A request that is not done; the message is for the other end. */
export class Refused extends Error {
  /** @param {string} message @param {number} [code] one of 400, 403, 404, 422, 500, 501 */
  constructor(message, code = 403) {
    super(message);
    this.code = code in WORDS ? code : 500;
  }

  /** `403 Forbidden` */
  get status() {
    return `${this.code} ${WORDS[this.code]?.[0]}`;
  }

  /** @returns {Json} */
  get outcome() {
    return { resourceType: "OperationOutcome", issue: [{ severity: "error", code: WORDS[this.code]?.[1], diagnostics: this.message }] };
  }
}

/** @type {Record<string, (refused: Refused, type: string) => Json>} */
const FORMS = {
  status: (refused) => ({ error: { code: WORDS[refused.code]?.[1], display: refused.message } }),
  ui: (refused) => ({ status: "failure", statusDetail: { text: refused.message } }),
  scratchpad: ({ status, outcome }, type) => (type === "scratchpad.read" ? { outcome } : { status, outcome }),
  fhir: ({ outcome }) => ({ outcome }),
};

/** @param {string} messageType */
export const groupOf = (messageType) => messageType.split(".", 1)[0] ?? "";

/** @param {string} messageType Whether the IG says how an error of it looks; to any other message there is no answer. */
export const isKnownGroup = (messageType) => Object.hasOwn(FORMS, groupOf(messageType));

/**
 * The payload that answers a request of a known group: what `work` returns, or why it was not done.
 * @param {string} messageType
 * @param {() => unknown} work
 * @param {(error: unknown) => void} onProblem gets what is not meant for the other end
 * @returns {Promise<Json>}
 */
export async function answered(messageType, work, onProblem) {
  try {
    const done = await work();
    return /** @type {Json} */ (structuredClone(done ?? (groupOf(messageType) === "ui" ? { status: "success" } : {}))); // or it can't be sent
  } catch (error) {
    if (!(error instanceof Refused)) onProblem(error);
    const refused = error instanceof Refused ? error : new Refused("This could not be done.", 500);
    return FORMS[groupOf(messageType)]?.(refused, messageType) ?? {};
  }
}

/**
 * What a response says went wrong, or nothing. `status` of `ui.*` is `failure` in the IG's prose and `error` in its code system.
 * @param {Json} payload
 * @returns {string}
 */
export function problemOf(payload) {
  const { status, statusDetail, error, outcome } = /** @type {any} */ (payload);
  const failed = status === "failure" || status === "error" || /^[45]\d\d\b/.test(status ?? "");
  const issue = outcome?.issue?.find?.((/** @type {any} */ item) => item?.severity === "error" || item?.severity === "fatal");
  const isBad = failed || error !== undefined || (issue !== undefined && status === undefined);
  const words = statusDetail?.text ?? error?.display ?? issue?.diagnostics ?? issue?.details?.text ?? error?.code ?? status;
  return isBad ? String(words ?? "no reason was given") : "";
}
