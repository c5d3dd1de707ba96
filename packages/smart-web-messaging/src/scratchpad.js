// `scratchpad.*`: drafts of one patient that app and EHR share, in the memory of the EHR's page.

import { isOfAnother } from "./fhir.js";
import { Refused } from "./refused.js";
import { newId } from "./envelope.js";

/** @typedef {import("./envelope.js").Json} Json */
/** @typedef {import("./ehr.js").Context} Context */
/** @typedef {import("./ehr.js").Handler} Handler */

const MOST = 200; // drafts

export class Scratchpad {
  /** @type {Map<string, Json>} */
  #drafts = new Map();

  /**
   * @param {object} [options]
   * @param {(resource: Json) => string} [options.problem] why a draft is not taken; empty if it is
   * @param {() => void} [options.onChange]
   */
  constructor({ problem = () => "", onChange = () => {} } = {}) {
    this.problem = problem;
    this.onChange = onChange;
  }

  /** @param {string} location */
  has(location) {
    return this.#drafts.has(location);
  }

  /** @returns {Json[]} the drafts, oldest first */
  all() {
    return [...this.#drafts.values()];
  }

  /** @param {string} location */
  remove(location) {
    if (!this.#drafts.delete(location)) throw new Refused(`There is no draft ${location}.`, 404);
    this.onChange();
  }

  /** @returns {Record<string, Handler>} the four handlers */
  handlers() {
    return {
      "scratchpad.create": (payload, context) => {
        const resource = this.#checked(payload["resource"], context);
        if (this.#drafts.size >= MOST) throw new Refused("The scratchpad is full.", 422);
        return { status: "201 Created", location: this.#keep({ ...resource, id: newId() }) };
      },
      "scratchpad.read": ({ location }) => (location === undefined ? { scratchpad: this.all() } : { resource: this.#draft(String(location)) }),
      "scratchpad.update": (payload, context) => {
        const resource = this.#checked(payload["resource"], context);
        this.#draft(`${resource["resourceType"]}/${resource["id"]}`);
        this.#keep(resource);
        return { status: "200 OK" };
      },
      "scratchpad.delete": ({ location }) => {
        this.remove(String(location));
        return { status: "200 OK" };
      },
    };
  }

  /** @param {string} location */
  #draft(location) {
    const draft = this.#drafts.get(location);
    if (!draft) throw new Refused(`There is no draft ${location}.`, 404);
    return draft;
  }

  /** @param {Json} resource */
  #keep(resource) {
    const location = `${resource["resourceType"]}/${resource["id"]}`;
    this.#drafts.set(location, resource);
    this.onChange();
    return location;
  }

  /** @param {unknown} draft @param {Context} context */
  #checked(draft, { launch }) {
    const resource = /** @type {Json} */ (draft);
    if (launch.patient !== undefined && isOfAnother(resource, launch.patient)) throw new Refused("The draft is about another patient.");
    const problem = this.problem(resource);
    if (problem) throw new Refused(problem, 422);
    return resource;
  }
}
