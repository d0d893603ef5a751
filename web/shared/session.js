/** Who is signed in on this browser, and how a token is got. */

import { claims } from "../client/src/longpoll.js";

const KEY = "tideline.session";

/** Whether names can be picked: the server runs as a demo. */
export const demo = document.querySelector('meta[name="tideline-demo"]')?.getAttribute("content") === "1";

/** @typedef {{user: string, token: string, demo?: boolean}} Session */

/** @returns {Session | null} */
export function load() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "null");
  } catch {
    return null;
  }
}

/** @param {Session | null} session */
export function save(session) {
  if (session) localStorage.setItem(KEY, JSON.stringify(session));
  else localStorage.removeItem(KEY);
}

/**
 * Return a demo's token: the one that is held, or another when that is refused or about to expire.
 * @param {Session} session
 * @param {{fresh: boolean}} why
 */
export async function renewed(session, { fresh }) {
  const { exp = 0 } = claims(session.token);
  if (fresh || exp * 1000 < Date.now() + 60_000) {
    session.token = await demoToken(session.user);
    save(session);
  }
  return session.token;
}

/**
 * Get a token of a demo for a name.
 * @param {string} user
 * @param {"user" | "server"} [scope]
 * @returns {Promise<string>}
 */
export async function demoToken(user, scope = "user") {
  const response = await fetch("/v1/demo/token", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user, scope }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer.token;
}
