// Asks the admin API. Nothing here knows what a page shows.
import { visible } from "./format.js";

/** What the API answered instead of a result. `status` 0: nothing answered at all. */
export class Problem extends Error {
  constructor(status, title, detail, errors = []) {
    super(visible(detail || title));
    this.status = status;
    this.title = title;
    this.errors = errors;
  }
}

const signedOut = new Set();

/** Calls `hear` when the API says that nobody is signed in; returns how to stop that. */
export function onSignedOut(hear) {
  signedOut.add(hear);
  return () => signedOut.delete(hear);
}

/** The API's path of a model: names like org/model are written as they are. */
export const ofModel = (model, rest) => `/api/v1/models/${model.split("/").map(encodeURIComponent).join("/")}/${rest}`;

/** A query string of what is set; empty when nothing is. */
export function query(values) {
  const set = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return set.length ? `?${new URLSearchParams(set)}` : "";
}

/** The answer's JSON; null for 204. Throws Problem, also when `signal` ends it. */
export async function ask(path, { method = "GET", body, signal } = {}) {
  const headers = { accept: "application/json" };
  if (method !== "GET") headers["content-type"] = "application/json";
  let response;
  try {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    response = await fetch(path, { method, headers, body: sent, credentials: "same-origin", signal });
  } catch {
    throw new Problem(0, "No answer", "The gateway's admin port does not answer");
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  if (response.ok) throw new Problem(0, "No answer", "What came is not the gateway's answer, or not the whole of it");
  if (response.status === 401 && path !== "/api/v1/session") signedOut.forEach((hear) => hear());
  throw new Problem(response.status, answer?.title || response.statusText || `Status ${response.status}`, answer?.detail, answer?.errors);
}
