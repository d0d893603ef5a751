/** One message on the screen. Whatever a user wrote is set as text. */

import { h, icon, ICONS, setText } from "../shared/dom.js";
import { clockTime, fullTime, hueOf } from "../shared/format.js";
import { textOf } from "./list.js";
import { avatar } from "./sign-in.js";

const STATUS = /** @type {Record<string, [icon: string, text: string]>} */ ({
  pending: [ICONS.clock, "Not sent yet"],
  sent: [ICONS.check, "Sent"],
  read: [ICONS.checks, "Read"],
  failed: [ICONS.warning, "Not sent"],
  unconfirmed: [ICONS.warning, "May not have been sent"],
});

/** @param {import("../client/src/client.js").TidelineClient} client */
export function makeBubble(client) {
  const element = h(
    "article",
    { class: "message", role: "listitem" },
    h("div", { class: "who" }),
    h(
      "div",
      { class: "bubble" },
      h("p", { class: "text", dir: "auto" }),
      h("footer", null, h("span", { class: "edited" }), h("time"), h("span", { class: "status" })),
    ),
    h("div", { class: "below" }),
  );
  element.addEventListener("click", (event) => {
    const action = /** @type {HTMLElement} */ (event.target).dataset?.action;
    const id = element.dataset.client;
    if (!action || !id) return;
    if (action === "retry") client.retry(id);
    else client.discard(id);
  });
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {import("./timeline.js").Item} item
 * @param {string} user
 * @param {boolean} group
 */
export function fillBubble(element, { message, pending, first, last, status = "" }, user, group) {
  const sender = message?.sender ?? user;
  const own = sender === user;
  const time = message?.time ?? pending?.time ?? 0;
  const content = message ?? { body: pending?.body ?? {}, recalled: false, gone: false };
  const text = textOf(/** @type {any} */ (content));
  const absent = Boolean(message?.recalled || message?.gone);
  element.className = ["message", own ? "own" : "other", first && "first", last && "last", absent && "absent", status]
    .filter(Boolean)
    .join(" ");
  if (message) element.dataset.seq = String(message.message_seq);
  element.dataset.client = pending?.client_id ?? "";

  const [who, bubble, below] = /** @type {HTMLElement[]} */ ([...element.children]);
  const name = group && !own && first ? sender : "";
  if (who.dataset.of !== name) {
    who.dataset.of = name;
    who.replaceChildren();
    if (name) {
      const label = h("span", { class: "sender" }, h("bdi", null, name));
      label.style.setProperty("--hue", String(hueOf(name)));
      who.append(avatar(name), label);
    }
  }
  const [body, footer] = /** @type {HTMLElement[]} */ ([...bubble.children]);
  setText(body, text);
  const [edited, at, mark] = /** @type {HTMLElement[]} */ ([...footer.children]);
  setText(edited, message?.edited && !absent ? "edited" : "");
  setText(at, clockTime(time));
  at.title = fullTime(time);
  at.setAttribute("datetime", new Date(time).toISOString());
  if (mark.dataset.of !== status) {
    mark.dataset.of = status;
    mark.replaceChildren();
    if (STATUS[status]) mark.append(icon(STATUS[status][0]), h("span", { class: "hidden-text" }, STATUS[status][1]));
    mark.title = STATUS[status]?.[1] ?? "";
  }
  element.setAttribute(
    "aria-label",
    `${own ? "You" : sender}, ${clockTime(time)}: ${text}${own ? `, ${STATUS[status]?.[1] ?? ""}` : ""}`,
  );

  below.replaceChildren(...reactions(message), ...failure(pending));
}

/** @param {import("../client/src/protocol.js").Message | undefined} message */
function reactions(message) {
  return Object.entries(message?.reactions ?? {}).map(([reaction, users]) =>
    h(
      "span",
      { class: "reaction", title: users.join(", ") },
      h("bdi", null, reaction),
      users.length > 1 && ` ${users.length}`,
    ),
  );
}

/** @param {import("../client/src/draft.js").Pending | undefined} pending */
function failure(pending) {
  if (!pending || pending.status === "pending") return [];
  const why =
    pending.status === "failed"
      ? `Not sent: ${pending.error ?? ""}`
      : "It is too long ago to be sure that this was sent.";
  return [
    h(
      "p",
      { class: "failure", role: "alert" },
      why,
      " ",
      h("button", { type: "button", class: "link", dataset: { action: "retry" } }, "Send again"),
      " ",
      h("button", { type: "button", class: "link danger", dataset: { action: "discard" } }, "Delete"),
    ),
  ];
}
