// fhir.http: what passes, what is refused before it is done, and what is withheld after it was read.

import assert from "node:assert/strict";
import { test } from "node:test";
import { throughFhir } from "../src/ehr.js";
import { ANSWER } from "./windows.js";

const BASE = "https://ehr.example.org/fhir";
const MINE = { resourceType: "Observation", id: "o1", subject: { reference: "Patient/123" } };
const OTHERS = { resourceType: "Observation", id: "o2", subject: { reference: "Patient/9" } };
const RECORDS = { "Patient/123": { resourceType: "Patient", id: "123" }, "Observation/o1": MINE, "Observation/o2": OTHERS };

function server({ scope = ANSWER.fhir_scope, patient = "123", found = [MINE] } = {}) {
  const done = [];
  async function execute({ method, url, resource }) {
    done.push(`${method} ${url}`);
    if (method === "POST") return { status: "201 Created", location: `${url}/new`, resource };
    if (url.includes("?")) return { status: "200 OK", resource: { resourceType: "Bundle", type: "searchset", entry: found.map((item) => ({ resource: item })) } };
    return RECORDS[url] ? { status: "200 OK", resource: RECORDS[url] } : { status: "404 Not Found" };
  }
  const problems = [];
  const handler = throughFhir({ base: BASE, execute, onProblem: (error) => problems.push(error.message) })["fhir.http"];
  const batch = (...entry) => handler({ bundle: { resourceType: "Bundle", type: "batch", entry } }, { launch: { ...ANSWER, fhir_scope: scope, patient } });
  const one = async (method, url, resource, more = {}) => (await batch({ request: { method, url, ...more }, ...(resource ? { resource } : {}) })).bundle.entry[0];
  return { done, problems, handler, batch, one };
}

const refused = (diagnostics, status = "403 Forbidden", code = "forbidden") => ({
  response: { status, outcome: { resourceType: "OperationOutcome", issue: [{ severity: "error", code, diagnostics }] } },
});
const NO_SCOPE = (letter, type) => refused(`No granted scope lets this app do this (${letter}) with ${type}.`);
const NOT_ABOUT_THEM = refused("This is not about the patient of the launch, or does not say so.");
const NOT_THERE = refused("There is nothing there that is of the patient of the launch.");
const NOT_PLAIN = refused("Only plain reads, searches and creates pass through the EHR.");

test("a batch with entries outside the app's scopes and patient runs only the rest", async () => {
  const { batch, done } = server();
  const { bundle } = await batch(
    { request: { method: "GET", url: "Patient/123" } },
    { request: { method: "GET", url: "Patient/9" } },
    { request: { method: "GET", url: "Condition?patient=123" } },
    { request: { method: "POST", url: "Observation" }, resource: OTHERS },
    { request: { method: "POST", url: "Observation" }, resource: MINE },
  );
  assert.deepEqual(done, ["GET Patient/123", "POST Observation"]);
  assert.deepEqual(bundle, {
    resourceType: "Bundle",
    type: "batch-response",
    entry: [
      { response: { status: "200 OK" }, resource: RECORDS["Patient/123"] },
      NOT_ABOUT_THEM,
      NO_SCOPE("s", "Condition"),
      NOT_ABOUT_THEM,
      { response: { status: "201 Created", location: "Observation/new" }, resource: MINE },
    ],
  });
});

test("what a read brings is withheld unless it is the patient's, and what is missing looks the same", async () => {
  const { one } = server();
  assert.deepEqual(await one("GET", "Observation/o1"), { response: { status: "200 OK" }, resource: MINE });
  assert.deepEqual(await one("GET", `${BASE}/Observation/o1`), { response: { status: "200 OK" }, resource: MINE });
  assert.deepEqual(await one("GET", "Observation/o2"), NOT_THERE);
  assert.deepEqual(await one("GET", "Observation/none"), NOT_THERE);
});

test("a search that brings anything of another patient is withheld whole", async () => {
  assert.deepEqual((await server().one("GET", "Observation?patient=123&code=1")).resource.entry, [{ resource: MINE }]);
  assert.deepEqual((await server({ found: [] }).one("GET", "Observation?patient=Patient/123")).resource.entry, []);
  assert.deepEqual(await server({ found: [MINE, OTHERS] }).one("GET", "Observation?patient=123"), NOT_THERE);
  assert.deepEqual(await server({ found: [{ resourceType: "Location", id: "x" }] }).one("GET", "Observation?patient=123"), NOT_THERE);
});

const UNDECIDABLE = [
  ["PUT", "Observation/o1", MINE], ["DELETE", "Observation/o1"], ["PATCH", "Observation/o1", MINE], ["HEAD", "Patient/123"],
  ["GET", "Patient/123/$everything"], ["GET", "Observation/o1/_history"], ["GET", "_history"], ["GET", "metadata"], ["GET", ""], ["GET", "Patient/123?x=1"],
  ["GET", "https://evil.example/fhir/Patient/123"], ["GET", "/Patient/123"], ["GET", "../admin"], ["GET", "Patient/%31%32%33"], ["GET", "Patient/123#x"],
  ["POST", "Observation"], ["POST", "Observation", { resourceType: "Condition" }], ["POST", "Observation/o1", MINE], ["POST", "Observation?x=1", MINE],
  ["POST", "", { resourceType: "Bundle" }], ["POST", "Observation/_search", MINE], ["get", "Patient/123"], ["GET", 5], [undefined, "Patient/123"],
];
for (const [method, url, resource] of UNDECIDABLE) {
  test(`${method} ${url} ${resource ? "with a body " : ""}is not decided about, so it is refused`, async () => {
    const { one, done } = server({ scope: "patient/*.cruds user/*.cruds" });
    assert.deepEqual(await one(method, url, resource), NOT_PLAIN);
    assert.deepEqual(done, []);
  });
}

test("a search with chains, modifiers, includes or repeated parameters is refused", async () => {
  const { one, done } = server({ scope: "patient/*.cruds user/*.cruds" });
  for (const query of ["_include=Observation:subject", "_revinclude=Provenance:target", "_has:Observation:patient:code=1", "patient:Patient.name=x", "subject.name=x",
    "_filter=x", "patient=123&patient=9", "_query=x", "_elements=id"]) {
    assert.deepEqual(await one("GET", `Observation?${query}`), refused("A search has plain parameters, each once."));
  }
  assert.deepEqual(done, []);
});

test("a patient scope needs the patient to be named, and nobody else", async () => {
  const { one, done } = server({ scope: "patient/*.cruds" });
  for (const url of ["Observation", "Observation?code=1", "Observation?patient=9", "Observation?patient=123,9", "Observation?subject=123", "Patient?name=x", "Patient?_id=9", "Patient?patient=123"]) {
    assert.deepEqual(await one("GET", url), NOT_ABOUT_THEM);
  }
  for (const resource of [{ resourceType: "Patient", id: "123" }, { resourceType: "Observation" }, { ...MINE, patient: { reference: "Patient/9" } }, { ...MINE, subject: [{ reference: "Patient/123" }] },
    { ...MINE, subject: { reference: `${BASE}/Patient/123` } }]) {
    assert.deepEqual(await one("POST", resource.resourceType, resource), NOT_ABOUT_THEM);
  }
  assert.deepEqual(done, []);
});

test("without a patient in the launch a patient scope opens nothing", async () => {
  const { one, done } = server({ patient: null });
  assert.deepEqual(await one("GET", "Patient/null"), NO_SCOPE("r", "Patient"));
  assert.deepEqual(done, []);
});

test("scopes: versions 1 and 2, the star, the user's level; one with a constraint and one for systems open nothing", async () => {
  const allows = async (scope, method, url, resource) => (await server({ scope }).one(method, url, resource)).response.status !== "403 Forbidden";
  for (const scope of ["patient/Observation.read", "patient/*.read", "patient/*.*", "patient/Observation.rs", "user/Observation.r", "openid user/*.cruds"]) {
    assert.equal(await allows(scope, "GET", "Observation/o1"), true, scope);
  }
  for (const scope of ["", "openid", "patient/Observation.write", "patient/Observation.s", "patient/Patient.rs", "system/*.cruds", "patient/Observation.rs?category=laboratory", "patient/Observation.sr", "patient/observation.rs"]) {
    assert.equal(await allows(scope, "GET", "Observation/o1"), false, scope);
  }
  assert.equal(await allows("user/Observation.rs", "GET", "Observation?code=1"), true); // as far as the user may see: the EHR's to hold
  assert.equal(await allows("patient/Observation.write", "POST", "Observation", MINE), true);
});

test("an entry is nothing but a request and a resource: conditions are not passed on", async () => {
  const { one, batch, done } = server();
  const words = refused("An entry has a request with method and url, and nothing else.");
  assert.deepEqual(await one("POST", "Observation", MINE, { ifNoneExist: "code=1" }), words);
  for (const entry of [{}, null, "x", { request: [] }]) assert.deepEqual((await batch(entry)).bundle.entry, [words]);
  assert.deepEqual(done, []);
});

test("a bundle that is no batch, an empty one and one beyond measure are refused whole", async () => {
  const { handler, batch } = server();
  for (const type of ["transaction", "collection", undefined]) {
    await assert.rejects(handler({ bundle: { resourceType: "Bundle", type, entry: [] } }, { launch: ANSWER }), /Only a batch/);
  }
  await assert.rejects(batch(), /1 to 50 entries/);
  await assert.rejects(batch(...Array(51).fill({ request: { method: "GET", url: "Patient/123" } })), /1 to 50 entries/);
});

test("an entry that fails in the EHR fails alone, without the EHR's words", async () => {
  const problems = [];
  const handler = throughFhir({ base: BASE, execute: async () => { throw new Error("db down"); }, onProblem: (error) => problems.push(error.message) })["fhir.http"];
  const answer = await handler({ bundle: { resourceType: "Bundle", type: "batch", entry: [{ request: { method: "GET", url: "Patient/123" } }] } }, { launch: ANSWER });
  assert.deepEqual(answer.bundle.entry, [refused("This could not be done.", "500 Internal Server Error", "exception")]);
  assert.deepEqual(problems, ["db down"]);
});
