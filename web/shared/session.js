/** Who is signed in on this browser, and how a token is got. */

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
