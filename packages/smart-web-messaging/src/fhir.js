// `fhir.http`: a batch of plain reads, searches and creates. Whatever can't be decided beforehand is refused.
// The EHR executes what passes with the user's own rights; what comes back is looked at before the app gets it.

import { isObject } from "./envelope.js";
import { Refused } from "./refused.js";

/** @typedef {import("./envelope.js").Json} Json */
/** @typedef {import("./ehr.js").Launch} Launch */
/** @typedef {import("./ehr.js").Handler} Handler */
/** @typedef {{ method: string, url: string, resource?: Json }} FhirRequest relative to the FHIR server's base */
/** @typedef {{ status: string, resource?: Json, location?: string, etag?: string, lastModified?: string }} FhirAnswer */
/** @typedef {{ letter: string, type: string, id?: string, query?: URLSearchParams, request: FhirRequest }} Interaction */

const MOST = 50; // entries
const SCOPE = /^(patient|user)\/(\*|[A-Z][A-Za-z]+)\.(\*|read|write|c?r?u?d?s?)$/; // one with a constraint opens nothing here
const V1 = /** @type {Record<string, string>} */ ({ "*": "cruds", read: "rs", write: "cud" });
const URL_ = /^([A-Z][A-Za-z]+)(?:\/([A-Za-z0-9.-]{1,64}))?(?:\?([^#]*))?$/;
const PARAMETER = /^([a-z][a-z-]*|_id|_count|_sort|_lastUpdated|_total)$/; // no chain, no modifier, no include

/** @param {unknown} value @returns {string} */
const referenceIn = (value) => (isObject(value) && typeof value["reference"] === "string" ? value["reference"] : "");

/** Whose a resource is, as far as `subject` and `patient` say. @param {Json} resource @returns {string[]} */
const holders = (resource) =>
  resource["resourceType"] === "Patient" ? [`Patient/${resource["id"]}`] : ["subject", "patient"].filter((name) => name in resource).map((name) => referenceIn(resource[name]));

/** @param {unknown} resource @param {string} patient */
export function isOfAnother(resource, patient) {
  return isObject(resource) && holders(resource).some((holder) => holder !== `Patient/${patient}`);
}

/** @param {unknown} resource @param {string} patient Known to be of this patient, and of no other. */
const isOf = (resource, patient) => isObject(resource) && holders(resource).length > 0 && !isOfAnother(resource, patient);

/** @param {unknown} entry @param {string} base @returns {Interaction} Throws Refused. */
export function understood(entry, base) {
  const { request, resource } = isObject(entry) ? entry : /** @type {Json} */ ({});
  if (!isObject(request) || Object.keys(request).some((name) => name !== "method" && name !== "url")) {
    throw new Refused("An entry has a request with method and url, and nothing else.");
  }
  const { method, url } = request;
  const path = typeof url === "string" ? (url.startsWith(`${base}/`) ? url.slice(base.length + 1) : url) : "";
  const [, type = "", id, query] = URL_.exec(path) ?? [];
  const sent = { method: String(method), url: path };
  if (type && method === "GET" && id !== undefined && query === undefined) return { letter: "r", type, id, request: sent };
  if (type && method === "GET" && id === undefined) return { letter: "s", type, query: searched(query ?? ""), request: sent };
  if (type && method === "POST" && id === undefined && query === undefined && isObject(resource) && resource["resourceType"] === type) {
    return { letter: "c", type, request: { ...sent, resource } };
  }
  throw new Refused("Only plain reads, searches and creates pass through the EHR.");
}

/** @param {string} text */
function searched(text) {
  const query = new URLSearchParams(text);
  const names = [...query.keys()];
  if (!names.every((name) => PARAMETER.test(name)) || new Set(names).size !== names.length) {
    throw new Refused("A search has plain parameters, each once.");
  }
  return query;
}

/**
 * The level of scope that allows an interaction: `user`, or `patient` if it is about the patient of the launch.
 * @param {Interaction} interaction @param {Launch} launch @returns {"user" | "patient"} Throws Refused.
 */
export function allowed({ letter, type, id, query, request }, { fhir_scope: scope, patient }) {
  const levels = (scope ?? "").split(" ").flatMap((item) => {
    const [, level = "", types = "", letters = ""] = SCOPE.exec(item) ?? [];
    return (types === "*" || types === type) && (V1[letters] ?? letters).includes(letter) ? [level] : [];
  });
  if (levels.includes("user")) return "user";
  if (!levels.includes("patient") || !patient) throw new Refused(`No granted scope lets this app do this (${letter}) with ${type}.`);
  const named = query?.get(type === "Patient" ? "_id" : "patient");
  const isAboutThem = {
    r: type !== "Patient" || id === patient, // of another type: seen when it is there
    s: named === patient || (type !== "Patient" && named === `Patient/${patient}`),
    c: type !== "Patient" && isOf(request.resource, patient),
  }[letter];
  if (!isAboutThem) throw new Refused("This is not about the patient of the launch, or does not say so.");
  return "patient";
}

/** What came back under `patient/` must be the patient's, all of it. @param {FhirAnswer} answer @param {string} letter @param {string} patient */
function checkAnswer(answer, letter, patient) {
  if (letter === "c") return;
  const { resource } = answer;
  const found = letter === "r" ? [resource] : isObject(resource) && Array.isArray(resource["entry"]) ? resource["entry"].map((entry) => entry?.resource) : [];
  if (!answer.status.startsWith("200") || !found.every((item) => isOf(item, patient))) {
    throw new Refused("There is nothing there that is of the patient of the launch.");
  }
}

/**
 * @param {object} options
 * @param {string} options.base the FHIR server's base URL, without a slash at the end
 * @param {(request: FhirRequest, context: import("./ehr.js").Context) => Promise<FhirAnswer>} options.execute
 *   does it with the rights of the user of this page, and no more
 * @param {(error: unknown) => void} [options.onProblem]
 * @returns {Record<string, Handler>} a handler
 */
export function throughFhir({ base, execute, onProblem = (error) => console.error(error) }) {
  /** @param {unknown} entry @param {import("./ehr.js").Context} context @returns {Promise<Json>} */
  async function one(entry, context) {
    try {
      const interaction = understood(entry, base);
      const level = allowed(interaction, context.launch);
      const answer = await execute(interaction.request, context);
      if (level === "patient") checkAnswer(answer, interaction.letter, String(context.launch.patient));
      const { resource, ...response } = answer;
      return { response, ...(resource ? { resource } : {}) };
    } catch (error) {
      if (!(error instanceof Refused)) onProblem(error);
      const { status, outcome } = error instanceof Refused ? error : new Refused("This could not be done.", 500);
      return { response: { status, outcome } };
    }
  }
  return {
    "fhir.http": async ({ bundle }, context) => {
      const { type, entry } = /** @type {Json} */ (bundle);
      if (type !== "batch") throw new Refused("Only a batch passes through the EHR: its entries are independent.", 501);
      if (!Array.isArray(entry) || entry.length === 0 || entry.length > MOST) throw new Refused(`A batch has 1 to ${MOST} entries.`, 400);
      const answers = [];
      for (const item of entry) answers.push(await one(item, context)); // in order, one at a time
      return { bundle: { resourceType: "Bundle", type: "batch-response", entry: answers } };
    },
  };
}
