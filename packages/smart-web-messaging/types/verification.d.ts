/** A window in which the EHR has opened an app, and what is known of it. */
export class Binding {
    /** @param {string} launchId */
    constructor(launchId: string);
    id: string;
    handle: string;
    origin: string;
    checking: number;
    done: Recent;
    /** @type {Map<string, { answer: Promise<Launch>, until: number }>} */
    answers: Map<string, {
        answer: Promise<Launch>;
        until: number;
    }>;
    launchId: string;
}
export class Verification {
    /** @param {{ verify: Verify, ehrSession: string | null, origin: string, cacheSeconds: number, onProblem: (error: unknown) => void }} options */
    constructor({ verify, ehrSession, origin, cacheSeconds, onProblem }: {
        verify: Verify;
        ehrSession: string | null;
        origin: string;
        cacheSeconds: number;
        onProblem: (error: unknown) => void;
    });
    verify: Verify;
    ehrSession: string | null;
    origin: string;
    cacheSeconds: number;
    onProblem: (error: unknown) => void;
    /**
     * The launch that a message belongs to, or why it is ignored.
     * @param {Request} request @param {string} origin @param {Binding} binding @returns {Promise<{ launch: Launch, ignored: string }>}
     */
    of(request: Request, origin: string, binding: Binding): Promise<{
        launch: Launch;
        ignored: string;
    }>;
    #private;
}
export type Json = import("./envelope.js").Json;
export type Request = import("./envelope.js").Request;
export type Launch = import("./ehr.js").Launch;
export type Verify = (handle: string, seen: {
    origin: string;
    messageType: string;
    window?: string;
}) => Promise<Launch>;
import { Recent } from "./envelope.js";
