/** @param {unknown} resource @param {string} patient */
export function isOfAnother(resource: unknown, patient: string): boolean;
/** @param {unknown} entry @param {string} base @returns {Interaction} Throws Refused. */
export function understood(entry: unknown, base: string): Interaction;
/**
 * The level of scope that allows an interaction: `user`, or `patient` if it is about the patient of the launch.
 * @param {Interaction} interaction @param {Launch} launch @returns {"user" | "patient"} Throws Refused.
 */
export function allowed({ letter, type, id, query, request }: Interaction, { fhir_scope: scope, patient }: Launch): "user" | "patient";
/**
 * @param {object} options
 * @param {string} options.base the FHIR server's base URL, without a slash at the end
 * @param {(request: FhirRequest, context: import("./ehr.js").Context) => Promise<FhirAnswer>} options.execute
 *   does it with the rights of the user of this page, and no more
 * @param {(error: unknown) => void} [options.onProblem]
 * @returns {Record<string, Handler>} a handler
 */
export function throughFhir({ base, execute, onProblem }: {
    base: string;
    execute: (request: FhirRequest, context: import("./ehr.js").Context) => Promise<FhirAnswer>;
    onProblem?: ((error: unknown) => void) | undefined;
}): Record<string, Handler>;
export type Json = import("./envelope.js").Json;
export type Launch = import("./ehr.js").Launch;
export type Handler = import("./ehr.js").Handler;
/**
 * relative to the FHIR server's base
 */
export type FhirRequest = {
    method: string;
    url: string;
    resource?: Json;
};
export type FhirAnswer = {
    status: string;
    resource?: Json;
    location?: string;
    etag?: string;
    lastModified?: string;
};
export type Interaction = {
    letter: string;
    type: string;
    id?: string;
    query?: URLSearchParams;
    request: FhirRequest;
};
