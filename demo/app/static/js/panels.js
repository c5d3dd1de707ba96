// "Behind the scenes": the story so far, the token, the identity, and every request.

import { byId, folded, make, pretty, secretValue } from "./dom.js";
import { personName } from "./fhir.js";
import { seconds } from "./smart.js";

const WORDS = [
  [/^launch$/, "know which chart is open in the EHR"],
  [/^launch\/patient$/, "ask which patient this is about"],
  [/^launch\/encounter$/, "ask which visit this is about"],
  [/^openid$/, "know that you signed in"],
  [/^fhirUser$/, "know who you are in the hospital's records"],
  [/^online_access$/, "renew the token while you stay signed in at the EHR"],
  [/^messaging\/ui$/, "ask the EHR to show something, or say that it is done"],
  [/^messaging\/scratchpad$/, "put drafts before you in the EHR, and read and change them"],
  [/^offline_access$/, "renew the token later, when you are away"],
];
const LETTERS = { c: "create", r: "read", u: "change", d: "delete", s: "search" };
const inARow = new Intl.ListFormat("en", { type: "conjunction" });
const V1 = { read: "rs", write: "cud", "*": "cruds" };

export function scopeInWords(scope) {
  const fixed = WORDS.find(([pattern]) => pattern.test(scope));
  if (fixed) return fixed[1];
  const match = /^(patient|user|system)\/(\*|\w+)\.([a-z*]+)(\?.*)?$/.exec(scope);
  if (!match) return "";
  const [, level, type, suffix, constraint] = match;
  const verbs = [...(V1[suffix] ?? suffix)].map((letter) => LETTERS[letter]);
  const what = type === "*" ? "all kinds of records" : `${type} records`;
  const whose = { patient: "of this patient", user: "you may see yourself", system: "of the hospital" }[level];
  return `${inARow.format(verbs)} ${what} ${whose}${constraint ? ", restricted" : ""}`;
}

export function showStory(session) {
  const story = [
    ...session.story,
    { title: "It reads FHIR with the token", words: "The FHIR server asks the authorization server about the token at each request, and shows this patient only." },
  ];
  byId("panel-story").replaceChildren(
    make("ol", { class: "steps" }, story.map((step) =>
      make("li", {}, make("strong", {}, step.title), make("p", {}, step.words), (step.details ?? []).map(([summary, text]) => folded(summary, text))))),
  );
}

export function showToken(session, onRefresh) {
  const { access_token: access, refresh_token: refresh, id_token: identity, smart_web_messaging_handle: handle, scope = "", expires_in: life, ...rest } = session.response;
  const facts = [["access_token", secretValue(access)]];
  if (refresh) facts.push(["refresh_token", secretValue(refresh)]);
  if (identity) facts.push(["id_token", "see “Identity”"]);
  if (handle) facts.push(["smart_web_messaging_handle", secretValue(handle)]);
  facts.push(["expires_in", remaining(session)]);
  for (const [name, value] of Object.entries(rest)) facts.push([name, make("code", {}, typeof value === "string" ? value : JSON.stringify(value))]);
  const scopes = scope.split(" ").filter(Boolean);
  byId("panel-token").replaceChildren(
    make("h3", {}, "What this app may do"),
    make("ul", { class: "scopes" }, scopes.map((item) => make("li", {}, make("code", {}, item), make("span", { class: "small quiet" }, scopeInWords(item))))),
    make("h3", { class: "part" }, "The token response"),
    make("dl", { class: "facts" }, facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
    make("p", { class: "small quiet part" }, `Good for ${Math.round((life ?? 0) / 60)} minutes from the moment it was given. ${refresh ? "The refresh token buys the next one, and is used up by it." : ""}`),
    refresh ? make("button", { class: "button plain slim", type: "button", onclick: onRefresh }, "Refresh the token now") : null,
  );
}

function remaining(session) {
  const left = session.obtained + (session.response.expires_in ?? 0) - seconds();
  return left > 0 ? `${session.response.expires_in} s, ${Math.ceil(left / 60)} min are left` : "it has expired";
}

export function showIdentity(verified, user) {
  const panel = byId("panel-identity");
  if (!verified) {
    panel.replaceChildren(make("p", {}, "No id_token was granted, so the app does not know who you are. It works all the same."));
    return;
  }
  const name = personName(user);
  panel.replaceChildren(
    make("h3", {}, name ? `You are ${name}` : "Your identity was verified"),
    make("ul", { class: "checks" }, verified.checks.map((check) => make("li", {}, check))),
    make("h3", {}, "The claims of the id_token"),
    make("pre", {}, pretty(verified.claims)),
    user ? folded(`${user.resourceType}/${user.id}, read with scope fhirUser`, pretty(user)) : "",
  );
}

export function showRequests(session) {
  const list = session.requests.map((entry) => {
    const good = entry.status >= 200 && entry.status < 300;
    const [address, query] = entry.url.split("?");
    const server = address.startsWith(`${session.fhir}/`) ? "FHIR server" : "authorization server";
    return make(
      "li",
      {},
      make("span", { class: "badge grey" }, entry.method),
      make("code", { title: entry.url }, address.replace(session.fhir, "").replace(session.issuer, "") + (query ? "?…" : "")),
      make("span", { class: `badge ${good ? "good" : "bad"}` }, entry.status ? String(entry.status) : "—"),
      make("span", { class: "why" }, `${server} · ${entry.why} · ${entry.ms} ms`),
    );
  });
  byId("panel-requests").replaceChildren(make("ul", { class: "requests" }, list));
}

/** Tabs as the ARIA pattern asks: one tab stop, arrows to move. */
export function wireTabs() {
  const tabs = [...byId("panels").querySelectorAll("[role=tab]")];
  const select = (chosen) => {
    for (const tab of tabs) {
      const on = tab === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = !on;
    }
  };
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      const next = tabs[(index + move + tabs.length) % tabs.length];
      select(next);
      next.focus();
    });
  }
}
