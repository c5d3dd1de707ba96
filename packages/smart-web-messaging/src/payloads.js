// What a request to the EHR must carry ("Message Types"), and the scope it needs. Throws Refused.

import { isObject } from "./envelope.js";
import { Refused, groupOf } from "./refused.js";

/** @typedef {import("./envelope.js").Json} Json */

export const LOCATION = /^[A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64}$/;

/** @param {unknown} condition @param {string} words */
function must(condition, words) {
  if (!condition) throw new Refused(words, 400);
}

/** @param {unknown} value @param {RegExp} pattern */
const matches = (value, pattern) => typeof value === "string" && pattern.test(value);

/** @param {unknown} value @returns {value is Json} */
const isResource = (value) => isObject(value) && matches(value["resourceType"], /^[A-Z][A-Za-z]+$/);

/** @param {unknown} value */
const isKept = (value) => isResource(value) && typeof value["id"] === "string" && LOCATION.test(`${value["resourceType"]}/${value["id"]}`);

/** The activity catalog: the parameter that each activity must have. @type {Record<string, (parameters: Json) => unknown>} */
const CATALOG = {
  "appointment-book": ({ appointmentLocations: bundle }) => isObject(bundle) && bundle["resourceType"] === "Bundle",
  "order-review": ({ draftOrderLocations: list }) => Array.isArray(list) && list.length > 0 && list.every((item) => matches(item, LOCATION)),
  "problem-review": ({ problemLocation }) => matches(problemLocation, /^Condition\/[A-Za-z0-9.-]{1,64}$/),
};

/** @type {Record<string, (payload: Json) => void>} */
const RULES = {
  "status.handshake": () => {},
  "ui.done": (payload) => must(!("activityType" in payload || "activityParameters" in payload), "ui.done names no activity."),
  "ui.launchActivity": ({ activityType, activityParameters }) => {
    must(typeof activityType === "string" && isObject(activityParameters), "activityType and activityParameters are needed.");
    const type = String(activityType);
    const inCatalog = Object.hasOwn(CATALOG, type);
    must(inCatalog || (URL.canParse(type) && /^https?:/.test(type)), `${type} is neither in the catalog nor a URI.`);
    must(!inCatalog || CATALOG[type]?.(/** @type {Json} */ (activityParameters)), `The parameters of ${type} are not those of the catalog.`);
  },
  "scratchpad.create": ({ resource }) => must(isResource(resource), "A resource with its resourceType is needed."),
  "scratchpad.read": ({ location }) => must(location === undefined || matches(location, LOCATION), "A location is a type, a slash and an id."),
  "scratchpad.update": ({ resource }) => must(isKept(resource), "A resource with resourceType and id is needed."),
  "scratchpad.delete": ({ location }) => must(matches(location, LOCATION), "A location is needed: a type, a slash and an id."),
  "fhir.http": ({ bundle }) => must(isObject(bundle) && bundle["resourceType"] === "Bundle", "A Bundle is needed."),
};

/** @param {string} messageType @param {Json} payload */
export function check(messageType, payload) {
  const rule = Object.hasOwn(RULES, messageType) ? RULES[messageType] : undefined;
  if (!rule) throw new Refused(`There is no message ${messageType}.`, 501);
  rule(payload);
}

/**
 * Whether the messaging scopes of a grant hold this message: its group, or the message itself.
 * @param {unknown} scope @param {string} messageType
 */
export function covers(scope, messageType) {
  const held = typeof scope === "string" ? scope.split(" ") : [];
  const group = groupOf(messageType);
  return group === "status" || held.includes(`messaging/${group}`) || held.includes(`messaging/${messageType}`);
}
