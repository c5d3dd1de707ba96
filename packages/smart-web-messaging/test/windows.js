// Two windows of a browser, as far as postMessage goes: exact target origins, structured clones, one task for each message.

export class Page {
  #listeners = new Set();
  #views = new Map();

  constructor(origin) {
    this.origin = origin;
    this.location = { origin };
    this.opener = null;
    this.parent = this;
    this.self = this;
    this.received = [];
    this.addEventListener("message", (event) => this.received.push(event.data));
  }

  addEventListener(_, listener) {
    this.#listeners.add(listener);
  }

  removeEventListener(_, listener) {
    this.#listeners.delete(listener);
  }

  /** This page as another one sees it; always the same object. */
  seenBy(other) {
    if (!this.#views.has(other)) {
      const postMessage = (message, targetOrigin) => {
        if (targetOrigin === "*") throw new Error("nobody here sends to everybody");
        const event = { data: structuredClone(message), origin: other.origin, source: other.seenBy(this) };
        if (targetOrigin === this.origin) setImmediate(() => this.hear(event));
      };
      this.#views.set(other, { postMessage });
    }
    return this.#views.get(other);
  }

  hear(event) {
    for (const listener of this.#listeners) listener(event);
  }
}

export const EHR = "https://ehr.example.org";
export const APP = "https://app.example.com";
export const EVIL = "https://evil.example";
export const HANDLE = "swm_RXhhbXBsZSBoYW5kbGUK";

/** The authorization server's answer about the handle of the launch `l_9`, whole. */
export const ANSWER = {
  active: true,
  token_type: "smart_web_messaging_handle",
  iss: "https://as.example.org",
  client_id: "growth-chart",
  client_name: "Growth Chart",
  scope: "messaging/ui messaging/scratchpad messaging/fhir",
  fhir_scope: "patient/Patient.rs patient/Observation.crs",
  app_origins: [APP],
  smart_web_messaging_origin: EHR,
  aud: `${EHR}/fhir`,
  sub: "5c1",
  fhirUser: `${EHR}/fhir/Practitioner/42`,
  patient: "123",
  encounter: "456",
  launch_id: "l_9",
  ehr_session: "s_77",
  grant_id: "g_1",
  iat: 1767225600,
  exp: 4102444800,
};

/** Long enough for every message that is on its way to arrive. */
export async function settled() {
  for (let turn = 0; turn < 12; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
