/** The chat: signs in, then shows the conversations of one user. */

import { IndexedDBStore, TidelineClient } from "../client/src/index.js";
import { $ } from "../shared/dom.js";
import * as session from "../shared/session.js";
import { App } from "./app.js";
import { signIn } from "./sign-in.js";

performance.mark("tideline:start");

async function start() {
  const root = $("#app");
  const held = session.load() ?? (await signIn(root));
  session.save(held);
  const client = new TidelineClient({
    url: location.origin,
    token: held.demo ? (why) => session.renewed(held, why) : held.token,
    store: new IndexedDBStore(`tideline ${held.user}`),
  });
  const app = new App(root, client, { signOut: () => signOut(client) });
  try {
    await client.start();
  } catch (error) {
    app.fail(/** @type {Error} */ (error).message);
    return;
  }
  await app.open();
  // For whoever looks into it with the browser's tools, and for tests.
  Object.assign(globalThis, { tideline: client });
}

/** @param {TidelineClient} client */
async function signOut(client) {
  session.save(null);
  await client.destroy();
  history.replaceState(null, "", "/");
  location.reload();
}

addEventListener("storage", (event) => {
  // Signed out, or in as another, in another tab.
  if (event.key === "tideline.session") location.reload();
});

addEventListener("unhandledrejection", (event) => {
  // The store was deleted under the page, by the browser or by another tab: begin anew.
  if (event.reason?.name !== "InvalidStateError") return;
  event.preventDefault();
  location.reload();
});

start();
