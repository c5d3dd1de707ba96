/** @param {unknown} data @returns {Request | null} */
export function asRequest(data: unknown): Request | null;
/** @param {unknown} data @returns {Response | null} */
export function asResponse(data: unknown): Response | null;
export function isObject(value: unknown): value is Json;
export function requestOf(messagingHandle: string, messageType: string, payload: Json): Request;
export function responseTo(request: Request, payload: Json): Response;
export function newId(): string;
/** The last few thousand of something: an app that stays open for weeks must not fill the memory. */
export class Recent {
    /** @param {string} item @returns {boolean} whether it is new */
    add(item: string): boolean;
    #private;
}
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
