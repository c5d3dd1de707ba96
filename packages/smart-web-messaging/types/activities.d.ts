export function launchActivity(activities: Record<string, Handler>): Record<string, Handler>;
export type Handler = import("./ehr.js").Handler;
