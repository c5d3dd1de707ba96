// `ui.launchActivity`: the activities that this EHR has.

import { Refused } from "./refused.js";

/** @typedef {import("./ehr.js").Handler} Handler */

/**
 * @param {Record<string, Handler>} activities by name in the catalog, or by URI; each gets the activity's parameters
 * @returns {Record<string, Handler>} a handler
 */
export const launchActivity = (activities) => ({
  "ui.launchActivity": (payload, context) => {
    const type = String(payload["activityType"]);
    const open = Object.hasOwn(activities, type) ? activities[type] : undefined;
    if (!open) throw new Refused(`This EHR has no activity ${type}.`, 501);
    return open(/** @type {import("./envelope.js").Json} */ (payload["activityParameters"]), context);
  },
});
