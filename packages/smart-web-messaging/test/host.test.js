// The EHR's end alone, with what an app, a clumsy app and a hostile page may send it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Refused, Scratchpad, WebMessagingHost, launchActivity } from "../src/ehr.js";
import { ANSWER, APP, EHR, EVIL, HANDLE, Page, settled } from "./windows.js";

const INACTIVE = { active: false };

function hospital({ answer = ANSWER, ehrSession = "s_77", handlers = {}, ...options } = {}) {
  const [ehr, app] = [new Page(EHR), new Page(APP)];
  const asked = [];
  const seen = [];
  const problems = [];
  const verify = async (handle, how) => {
    asked.push({ handle, ...how });
    if (answer instanceof Error) throw answer;
    return handle === HANDLE ? answer : INACTIVE;
  };
  const host = new WebMessagingHost({
    verify,
    ehrSession,
    handlers,
    window: ehr,
    onMessage: (message) => seen.push(message),
    onProblem: (error) => problems.push(error.message),
    ...options,
  });
  host.bind(app.seenBy(ehr), "l_9");
  let count = 0;
  const post = async (page, message) => {
    ehr.seenBy(page).postMessage(message, EHR);
    await settled();
    return page.received.splice(0);
  };
  const send = async (messageType, payload = {}, more = {}) => {
    count += 1;
    return post(app, { messagingHandle: HANDLE, messageId: `m${count}`, messageType, payload, ...more });
  };
  return { host, ehr, app, asked, seen, problems, post, send };
}

async function payloadOf(sent) {
  const [response, ...more] = await sent;
  assert.deepEqual(more, []);
  return response.payload;
}

test("a handshake is answered once, in the envelope of the IG and in nothing more", async () => {
  const { send, asked } = hospital();
  const [response, ...more] = await send("status.handshake");
  const { messageId, ...rest } = response;
  assert.match(messageId, /^[0-9a-f]{32}$/);
  assert.deepEqual(rest, { responseToMessageId: "m1", payload: {} });
  assert.deepEqual(more, []);
  const how = { handle: HANDLE, origin: APP, messageType: "status.handshake" };
  assert.deepEqual(asked, [how, { ...how, window: asked[1].window }]); // whose it is, then tied to this window
  assert.match(asked[1].window, /^[0-9a-f]{32}$/);
});

test("an absent payload counts as an empty one", async () => {
  const { send } = hospital();
  assert.deepEqual(await payloadOf(send("status.handshake", undefined, { payload: undefined })), {});
});

const REASONS = {
  "an unknown handle": [{}, { messagingHandle: "swm_guessed" }, "the handle is not active"],
  "an answer that says inactive": [{ answer: INACTIVE }, {}, "the handle is not active"],
  "an answer about a token of another kind": [{ answer: { ...ANSWER, token_type: "Bearer" } }, {}, "the handle is not active"],
  "no answer at all": [{ answer: null }, {}, "the handle is not active"],
  "an expired handle": [{ answer: { ...ANSWER, exp: 1 } }, {}, "the handle has expired"],
  "a handle without an end": [{ answer: { ...ANSWER, exp: undefined } }, {}, "the handle has expired"],
  "the handle of an app at another origin": [{ answer: { ...ANSWER, app_origins: [EVIL] } }, {}, "the origin is not one of the app's"],
  "an app without origins": [{ answer: { ...ANSWER, app_origins: undefined } }, {}, "the origin is not one of the app's"],
  "a handle for another EHR": [{ answer: { ...ANSWER, smart_web_messaging_origin: EVIL } }, {}, "the handle is meant for another page"],
  "a handle of another session": [{ ehrSession: "s_78" }, {}, "the handle is of another session"],
  "the handle of another launch, stolen": [{ answer: { ...ANSWER, launch_id: "l_8" } }, {}, "the handle is of another app's launch"],
  "a message of an unknown group": [{}, { messageType: "org.example.transmogrify" }, "no such message"],
  "a message named like a part of every object": [{}, { messageType: "constructor" }, "no such message"],
};
for (const [name, [options, more, why]] of Object.entries(REASONS)) {
  test(`${name} gets silence`, async () => {
    const { send, seen } = hospital(options);
    assert.deepEqual(await send("status.handshake", {}, more), []);
    assert.deepEqual(seen.map(({ ignored }) => ignored), [why]);
  });
}

test("a back end that fails gets the app silence, and is asked anew", async () => {
  const { send, seen, asked, problems } = hospital({ answer: new Error("503") });
  assert.deepEqual(await send("status.handshake"), []);
  assert.deepEqual(await send("status.handshake"), []);
  assert.deepEqual(seen.map(({ ignored }) => ignored), Array(2).fill("the handle could not be verified"));
  assert.deepEqual([problems, asked.length], [["503", "503"], 2]);
});

test("a page in a window that the EHR did not open for an app gets silence, and nobody is asked about its handle", async () => {
  const { post, asked, seen } = hospital();
  const stolen = { messagingHandle: HANDLE, messageId: "m1", messageType: "ui.done", payload: {} };
  assert.deepEqual(await post(new Page(EVIL), stolen), []);
  assert.deepEqual(await post(new Page(APP), stolen), []); // not even a page of the app's own origin
  assert.deepEqual(asked, []);
  assert.deepEqual(seen.map(({ ignored }) => ignored), Array(2).fill("the EHR has opened no app in this window"));
});

test("when another site takes over the app's window, the handle is of no use to it", async () => {
  const { app, send, seen } = hospital();
  app.origin = EVIL;
  assert.deepEqual(await send("scratchpad.read"), []);
  assert.equal(seen[0].ignored, "the origin is not one of the app's");
});

test("an opaque origin is nobody's, even if somebody registered null", async () => {
  const { app, send } = hospital({ answer: { ...ANSWER, app_origins: ["null"] } });
  app.origin = "null";
  assert.deepEqual(await send("status.handshake"), []);
});

test("what is no request is passed over without a word", async () => {
  const { app, post, asked, seen } = hospital();
  const request = { messagingHandle: HANDLE, messageId: "m1", messageType: "status.handshake", payload: {} };
  const odd = [null, "hello", 5, [], [request], {}, { ...request, messageId: undefined }, { ...request, messageId: 7 },
    { ...request, messagingHandle: "" }, { ...request, messageType: "x".repeat(501) }, { ...request, payload: [] }, { ...request, payload: "x" }];
  for (const message of odd) assert.deepEqual(await post(app, message), []);
  assert.deepEqual([asked, seen], [[], []]);
});

test("a message id is answered once, however often it comes", async () => {
  const { app, post } = hospital();
  const message = { messagingHandle: HANDLE, messageId: "same", messageType: "status.handshake", payload: {} };
  const both = await Promise.all([post(app, message), post(app, message)]);
  assert.equal(both.flat().length, 1);
  assert.deepEqual(await post(app, message), []);
});

const NOT_GRANTED = {
  "ui.done": { status: "failure", statusDetail: { text: "The app was not granted messaging/ui." } },
  "scratchpad.create": { status: "403 Forbidden", outcome: outcome("forbidden", "The app was not granted messaging/scratchpad.") },
  "scratchpad.read": { outcome: outcome("forbidden", "The app was not granted messaging/scratchpad.") },
  "fhir.http": { outcome: outcome("forbidden", "The app was not granted messaging/fhir.") },
};
for (const [type, payload] of Object.entries(NOT_GRANTED)) {
  test(`${type} without its scope is refused in the form of its group`, async () => {
    const { send } = hospital({ answer: { ...ANSWER, scope: "" } });
    assert.deepEqual(await payloadOf(send(type)), payload);
  });
}

function outcome(code, diagnostics) {
  return { resourceType: "OperationOutcome", issue: [{ severity: "error", code, diagnostics }] };
}

test("a narrow scope opens its one message, and the authorization server may say no to any", async () => {
  const handlers = { ...launchActivity({ "https://ehr.example.org/labels": () => {} }), "ui.done": () => {} };
  const payload = { activityType: "https://ehr.example.org/labels", activityParameters: {} };
  const narrow = hospital({ handlers, answer: { ...ANSWER, scope: "messaging/ui.launchActivity" } });
  assert.deepEqual(await payloadOf(narrow.send("ui.launchActivity", payload)), { status: "success" });
  assert.equal((await payloadOf(narrow.send("ui.done"))).status, "failure");
  const stricter = hospital({ handlers, answer: { ...ANSWER, allowed: false } });
  assert.equal((await payloadOf(stricter.send("ui.done"))).status, "failure");
  assert.deepEqual(await payloadOf(stricter.send("status.handshake")), {});
});

test("after ui.done the window is closed, the handle is revoked, and nothing more is heard", async () => {
  const happened = [];
  const { send, seen } = hospital({
    handlers: { "ui.done": () => happened.push("asked") && undefined },
    close: ({ launch }) => happened.push(`closed ${launch.client_id}`),
    revoke: async (handle) => happened.push(`revoked ${handle}`),
  });
  assert.deepEqual(await payloadOf(send("ui.done")), { status: "success" });
  assert.deepEqual(happened, ["asked", `revoked ${HANDLE}`, "closed growth-chart"]);
  assert.deepEqual(await send("status.handshake"), []);
  assert.equal(seen.at(-1).ignored, "the EHR has opened no app in this window");
});

test("a back end that can't revoke does not keep the window open, nor does a window that won't close keep the handle", async () => {
  const fails = (words) => () => { throw new Error(words); };
  const { send, problems } = hospital({ handlers: { "ui.done": () => {} }, revoke: fails("503"), close: fails("gone") });
  assert.deepEqual(await payloadOf(send("ui.done")), { status: "success" });
  assert.deepEqual(problems, ["503", "gone"]);
});

test("whoever looks on and fails stops nothing", async () => {
  const revoked = [];
  const { send, problems } = hospital({
    handlers: { "ui.done": () => {} },
    onMessage: ({ payload }) => JSON.stringify(payload),
    revoke: async (handle) => void revoked.push(handle),
  });
  assert.deepEqual(await payloadOf(send("ui.done", { extension: [{ valueInteger64: 5n }] })), { status: "success" });
  assert.deepEqual([problems.length, revoked], [1, [HANDLE]]);
});

test("what a handler returns and no window can be sent is an error of the EHR, and is answered as one", async () => {
  const { send, problems } = hospital({ handlers: { "scratchpad.read": () => ({ scratchpad: [() => {}] }) } });
  assert.deepEqual(await payloadOf(send("scratchpad.read")), { outcome: outcome("exception", "This could not be done.") });
  assert.equal(problems.length, 1);
});

test("an EHR that ends an app by itself has the handle revoked that it has seen, and hears no more of it", async () => {
  const revoked = [];
  const { host, ehr, app, send } = hospital({ revoke: async (handle) => void revoked.push(handle) });
  await send("status.handshake");
  await host.end(app.seenBy(ehr));
  await host.end(app.seenBy(ehr));
  assert.deepEqual([await send("status.handshake"), revoked], [[], [HANDLE]]);
});

test("a handle stolen from another launch is never tied to the thief's window", async () => {
  const { send, asked } = hospital({ answer: { ...ANSWER, launch_id: "l_8" } });
  assert.deepEqual([await send("status.handshake"), await send("scratchpad.read")], [[], []]);
  assert.deepEqual(asked.map(({ window }) => window), [undefined, undefined]);
});

test("a flood from one window does not reach the back end", async () => {
  let asked = 0;
  const flood = hospital({ verify: () => { asked += 1; return new Promise(() => {}); } });
  const message = { messagingHandle: HANDLE, messageType: "status.handshake" };
  for (let n = 0; n < 50; n += 1) flood.ehr.seenBy(flood.app).postMessage({ ...message, messagingHandle: `guess ${n}`, messageId: `f${n}` }, EHR);
  await settled();
  assert.deepEqual([asked, flood.seen.length, flood.seen[0].ignored], [20, 30, "too many messages at once"]);
});

test("an EHR that can't close yet says so, and the app stays", async () => {
  const { send } = hospital({ handlers: { "ui.done": () => { throw new Refused("There are unsigned orders."); } }, close: assert.fail, revoke: assert.fail });
  assert.deepEqual(await payloadOf(send("ui.done")), { status: "failure", statusDetail: { text: "There are unsigned orders." } });
  assert.deepEqual(await payloadOf(send("status.handshake")), {});
});

test("ui.done names no activity", async () => {
  const { send } = hospital({ handlers: { "ui.done": assert.fail } });
  for (const payload of [{ activityType: "order-review" }, { activityParameters: {} }]) {
    assert.deepEqual(await payloadOf(send("ui.done", payload)), { status: "failure", statusDetail: { text: "ui.done names no activity." } });
  }
});

test("activities are held to the catalog", async () => {
  const opened = [];
  const open = (name) => (parameters) => void opened.push([name, parameters]);
  const all = ["appointment-book", "order-review", "problem-review", "https://ehr.example.org/labels"];
  const { send } = hospital({ handlers: launchActivity(Object.fromEntries(all.map((name) => [name, open(name)]))) });
  const good = [
    ["appointment-book", { appointmentLocations: { resourceType: "Bundle", type: "collection" } }],
    ["order-review", { draftOrderLocations: ["ServiceRequest/1", "MedicationRequest/a.b-c"] }],
    ["problem-review", { problemLocation: "Condition/123" }],
    ["https://ehr.example.org/labels", {}],
  ];
  for (const [activityType, activityParameters] of good) {
    assert.deepEqual(await payloadOf(send("ui.launchActivity", { activityType, activityParameters })), { status: "success" });
  }
  assert.deepEqual(opened, good);
  const bad = [
    {}, { activityType: "order-review" }, { activityParameters: {} }, { activityType: 5, activityParameters: {} },
    { activityType: "order-review", activityParameters: { draftOrderLocations: [] } },
    { activityType: "order-review", activityParameters: { draftOrderLocations: "ServiceRequest/1" } },
    { activityType: "order-review", activityParameters: { draftOrderLocations: ["https://evil.example/ServiceRequest/1"] } },
    { activityType: "problem-review", activityParameters: { problemLocation: "Patient/1" } },
    { activityType: "appointment-book", activityParameters: { appointmentLocations: [] } },
    { activityType: "toString", activityParameters: {} },
    { activityType: "javascript:alert(1)", activityParameters: {} },
    { activityType: "https://ehr.example.org/unknown", activityParameters: {} },
  ];
  for (const payload of bad) assert.equal((await payloadOf(send("ui.launchActivity", payload))).status, "failure");
  assert.deepEqual(opened, good);
});

test("the scratchpad is created on, read, updated and deleted from, with the answers of the IG", async () => {
  let changes = 0;
  const scratchpad = new Scratchpad({ onChange: () => { changes += 1; }, problem: ({ resourceType }) => (resourceType === "Binary" ? "No files here." : "") });
  const { send } = hospital({ handlers: scratchpad.handlers() });
  assert.deepEqual(await payloadOf(send("scratchpad.read")), { scratchpad: [] });
  const resource = { resourceType: "ServiceRequest", status: "draft", subject: { reference: "Patient/123" } };
  const { location, ...created } = await payloadOf(send("scratchpad.create", { resource }));
  assert.deepEqual(created, { status: "201 Created" });
  assert.match(location, /^ServiceRequest\/[0-9a-f]{32}$/);
  const kept = { ...resource, id: location.split("/")[1] };
  assert.deepEqual(await payloadOf(send("scratchpad.read", { location })), { resource: kept });
  const changed = { ...kept, status: "on-hold" };
  assert.deepEqual(await payloadOf(send("scratchpad.update", { resource: changed })), { status: "200 OK" });
  assert.deepEqual(await payloadOf(send("scratchpad.read")), { scratchpad: [changed] });
  assert.deepEqual(await payloadOf(send("scratchpad.delete", { location })), { status: "200 OK" });
  const gone = outcome("not-found", `There is no draft ${location}.`);
  assert.deepEqual(await payloadOf(send("scratchpad.delete", { location })), { status: "404 Not Found", outcome: gone });
  assert.deepEqual(await payloadOf(send("scratchpad.update", { resource: kept })), { status: "404 Not Found", outcome: gone });
  assert.deepEqual(await payloadOf(send("scratchpad.read", { location })), { outcome: gone });
  const other = { ...resource, subject: { reference: "Patient/9" } };
  assert.equal((await payloadOf(send("scratchpad.create", { resource: other }))).status, "403 Forbidden");
  assert.deepEqual(await payloadOf(send("scratchpad.create", { resource: { resourceType: "Binary" } })),
    { status: "422 Unprocessable Entity", outcome: outcome("processing", "No files here.") });
  for (const payload of [{}, { resource: [] }, { resource: { id: "1" } }, { resource: { resourceType: "x/y" } }]) {
    assert.equal((await payloadOf(send("scratchpad.create", payload))).status, "400 Bad Request");
  }
  assert.equal((await payloadOf(send("scratchpad.update", { resource }))).status, "400 Bad Request");
  assert.equal((await payloadOf(send("scratchpad.delete", {}))).status, "400 Bad Request");
  assert.equal(changes, 3);
});

test("what an EHR does not offer, and what goes wrong in it, is said in the group's form and no further", async () => {
  const broken = () => { throw new Error("password is 1234"); };
  const { send, problems } = hospital({ handlers: { "scratchpad.create": broken, "ui.done": broken } });
  assert.deepEqual(await payloadOf(send("scratchpad.read")), { outcome: outcome("not-supported", "This EHR does not offer scratchpad.read.") });
  assert.deepEqual(await payloadOf(send("ui.explode")), { status: "failure", statusDetail: { text: "There is no message ui.explode." } });
  assert.deepEqual(await payloadOf(send("status.weather")), { error: { code: "not-supported", display: "There is no message status.weather." } });
  assert.deepEqual(await payloadOf(send("scratchpad.create", { resource: { resourceType: "Task" } })),
    { status: "500 Internal Server Error", outcome: outcome("exception", "This could not be done.") });
  assert.deepEqual(await payloadOf(send("ui.done")), { status: "failure", statusDetail: { text: "This could not be done." } });
  assert.deepEqual(problems, ["password is 1234", "password is 1234"]);
});

test("an answer about a handle is believed for a moment, for one message type, and never after the window was bound anew", async () => {
  const { host, ehr, app, send, asked } = hospital({ cacheSeconds: 60 });
  await send("status.handshake");
  await send("status.handshake");
  assert.equal(asked.length, 2); // the first time in two steps
  await send("scratchpad.read");
  assert.equal(asked.length, 3);
  host.bind(app.seenBy(ehr), "l_9");
  await send("status.handshake");
  assert.equal(asked.length, 5);
  assert.notEqual(asked[4].window, asked[2].window);
  const eager = hospital({ cacheSeconds: 0 });
  await eager.send("status.handshake");
  await eager.send("status.handshake");
  assert.equal(eager.asked.length, 3);
});

test("a window that was closed while a message was checked gets no answer", async () => {
  let answer;
  const held = hospital({ verify: () => (answer ? ANSWER : new Promise((resolve) => { answer = resolve; })) });
  assert.deepEqual(await held.send("status.handshake"), []);
  await held.host.end(held.app.seenBy(held.ehr));
  answer(ANSWER);
  await settled();
  assert.deepEqual(held.app.received, []);
  assert.equal(held.seen[0].ignored, "the app was closed");
});

test("a window that is bound to another launch ends the one before; without a launch it is not bound", async () => {
  const revoked = [];
  const { host, ehr, app, send } = hospital({ revoke: async (handle) => void revoked.push(handle) });
  await send("status.handshake");
  for (const nothing of [undefined, ""]) assert.throws(() => host.bind(app.seenBy(ehr), nothing), TypeError);
  host.bind(app.seenBy(ehr), "l_10");
  assert.deepEqual([await send("status.handshake"), revoked], [[], [HANDLE]]);
});

test("a host without a word about the session is not made", () => {
  assert.throws(() => new WebMessagingHost({ verify: async () => INACTIVE, window: new Page(EHR) }), TypeError);
});
