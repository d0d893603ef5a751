/** Signing in: by picking a name in a demo, otherwise with a token. */

import { claims } from "../client/src/longpoll.js";
import { h, s } from "../shared/dom.js";
import { hueOf, initials } from "../shared/format.js";
import * as session from "../shared/session.js";

const NAMES = ["alice", "bob", "carol", "dave", "erin", "frank"];

/** The mark. */
export function wave() {
  return s(
    "svg",
    { viewBox: "0 0 32 32", class: "wave", "aria-hidden": "true" },
    s("path", { d: "M4 12c4 0 4 3.500 8 3.500s4-3.500 8-3.500 4 3.500 8 3.500" }),
    s("path", { d: "M4 19c4 0 4 3.500 8 3.500s4-3.500 8-3.500 4 3.500 8 3.500", opacity: 0.45 }),
  );
}

/**
 * @param {HTMLElement} root
 * @returns {Promise<import("../shared/session.js").Session>}
 */
export function signIn(root) {
  return new Promise((resolve) => {
    const problem = h("p", { class: "problem", role: "alert" });
    const fail = (/** @type {unknown} */ error) => {
      problem.textContent = error instanceof Error ? error.message : String(error);
    };
    const form = session.demo ? demoForm(resolve, fail) : tokenForm(resolve, fail);
    root.replaceChildren(
      h(
        "main",
        { class: "sign-in" },
        h("header", null, wave(), h("h1", null, "Tideline")),
        ...form,
        problem,
        session.demo &&
          h(
            "p",
            { class: "hint" },
            "To see how it works, open the ",
            h("a", { href: "/inspect" }, "inspector"),
            " beside it.",
          ),
      ),
    );
    /** @type {HTMLElement | null} */ (root.querySelector("button, textarea"))?.focus();
  });
}

/**
 * @param {(session: import("../shared/session.js").Session) => void} done
 * @param {(error: unknown) => void} fail
 */
function demoForm(done, fail) {
  const pick = async (/** @type {string} */ user) => {
    try {
      done({ user, token: await session.demoToken(user), demo: true });
    } catch (error) {
      fail(error);
    }
  };
  const other = h("input", {
    class: "field",
    "aria-label": "Another name",
    placeholder: "Another name",
    maxLength: 64,
    required: true,
  });
  return [
    h("p", null, "This is a demo on your own machine. Pick who you are:"),
    h(
      "div",
      { class: "names" },
      ...NAMES.map((name) =>
        h("button", { type: "button", class: "name", onclick: () => pick(name) }, avatar(name), h("span", null, name)),
      ),
    ),
    h(
      "form",
      { class: "row", onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), pick(other.value.trim())) },
      other,
      h("button", { class: "button" }, "Sign in"),
    ),
  ];
}

/**
 * @param {(session: import("../shared/session.js").Session) => void} done
 * @param {(error: unknown) => void} fail
 */
function tokenForm(done, fail) {
  const field = h("textarea", {
    class: "field token",
    rows: 4,
    required: true,
    spellcheck: false,
    placeholder: "eyJ…",
  });
  field.setAttribute("autocomplete", "off");
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const token = field.value.trim();
    const { sub, exp, scope } = claims(token);
    if (!sub) fail("This is not a token.");
    else if (scope === "server") fail("This token is for a server. The chat takes a user's.");
    else if (exp && exp * 1000 < Date.now()) fail("This token has expired.");
    else done({ user: sub, token });
  };
  return [
    h(
      "form",
      { onsubmit: submit },
      h("label", null, h("span", null, "Sign in with your token"), field),
      h("button", { class: "button" }, "Sign in"),
    ),
  ];
}

/**
 * @param {string} name
 * @param {boolean} [group]
 */
export function avatar(name, group = false) {
  const element = h("span", { class: group ? "avatar group" : "avatar", "aria-hidden": "true" }, initials(name));
  element.style.setProperty("--hue", String(hueOf(name)));
  return element;
}
