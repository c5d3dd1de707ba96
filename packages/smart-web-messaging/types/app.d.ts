/** @typedef {import("./envelope.js").Json} Json */
/** @typedef {import("./envelope.js").Target} Target */
/** @typedef {(payload: Json) => Json | void | Promise<Json | void>} Handler May throw `Refused`. */
/** The page that opened this one: the frame it stands in, or the window of which it is a new tab. */
export function ehrWindow(window: Window): Target;
export class WebMessagingClient {
    /**
     * @param {object} options
     * @param {string} options.handle `smart_web_messaging_handle` of the token response
     * @param {string} options.origin `smart_web_messaging_origin` of the token response
     * @param {Window} [options.window]
     * @param {number} [options.seconds] how long a response may take: an EHR that does not know us stays silent
     * @param {Record<string, Handler>} [options.handlers] answers to what the EHR asks, by message type
     * @param {(error: unknown) => void} [options.onProblem] hears what went wrong in a handler
     */
    constructor({ handle, origin, window, seconds, handlers, onProblem }: {
        handle: string;
        origin: string;
        window?: Window | undefined;
        seconds?: number | undefined;
        handlers?: Record<string, Handler> | undefined;
        onProblem?: ((error: unknown) => void) | undefined;
    });
    handle: string;
    origin: string;
    seconds: number;
    /** @type {Record<string, Handler>} */
    handlers: Record<string, Handler>;
    onProblem: (error: unknown) => void;
    window: Window;
    ehr: import("./envelope.js").Target;
    /** Stop listening. */
    close(): void;
    /**
     * Sends a request; the payload of the first response. Throws NoAnswer, or Refused if the response says no.
     * @param {string} type @param {Json} [payload] @param {number} [seconds]
     */
    request(type: string, payload?: Json, seconds?: number): Promise<import("./envelope.js").Json>;
    /**
     * Sends a request; the payloads of all responses (`additionalResponsesExpected`), whatever they say.
     * @param {string} type @param {Json} [payload] @param {number} [seconds] for each of them
     */
    responses(type: string, payload?: Json, seconds?: number): AsyncGenerator<import("./envelope.js").Json, void, any>;
    /** Is messaging on, and does the EHR know us? */
    handshake(): Promise<import("./envelope.js").Json>;
    /** The app's work is done: the EHR may close it. */
    done(): Promise<import("./envelope.js").Json>;
    /** @param {string} activityType @param {Json} activityParameters */
    launchActivity(activityType: string, activityParameters: Json): Promise<import("./envelope.js").Json>;
    /** @param {Json} resource @returns {Promise<string>} where it is, `ServiceRequest/…` */
    create(resource: Json): Promise<string>;
    /** @param {string} location @returns {Promise<Json>} */
    read(location: string): Promise<Json>;
    /** @returns {Promise<Json[]>} everything on the scratchpad */
    readAll(): Promise<Json[]>;
    /** @param {Json} resource with `resourceType` and `id` */
    update(resource: Json): Promise<import("./envelope.js").Json>;
    /** @param {string} location */
    delete(location: string): Promise<import("./envelope.js").Json>;
    /** @param {Json} bundle a batch @returns {Promise<Json>} the batch-response; each entry says how it went */
    fhir(bundle: Json): Promise<Json>;
    #private;
}
export type Json = import("./envelope.js").Json;
export type Target = import("./envelope.js").Target;
/**
 * May throw `Refused`.
 */
export type Handler = (payload: Json) => Json | void | Promise<Json | void>;
import { NoAnswer } from "./exchange.js";
import { Refused } from "./refused.js";
import { problemOf } from "./refused.js";
export { NoAnswer, Refused, problemOf };
