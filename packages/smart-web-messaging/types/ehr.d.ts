export { launchActivity } from "./activities.js";
export { throughFhir } from "./fhir.js";
export { Scratchpad } from "./scratchpad.js";
/** @typedef {import("./envelope.js").Json} Json */
/** @typedef {import("./envelope.js").Target} Target */
/** @typedef {import("./envelope.js").Request} Request */
/** @typedef {Json & { scope?: string, fhir_scope?: string, patient?: string }} Launch The authorization server's answer about a handle. */
/** @typedef {{ launch: Launch, window: Target, handle: string, origin: string }} Context */
/** @typedef {(payload: Json, context: Context) => Json | void | Promise<Json | void>} Handler May throw `Refused`. */
/** @typedef {{ from: "app" | "ehr", type: string, payload: Json, answer?: Json, ignored?: string, origin?: string }} Seen */
export class WebMessagingHost {
    /**
     * @param {object} options
     * @param {import("./verification.js").Verify} options.verify
     *   asks the EHR's back end, which asks the authorization server; `window` ties a handle to its window there
     * @param {string | null} options.ehrSession this EHR session; null if the back end names it when it asks
     * @param {Record<string, Handler>} [options.handlers] by message type; what is not there is not offered
     * @param {(context: Context) => void} [options.close] closes the app's window, after `ui.done`
     * @param {(handle: string) => Promise<unknown>} [options.revoke] ends the handle, through the back end, after `ui.done`
     * @param {(seen: Seen) => void} [options.onMessage] sees every message, those that were ignored too
     * @param {(error: unknown) => void} [options.onProblem] hears what went wrong here
     * @param {string} [options.origin] the origin of this page, as the launch named it
     * @param {number} [options.cacheSeconds] how long an answer about a handle is believed; 0: never
     * @param {Window} [options.window]
     */
    constructor({ verify, ehrSession, handlers, close, revoke, onMessage, onProblem, origin, cacheSeconds, window }: {
        verify: import("./verification.js").Verify;
        ehrSession: string | null;
        handlers?: Record<string, Handler> | undefined;
        close?: ((context: Context) => void) | undefined;
        revoke?: ((handle: string) => Promise<unknown>) | undefined;
        onMessage?: ((seen: Seen) => void) | undefined;
        onProblem?: ((error: unknown) => void) | undefined;
        origin?: string | undefined;
        cacheSeconds?: number | undefined;
        window?: Window | undefined;
    });
    /** @type {Record<string, Handler>} */
    handlers: Record<string, Handler>;
    closeWindow: (context: Context) => void;
    revoke: (handle: string) => Promise<unknown>;
    onProblem: (error: unknown) => void;
    /** @param {Seen} seen Whoever looks on can't stop the work. */
    onMessage: (seen: Seen) => undefined;
    window: Window;
    verification: Verification;
    /** Stop listening. */
    stop(): void;
    /**
     * Says that the app of a launch was opened in this window: only its messages are heard there. What was there before is ended.
     * @param {Target} target @param {string} launchId `launch_id` of the answer to `POST /launch`
     */
    bind(target: Target, launchId: string): void;
    /**
     * The EHR closes this window, or opens something else in it: whatever still comes from it is ignored, its handle revoked.
     * @param {Target} target
     */
    end(target: Target): Promise<void>;
    /**
     * Lets the EHR speak first, with what its back end got from `GET /launch/{launch_id}`.
     * @param {Target} target @param {string} handle @param {string} origin the app's
     */
    introduce(target: Target, handle: string, origin: string): void;
    /**
     * A request to the app in this window; the payload of its first response. Throws NoAnswer.
     * @param {Target} target @param {string} type @param {Json} [payload] @param {number} [seconds]
     */
    request(target: Target, type: string, payload?: Json, seconds?: number): Promise<import("./envelope.js").Json>;
    #private;
}
export type Json = import("./envelope.js").Json;
export type Target = import("./envelope.js").Target;
export type Request = import("./envelope.js").Request;
/**
 * The authorization server's answer about a handle.
 */
export type Launch = Json & {
    scope?: string;
    fhir_scope?: string;
    patient?: string;
};
export type Context = {
    launch: Launch;
    window: Target;
    handle: string;
    origin: string;
};
/**
 * May throw `Refused`.
 */
export type Handler = (payload: Json, context: Context) => Json | void | Promise<Json | void>;
export type Seen = {
    from: "app" | "ehr";
    type: string;
    payload: Json;
    answer?: Json;
    ignored?: string;
    origin?: string;
};
import { NoAnswer } from "./exchange.js";
import { Refused } from "./refused.js";
import { Verification } from "./verification.js";
export { NoAnswer, Refused };
