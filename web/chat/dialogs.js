/** Dialogs: a new group, and what there is to know and to change about a conversation. */

import { h, icon, ICONS } from "../shared/dom.js";
import { plural } from "../shared/format.js";
import { nameOf } from "./list.js";
import { avatar } from "./sign-in.js";

/** @typedef {import("../client/src/client.js").TidelineClient} Client */

/** @param {string} text */
const namesIn = (text) => [...new Set(text.split(/[\s,;]+/).filter(Boolean))];

/**
 * @param {string} title
 * @param {...Node} content
 */
function dialog(title, ...content) {
  const heading = h("h2", { id: "dialog-title", dir: "auto" }, title);
  const close = h(
    "button",
    { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => element.close() },
    icon("M6 6l12 12M18 6L6 18"),
  );
  const element = h("dialog", { "aria-labelledby": "dialog-title" }, h("header", null, heading, close), ...content);
  element.addEventListener("close", () => element.remove());
  element.addEventListener("click", (event) => event.target === element && element.close());
  document.body.append(element);
  element.showModal();
  return element;
}

/**
 * Do something that a form asks for, and say why it can't be done.
 * @param {HTMLElement} problem
 * @param {() => Promise<unknown>} action
 */
async function attempt(problem, action) {
  problem.textContent = "";
  try {
    await action();
    return true;
  } catch (error) {
    problem.textContent = /** @type {Error} */ (error).message;
    return false;
  }
}

/** @param {Client} client @param {(id: string) => void} open */
export function newGroup(client, open) {
  const title = h("input", { class: "field", maxLength: 120, required: true, autocomplete: "off" });
  const members = h("input", { class: "field", placeholder: "bob, carol", autocomplete: "off", spellcheck: false });
  const problem = h("p", { class: "problem", role: "alert" });
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    await attempt(problem, async () => {
      const { conversation } = await client.create({
        title: title.value.trim(),
        members: namesIn(members.value),
        history: "all",
      });
      element.close();
      open(conversation);
    });
  };
  const element = dialog(
    "New group",
    h(
      "form",
      { onsubmit: submit },
      h("label", null, h("span", null, "Title"), title),
      h("label", null, h("span", null, "Members"), members),
      problem,
      h("button", { class: "button" }, "Create"),
    ),
  );
}

/** @param {Client} client @param {string} id @param {() => void} left */
export async function about(client, id, left) {
  const state = await client.conversation(id);
  if (!state) return;
  const problem = h("p", { class: "problem", role: "alert" });
  const toggle = (/** @type {"muted" | "pinned"} */ what, /** @type {string} */ label) => {
    const box = h("input", { type: "checkbox", checked: state[what] });
    box.addEventListener("change", () => attempt(problem, () => client.update(id, { [what]: box.checked })));
    return h("label", { class: "toggle" }, box, h("span", null, label));
  };
  const list = h("ul", { class: "members", role: "list" });
  const element = dialog(
    nameOf(id, state, client.user),
    h("div", { class: "toggles" }, toggle("muted", "Mute"), toggle("pinned", "Keep at the top")),
    problem,
  );
  if (state.kind !== "group") return;

  const draw = async () => {
    const members = await client.members(id);
    list.replaceChildren(
      ...members.map(({ user, role }) =>
        h(
          "li",
          null,
          avatar(user),
          h("span", { class: "member-name" }, h("bdi", null, user), user === client.user && h("em", null, " you")),
          role === "admin" && h("span", { class: "role" }, "admin"),
          state.role === "admin" &&
            user !== client.user &&
            h(
              "button",
              { class: "link danger", onclick: () => attempt(problem, () => client.remove(id, [user]).then(draw)) },
              "Remove",
            ),
        ),
      ),
    );
    heading.textContent = plural(members.length, "member");
  };
  const heading = h("h3", null, plural(state.members, "member"));
  const field = h("input", {
    class: "field",
    placeholder: "Add by name",
    "aria-label": "Add members by name",
    autocomplete: "off",
    spellcheck: false,
  });
  const add = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const names = namesIn(field.value);
    if (names.length && (await attempt(problem, () => client.add(id, names)))) {
      field.value = "";
      await draw();
    }
  };
  const leave = () =>
    attempt(problem, async () => {
      await client.leave(id);
      element.close();
      left();
    });
  element.append(
    heading,
    list,
    ...(state.role === "admin"
      ? [h("form", { class: "row", onsubmit: add }, field, h("button", { class: "button" }, "Add"))]
      : []),
    h("button", { class: "button quiet danger", onclick: leave }, "Leave the group"),
  );
  await attempt(problem, draw);
}
