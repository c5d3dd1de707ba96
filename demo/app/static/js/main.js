// The page at the redirect address: starts a sign-in, finishes one, or goes on with the one this tab has.

import { MEASURES, course, showChart } from "./chart.js";
import { byId, make } from "./dom.js";
import { Fhir, personName } from "./fhir.js";
import { verify } from "./id_token.js";
import { forget, keep, recall } from "./memory.js";
import { talkToEhr } from "./messaging.js";
import { Network } from "./network.js";
import { showIdentity, showRequests, showStory, showToken, wireTabs } from "./panels.js";
import { Problem, show, startAgain } from "./problem.js";
import { begin, finish, refresh, revoke, seconds } from "./smart.js";

const status = byId("status");
const state = { session: null, fhir: null, patient: null, observations: [], measure: "weight", fresh: null };

function say(words) {
  status.textContent = words;
  status.hidden = !words;
}

async function currentSession() {
  const parameters = new URLSearchParams(window.location.search);
  if (!parameters.has("state") && !parameters.has("error")) return recall("session");
  window.history.replaceState(null, "", "/"); // the code must not stay in the address bar, nor be sent twice
  say("Exchanging the code for a token …");
  return finish(parameters);
}

async function identity(session) {
  if (!session.response.id_token) return [null, null];
  // an id_token proves the sign-in at its time; after a reload the moment of the sign-in counts
  const expected = { issuer: session.issuer, clientId: document.body.dataset.client, nonce: session.nonce, now: session.signedIn ?? seconds() };
  const verified = await verify(session.response.id_token, expected, new Network(session.requests));
  session.signedIn ??= seconds();
  const address = verified.claims.fhirUser;
  const user = address ? await state.fhir.user(address).catch(() => null) : null; // not knowing the name stops nothing
  return [verified, user];
}

function showPatient() {
  const { patient, session } = state;
  const place = byId("patient");
  // false: the EHR shows its own banner beside the app, a second one would only confuse
  place.hidden = session.response.need_patient_banner === false;
  place.replaceChildren(
    make("div", { class: "person" }, make("h2", {}, personName(patient)), make("span", {}, `born ${patient.birthDate}`), make("span", { class: "quiet" }, patient.gender ?? ""), make("code", { class: "small" }, patient.identifier?.[0]?.value ?? "")),
  );
}

function showBar(user) {
  byId("bar-end").replaceChildren(
    ...(user ? [make("span", { class: "small" }, make("span", { class: "quiet" }, "for "), make("strong", {}, personName(user)))] : []),
    make("button", { class: "button plain slim", type: "button", onclick: disconnect }, "Disconnect"),
  );
}

function showMeasures() {
  const known = Object.keys(MEASURES).filter((measure) => course(measure, state.observations, state.patient.birthDate).length);
  byId("measures").replaceChildren(
    ...known.map((measure) =>
      make("button", { type: "button", "aria-pressed": String(measure === state.measure), onclick: () => { state.measure = measure; redraw(); } }, MEASURES[measure].name)),
  );
}

function redraw() {
  showMeasures();
  byId("chart-title").textContent = `${MEASURES[state.measure].name} of ${state.patient.name?.[0]?.given?.[0] ?? "the patient"}`;
  showChart(byId("chart"), state.measure, state.observations, { birthDate: state.patient.birthDate, fresh: state.fresh });
  showRequests(state.session);
}

function showTokenPanel() {
  showToken(state.session, async (event) => {
    event.target.disabled = true;
    try {
      await refresh(state.session);
      showTokenPanel();
    } catch (error) {
      show(error);
    }
    showRequests(state.session);
  });
}

async function disconnect() {
  try {
    await revoke(state.session);
    const ended = await state.fhir.patient().then(() => null, (error) => error);
    showEnd(ended);
  } catch (error) {
    show(error);
  }
}

function showEnd(ended) {
  byId("connected").hidden = true;
  byId("bar-end").replaceChildren();
  byId("problem").hidden = false;
  const bites = ended?.status === 401;
  byId("problem").replaceChildren(
    make(
      "section",
      { class: "card stack", role: "status" },
      make("h1", {}, "Disconnected"),
      make("p", { class: `notice ${bites ? "good" : "bad"}` }, bites
        ? "The app gave its access back and tried to read once more with the old token: the FHIR server answered 401. The access is really gone."
        : "The app gave its access back, but the old token still worked. That should not be."),
      make("p", { class: "quiet" }, startAgain()),
      window.parent === window ? make("div", { class: "row" }, make("a", { class: "button", href: "/" }, "To the start page")) : "",
    ),
  );
}

function mayRecord(scope) {
  return scope.split(" ").some((item) => /^patient\/(Observation|\*)\.(c[a-z]*|write|\*)$/.test(item));
}

async function recordWeight(event) {
  event.preventDefault();
  const form = event.target;
  const saved = byId("saved");
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const stored = await state.fhir.recordWeight(Number(form.elements.weight.value), new Date());
    state.fresh = stored.id;
    state.measure = "weight";
    state.observations = await state.fhir.vitalSigns();
    saved.className = "small good";
    saved.textContent = `Saved as Observation/${stored.id}. It is in the hospital's record now.`;
    form.reset();
    redraw();
  } catch (error) {
    saved.className = "small bad";
    saved.textContent = [error.message, error.advice, error.detail].filter(Boolean).join(" · ");
    showRequests(state.session);
  } finally {
    button.disabled = false;
  }
}

async function open(session) {
  state.session = session;
  state.fhir = new Fhir(session);
  if (!session.response.patient) throw new Problem("No patient came with the token", startAgain(), "The token response has no patient member.");
  say("Reading the record …");
  const [verified, user] = await identity(session);
  [state.patient, state.observations] = await Promise.all([state.fhir.patient(), state.fhir.vitalSigns()]);
  keep("session", session);
  say("");
  byId("connected").hidden = false;
  byId("record").hidden = !mayRecord(session.response.scope ?? "");
  showPatient();
  showBar(user);
  showStory(session);
  showTokenPanel();
  showIdentity(verified, user);
  redraw();
  talkToEhr(session, state.patient);
  document.title = `${personName(state.patient)} · Growth Chart`;
}

wireTabs();
byId("connect").addEventListener("click", () => begin(document.body.dataset.fhir).catch(show));
byId("weight-form").addEventListener("submit", recordWeight);
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (state.patient && window.innerWidth !== width) redraw();
  width = window.innerWidth;
});

try {
  const session = await currentSession();
  if (session) await open(session);
  else byId("start").hidden = false;
} catch (error) {
  forget("session"); // or the start page would run into the same problem again
  show(error);
}
