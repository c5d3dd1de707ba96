/** @param {string} messageType @param {Json} payload */
export function check(messageType: string, payload: Json): void;
/**
 * Whether the messaging scopes of a grant hold this message: its group, or the message itself.
 * @param {unknown} scope @param {string} messageType
 */
export function covers(scope: unknown, messageType: string): boolean;
/** @typedef {import("./envelope.js").Json} Json */
export const LOCATION: RegExp;
export type Json = import("./envelope.js").Json;
