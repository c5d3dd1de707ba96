/** @typedef {import("./envelope.js").Json} Json */
/** @typedef {import("./envelope.js").Target} Target */
/** @typedef {import("./envelope.js").Request} Request */
/** @typedef {import("./envelope.js").Response} Response */
/** Nobody answered in time: messaging is off, or the other end does not know this origin or this handle. */
export class NoAnswer extends Error {
}
export class Exchange {
    /**
     * Sends a request and yields the payload of each response, until one says that it is the last.
     * @param {Target} to
     * @param {string} origin the only origin that may read it, and may answer
     * @param {Request} request
     * @param {number} seconds how long each response may take
     * @returns {AsyncGenerator<Json, void>}
     */
    send(to: Target, origin: string, request: Request, seconds: number): AsyncGenerator<Json, void>;
    /**
     * The first response only.
     * @param {Target} to @param {string} origin @param {Request} request @param {number} seconds
     * @returns {Promise<Json>}
     */
    first(to: Target, origin: string, request: Request, seconds: number): Promise<Json>;
    /**
     * Takes an event that is a response to one of our requests, from whom it was sent to.
     * @param {MessageEvent} event
     * @returns {boolean} whether it was one
     */
    settle(event: MessageEvent): boolean;
    #private;
}
export type Json = import("./envelope.js").Json;
export type Target = import("./envelope.js").Target;
export type Request = import("./envelope.js").Request;
export type Response = import("./envelope.js").Response;
