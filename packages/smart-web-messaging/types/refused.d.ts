/**
 * The payload that answers a request of a known group: what `work` returns, or why it was not done.
 * @param {string} messageType
 * @param {() => unknown} work
 * @param {(error: unknown) => void} onProblem gets what is not meant for the other end
 * @returns {Promise<Json>}
 */
export function answered(messageType: string, work: () => unknown, onProblem: (error: unknown) => void): Promise<Json>;
/**
 * What a response says went wrong, or nothing. `status` of `ui.*` is `failure` in the IG's prose and `error` in its code system.
 * @param {Json} payload
 * @returns {string}
 */
export function problemOf(payload: Json): string;
/** A request that is not done; the message is for the other end. */
export class Refused extends Error {
    /** @param {string} message @param {number} [code] one of 400, 403, 404, 422, 500, 501 */
    constructor(message: string, code?: number);
    code: number;
    /** `403 Forbidden` */
    get status(): string;
    /** @returns {Json} */
    get outcome(): Json;
}
export function groupOf(messageType: string): string;
export function isKnownGroup(messageType: string): boolean;
export type Json = import("./envelope.js").Json;
