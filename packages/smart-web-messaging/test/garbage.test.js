// Whatever else pages send to each other: no answer, no error, and nothing that grows without end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebMessagingClient } from "../src/app.js";
import { WebMessagingHost, throughFhir } from "../src/ehr.js";
import { Recent } from "../src/envelope.js";
import { ANSWER, APP, EHR, HANDLE, Page, settled } from "./windows.js";

const WORDS = ["messagingHandle", "messageId", "messageType", "payload", "responseToMessageId", "additionalResponsesExpected", "__proto__", "constructor",
  "status.handshake", "scratchpad.create", "ui.launchActivity", "resource", "bundle", "entry", "request", "toString", "", "x".repeat(600), "\u0000", "\ud800"];

function dice(seed) {
  let state = seed;
  return (sides) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * sides);
  };
}

function anything(roll, depth = 0) {
  const kind = roll(depth > 3 ? 6 : 10);
  if (kind < 2) return WORDS[roll(WORDS.length)];
  if (kind < 6) return [null, undefined, 0, NaN, true, new Date(0), new Map([["messageType", "ui.done"]]), 10n][roll(8)];
  if (kind === 6) return Array.from({ length: roll(4) }, () => anything(roll, depth + 1));
  return Object.fromEntries(Array.from({ length: roll(7) }, () => [WORDS[roll(WORDS.length)], anything(roll, depth + 1)]));
}

test("no garbage makes an end answer or fail", async () => {
  const roll = dice(20);
  const [ehr, app] = [new Page(EHR), new Page(APP)];
  app.parent = ehr.seenBy(app);
  const wrong = (error) => assert.fail(error);
  const host = new WebMessagingHost({ verify: async () => ({ active: false }), ehrSession: "s", window: ehr, onProblem: wrong });
  const client = new WebMessagingClient({ handle: HANDLE, origin: EHR, window: app, onProblem: wrong });
  host.bind(app.seenBy(ehr), "l_9");
  for (let round = 0; round < 3000; round += 1) {
    ehr.seenBy(app).postMessage(anything(roll), EHR);
    app.seenBy(ehr).postMessage(anything(roll), APP);
  }
  await settled();
  assert.deepEqual([ehr.received.length, app.received.length], [3000, 3000]); // what was sent, and no answer to any of it
  host.stop();
  client.close();
});

test("whatever stands in the payload of a proven app, it gets one answer in the form of the group", async () => {
  const roll = dice(21);
  const [ehr, app] = [new Page(EHR), new Page(APP)];
  const executed = [];
  const host = new WebMessagingHost({
    verify: async () => ANSWER,
    ehrSession: "s_77",
    window: ehr,
    handlers: throughFhir({ base: `${EHR}/fhir`, execute: async (request) => executed.push(request) }),
    onProblem: (error) => assert.fail(error),
  });
  host.bind(app.seenBy(ehr), "l_9");
  const types = ["status.handshake", "ui.done", "ui.launchActivity", "scratchpad.create", "scratchpad.read", "scratchpad.update", "scratchpad.delete", "fhir.http"];
  for (let round = 0; round < 1600; round += 1) {
    const payload = { resource: anything(roll), location: anything(roll), activityType: anything(roll), activityParameters: anything(roll),
      bundle: { resourceType: "Bundle", type: "batch", entry: [anything(roll), { request: anything(roll) }, { request: { method: "GET", url: anything(roll) } }] } };
    const messageId = `m${round}`;
    ehr.seenBy(app).postMessage({ messagingHandle: HANDLE, messageId, messageType: types[round % types.length], payload }, EHR);
    await settled();
    const [answer, ...more] = app.received.splice(0);
    assert.deepEqual([answer.responseToMessageId, more], [messageId, []]);
  }
  assert.deepEqual(executed, []);
  host.stop();
});

test("only the last few thousand ids are remembered", () => {
  const recent = new Recent();
  assert.deepEqual([recent.add("first"), recent.add("first")], [true, false]);
  for (let n = 0; n < 6000; n += 1) recent.add(`id ${n}`);
  assert.deepEqual([recent.add("id 5999"), recent.add("first")], [false, true]);
});
