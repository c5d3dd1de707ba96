// Both ends together: the app in a frame or a tab, the EHR around it or behind it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { NoAnswer, Refused, WebMessagingClient, problemOf } from "../src/app.js";
import { Scratchpad, WebMessagingHost, launchActivity } from "../src/ehr.js";
import { ANSWER, APP, EHR, EVIL, HANDLE, Page, settled } from "./windows.js";

function together({ place = "frame", handlers, appHandlers, ...options } = {}) {
  const [ehr, app] = [new Page(EHR), new Page(APP)];
  app[place === "frame" ? "parent" : "opener"] = ehr.seenBy(app);
  const host = new WebMessagingHost({ verify: async (handle) => (handle === HANDLE ? ANSWER : { active: false }), ehrSession: "s_77", handlers, window: ehr, ...options });
  host.bind(app.seenBy(ehr), "l_9");
  const client = new WebMessagingClient({ handle: HANDLE, origin: EHR, window: app, handlers: appHandlers });
  return { ehr, app, host, client, window: app.seenBy(ehr) };
}

for (const place of ["frame", "tab"]) {
  test(`in a ${place}, everything the IG has passes between the two ends`, async () => {
    const opened = [];
    const scratchpad = new Scratchpad();
    const activities = launchActivity({ "order-review": ({ draftOrderLocations }) => void opened.push(draftOrderLocations) });
    const { client } = together({ place, handlers: { ...scratchpad.handlers(), ...activities, "ui.done": () => {} } });
    assert.deepEqual(await client.handshake(), {});
    const location = await client.create({ resourceType: "ServiceRequest", status: "draft" });
    assert.equal((await client.read(location)).status, "draft");
    await client.update({ ...(await client.read(location)), status: "on-hold" });
    assert.deepEqual((await client.readAll()).map(({ status }) => status), ["on-hold"]);
    assert.deepEqual(await client.launchActivity("order-review", { draftOrderLocations: [location] }), { status: "success" });
    assert.deepEqual(opened, [[location]]);
    assert.deepEqual(await client.delete(location), { status: "200 OK" });
    assert.deepEqual(await client.done(), { status: "success" });
    await silent(client);
  });
}

/** Under load an answer may take its time; silence may be waited for briefly. */
const silent = (client) => assert.rejects(client.request("status.handshake", {}, 0.05), NoAnswer);

test("a refusal is thrown with the words of the EHR, and silence is thrown as silence", async () => {
  const { client } = together();
  await assert.rejects(client.create({ resourceType: "Task" }), (error) => error instanceof Refused && error.message === "This EHR does not offer scratchpad.create.");
  client.handle = "swm_guessed";
  await silent(client);
});

test("ui status is read as failure and as error, as the IG's prose and its code system have it", () => {
  for (const status of ["failure", "error"]) assert.equal(problemOf({ status, statusDetail: { text: "Not now." } }), "Not now.");
  assert.equal(problemOf({ status: "error" }), "error");
  assert.equal(problemOf({ status: "404 Not Found" }), "404 Not Found");
  assert.equal(problemOf({ error: { code: "off" } }), "off");
  assert.equal(problemOf({ outcome: { issue: [{ severity: "error", diagnostics: "Gone." }] } }), "Gone.");
  for (const payload of [{}, { status: "success" }, { status: "201 Created" }, { status: "200 OK", outcome: { issue: [{ severity: "error" }] } }, { outcome: { issue: [{ severity: "warning" }] } }]) {
    assert.equal(problemOf(payload), "");
  }
});

test("a request may have several responses, each in its time", async () => {
  const [ehr, app] = [new Page(EHR), new Page(APP)];
  app.parent = ehr.seenBy(app);
  ehr.addEventListener("message", async ({ data, source }) => {
    const answer = (n, more) => source.postMessage({ messageId: `r${n}`, responseToMessageId: data.messageId, payload: { n }, additionalResponsesExpected: more }, APP);
    answer(1, true);
    answer(2, true);
    await settled();
    answer(3);
    answer(4);
  });
  const client = new WebMessagingClient({ handle: HANDLE, origin: EHR, window: app });
  const numbers = [];
  for await (const { n } of client.responses("status.handshake")) numbers.push(n);
  assert.deepEqual(numbers, [1, 2, 3]);
});

test("the promised further response that never comes ends in a time-out", async () => {
  const [ehr, app] = [new Page(EHR), new Page(APP)];
  app.parent = ehr.seenBy(app);
  ehr.addEventListener("message", ({ data, source }) => source.postMessage({ messageId: "r", responseToMessageId: data.messageId, payload: {}, additionalResponsesExpected: true }, APP));
  const client = new WebMessagingClient({ handle: HANDLE, origin: EHR, window: app, seconds: 0.5 });
  await assert.rejects(async () => {
    for await (const payload of client.responses("status.handshake")) assert.deepEqual(payload, {});
  }, NoAnswer);
});

test("the app hears its EHR only: not another window, not another origin, not a response to what it did not ask", async () => {
  const [ehr, app, stranger] = [new Page(EHR), new Page(APP), new Page(EHR)];
  app.parent = ehr.seenBy(app);
  let asked;
  ehr.addEventListener("message", ({ data }) => { asked = data; });
  const client = new WebMessagingClient({ handle: HANDLE, origin: EHR, window: app });
  const waiting = client.handshake();
  await settled();
  const forged = { messageId: "r", responseToMessageId: asked.messageId, payload: { forged: true } };
  app.seenBy(stranger).postMessage(forged, APP);
  ehr.origin = EVIL;
  app.seenBy(ehr).postMessage(forged, APP);
  await settled();
  ehr.origin = EHR;
  app.seenBy(ehr).postMessage({ ...forged, responseToMessageId: "another" }, APP);
  app.seenBy(ehr).postMessage({ ...forged, payload: { right: true } }, APP);
  assert.deepEqual(await waiting, { right: true });
});

test("every request has an id of its own and goes to the exact origin", async () => {
  const { client, ehr } = together();
  await Promise.all([client.handshake(), client.handshake(), client.handshake()]);
  assert.equal(new Set(ehr.received.map(({ messageId }) => messageId)).size, 3);
  for (const { messageId, ...rest } of ehr.received) {
    assert.match(messageId, /^[0-9a-f]{32}$/);
    assert.deepEqual(rest, { messagingHandle: HANDLE, messageType: "status.handshake", payload: {} });
  }
});

test("no client is made for everybody, for nobody, or outside an EHR", () => {
  const app = new Page(APP);
  app.opener = new Page(EHR).seenBy(app);
  for (const origin of ["*", "null", "", `${EHR}/`, "https://EHR.example.org", "https://ehr.example.org:443", undefined]) {
    assert.throws(() => new WebMessagingClient({ handle: HANDLE, origin, window: app }), TypeError);
  }
  assert.throws(() => new WebMessagingClient({ handle: "", origin: EHR, window: app }), TypeError);
  assert.throws(() => new WebMessagingClient({ handle: HANDLE, origin: EHR, window: new Page(APP) }), /no EHR has opened this window/);
});

test("the EHR may speak first, with the handle of its launch", async () => {
  const { host, window, app } = together();
  await assert.rejects(host.request(window, "status.handshake"), NoAnswer);
  host.introduce(window, HANDLE, APP);
  assert.deepEqual(await host.request(window, "status.handshake"), {});
  const [{ messageId, ...rest }] = app.received;
  assert.deepEqual(rest, { messagingHandle: HANDLE, messageType: "status.handshake", payload: {} });
});

test("the EHR may speak once the app has spoken; the app answers what it knows, once, and refuses the rest in form", async () => {
  const { host, client, window, app, ehr } = together({ appHandlers: { "scratchpad.update": ({ resource }) => ({ status: "200 OK", seen: resource.id }) } });
  await client.handshake();
  assert.deepEqual(await host.request(window, "scratchpad.update", { resource: { id: "7" } }), { status: "200 OK", seen: "7" });
  assert.deepEqual(await host.request(window, "ui.done"), { status: "failure", statusDetail: { text: "This app does not answer ui.done." } });
  const before = ehr.received.length;
  const again = app.received.find(({ messageType }) => messageType === "ui.done");
  app.seenBy(ehr).postMessage(again, APP);
  app.seenBy(ehr).postMessage({ ...again, messageId: "new", messagingHandle: "swm_guessed" }, APP);
  app.seenBy(ehr).postMessage({ ...again, messageId: "newer", messageType: "org.example.x" }, APP);
  await settled();
  assert.equal(ehr.received.length, before);
});

test("an end that was stopped hears nothing more", async () => {
  const { host, client } = together();
  host.stop();
  await silent(client);
  client.close();
});
