// Reading and writing FHIR with the token.

import { Network } from "./network.js";
import { Problem, startAgain } from "./problem.js";

const LOINC = "http://loinc.org";
const CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category";
export const UNITS = "http://unitsofmeasure.org";

export class Fhir {
  constructor(session) {
    this.session = session;
    this.network = new Network(session.requests);
  }

  async request(why, path, options = {}) {
    const url = path.startsWith("http") ? path : `${this.session.fhir}/${path}`;
    // the token goes to the server it was made for, and to no other (SMART 2.2 RS-05)
    if (!url.startsWith(`${this.session.fhir}/`)) throw new Problem("A link leads to another server", "The app does not follow it.", url);
    const headers = { Accept: "application/fhir+json", Authorization: `Bearer ${this.session.response.access_token}`, ...options.headers };
    const answer = await this.network.send(why, url, { ...options, headers });
    const body = answer.status === 204 ? null : await answer.json().catch(() => null);
    if (answer.ok) return body;
    const said = body?.issue?.[0]?.diagnostics ?? `It answered ${answer.status}.`;
    const words = {
      401: ["The access has ended", `The token has expired or was taken back. ${startAgain()}`],
      403: ["The FHIR server did not allow this", "The token does not cover it. Ask for more access, or for another patient."],
      503: ["The FHIR server cannot check the token now", "The authorization server does not answer it. Try again in a moment."],
    }[answer.status] ?? ["The FHIR server could not do this", "Try again; if it happens again, tell the hospital."];
    const problem = new Problem(...words, said);
    problem.status = answer.status;
    throw problem;
  }

  patient() {
    return this.request("The patient", `Patient/${this.session.response.patient}`);
  }

  user(address) {
    return this.request("The user, by fhirUser", address);
  }

  /** All measurements of the vital signs, oldest first, page after page. */
  async vitalSigns() {
    const query = new URLSearchParams({ patient: this.session.response.patient, category: "vital-signs", _sort: "date", _count: "100" });
    let next = `Observation?${query}`;
    const found = [];
    while (next) {
      const bundle = await this.request("The vital signs", next);
      found.push(...(bundle.entry ?? []).map((entry) => entry.resource));
      next = bundle.link?.find((link) => link.relation === "next")?.url;
    }
    return found;
  }

  /** Record one weight; returns the stored Observation. */
  recordWeight(kilograms, when) {
    const { patient, encounter } = this.session.response;
    const resource = {
      resourceType: "Observation",
      status: "final",
      category: [{ coding: [{ system: CATEGORY, code: "vital-signs" }] }],
      code: { coding: [{ system: LOINC, code: "29463-7", display: "Body weight" }], text: "Body weight" },
      subject: { reference: `Patient/${patient}` },
      ...(encounter ? { encounter: { reference: `Encounter/${encounter}` } } : {}),
      effectiveDateTime: when.toISOString(),
      valueQuantity: { value: kilograms, unit: "kg", system: UNITS, code: "kg" },
    };
    const headers = { "Content-Type": "application/fhir+json" };
    return this.request("A weight is recorded", "Observation", { method: "POST", body: JSON.stringify(resource), headers });
  }
}

export function personName(resource) {
  const name = resource?.name?.[0] ?? {};
  return [...(name.prefix ?? []), ...(name.given ?? []), name.family].filter(Boolean).join(" ");
}

export const hasCode = (observation, code) =>
  (observation.code?.coding ?? []).some((coding) => coding.system === LOINC && coding.code === code);
