/** @param {unknown} data @returns {Request | null} */
export function asRequest(data: unknown): Request | null;
/** @param {unknown} data @returns {Response | null} */
export function asResponse(data: unknown): Response | null;
export function isObject(value: unknown): value is Json;
export function requestOf(messagingHandle: string, messageType: string, payload: Json): Request;
export function responseTo(request: Request, payload: Json): Response;
export function newId(): string;
export function isOrigin(text: string): boolean;
export type Json = Record<string, unknown>;
export type Request = {
    messagingHandle: string;
    messageId: string;
    messageType: string;
    payload: Json;
};
export type Response = {
    messageId: string;
    responseToMessageId: string;
    payload: Json;
    additionalResponsesExpected?: boolean;
};
/**
 * A window, as another origin sees it.
 */
export type Target = {
    postMessage(message: unknown, targetOrigin: string): void;
};
