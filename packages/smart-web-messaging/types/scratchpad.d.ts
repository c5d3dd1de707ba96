export class Scratchpad {
    /**
     * @param {object} [options]
     * @param {(resource: Json) => string} [options.problem] why a draft is not taken; empty if it is
     * @param {() => void} [options.onChange]
     */
    constructor({ problem, onChange }?: {
        problem?: ((resource: Json) => string) | undefined;
        onChange?: (() => void) | undefined;
    });
    problem: (resource: Json) => string;
    onChange: () => void;
    /** @param {string} location */
    has(location: string): boolean;
    /** @returns {Json[]} the drafts, oldest first */
    all(): Json[];
    /** @param {string} location */
    remove(location: string): void;
    /** @returns {Record<string, Handler>} the four handlers */
    handlers(): Record<string, Handler>;
    #private;
}
export type Json = import("./envelope.js").Json;
export type Context = import("./ehr.js").Context;
export type Handler = import("./ehr.js").Handler;
