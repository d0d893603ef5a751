/** The inspector: one user's timeline with the cursors of all of the user's devices on it, moving. */

import { claims } from "../client/src/longpoll.js";
import { $, h, s, setText } from "../shared/dom.js";
import { count, plural } from "../shared/format.js";
import { demo, demoToken } from "../shared/session.js";
import { ConversationTimeline } from "./conversation.js";
import { Model } from "./model.js";
import { Plots } from "./plots.js";
import { Source } from "./source.js";
import { describe, Strip } from "./strip.js";
import { TraceView } from "./trace.js";

const TOKEN = "tideline.inspector";
const RETRY = 2000;
const BACK = 80;

async function start() {
  const token = await getToken();
  new Page(new Source(token)).open();
}

class Page {
  #source;
  #model = new Model();
  #strip = new Strip(this.#model, (seq) => this.#choose(seq));
  #plots = new Plots();
  #trace = new TraceView(this.#model);
  #conversation;
  #picker = h("div", { class: "picker", role: "group", "aria-label": "Users who are online" });
  #field = h("input", {
    class: "field",
    placeholder: "Another user",
    "aria-label": "Another user",
    autocomplete: "off",
    spellcheck: false,
  });
  #title = h("h2");
  #status = h("span", { class: "status", role: "status" });
  #detail = h("pre", { class: "event" });
  /** The entry that was clicked; null: the latest message is followed. @type {number | null} */
  #chosen = null;
  #drawing = false;
  #ending = new AbortController();

  /** @param {Source} source */
  constructor(source) {
    this.#source = source;
    this.#conversation = new ConversationTimeline(source);
  }

  open() {
    const form = h("form", null, this.#field);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#field.value.trim()) this.look(this.#field.value.trim());
      this.#field.value = "";
    });
    $("#app").replaceChildren(
      h(
        "div",
        { class: "page" },
        h(
          "header",
          { class: "top" },
          mark(),
          h("h1", null, "Tideline ", h("span", null, "inspector")),
          this.#status,
          this.#plots.element,
        ),
        h(
          "section",
          { class: "card wide" },
          h("div", { class: "card-head" }, this.#title, this.#picker, form),
          h(
            "p",
            { class: "idea" },
            "Everything this user has to learn, numbered without holes. Each device is a cursor into it: left of the cursor is known, right of it is owed. Nothing else is tracked, and nothing else is needed.",
          ),
          this.#strip.element,
        ),
        h(
          "div",
          { class: "columns" },
          h(
            "section",
            { class: "card" },
            h("h2", null, "A message on its way"),
            h(
              "p",
              { class: "idea" },
              "First durable, then pushed to whoever is live. Who is not, pulls it from the timeline later: a push that is lost is no loss.",
            ),
            this.#trace.element,
          ),
          h(
            "section",
            { class: "card" },
            h("h2", null, "Its conversation"),
            h(
              "p",
              { class: "idea" },
              "The message is stored once, in the conversation's own timeline. The users' timelines only refer to it.",
            ),
            this.#conversation.element,
            this.#detail,
          ),
        ),
      ),
    );
    new ResizeObserver(() => this.#draw()).observe(this.#strip.element);
    addEventListener("keydown", (event) => event.key === "Escape" && this.#choose(null));
    addEventListener("hashchange", () => this.look(decodeURIComponent(location.hash.slice(1))));
    this.look(decodeURIComponent(location.hash.slice(1)) || (demo ? "bob" : ""));
    Object.assign(globalThis, { inspected: this.#model });
  }

  /** @param {string} user */
  look(user) {
    this.#ending.abort();
    this.#ending = new AbortController();
    this.#model.look(user);
    this.#chosen = null;
    if (location.hash.slice(1) !== encodeURIComponent(user))
      history.replaceState(null, "", `#${encodeURIComponent(user)}`);
    this.#run(user, this.#ending.signal);
  }

  /** @param {string} user @param {AbortSignal} signal */
  async #run(user, signal) {
    while (!signal.aborted) {
      try {
        const stream = this.#source.follow(user, signal);
        const begun = stream.next();
        if (user) await this.#load(user, signal);
        const first = await begun;
        if (first.value) this.#take(first.value);
        setText(this.#status, "live");
        for await (const lines of stream) this.#take(lines);
      } catch (error) {
        if (signal.aborted) return;
        setText(this.#status, `not connected: ${/** @type {Error} */ (error).message}`);
      }
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
  }

  /** @param {string} user @param {AbortSignal} signal */
  async #load(user, signal) {
    const [{ head }, { devices }] = await Promise.all([
      this.#source.ask("ping", user),
      this.#source.ask("devices", user),
    ]);
    const page = head
      ? await this.#source.ask("pull", user, { after: Math.max(0, head - BACK), limit: BACK })
      : { entries: [] };
    if (signal.aborted) return;
    this.#model.know(devices);
    this.#model.read(page.entries, head);
    this.#draw();
  }

  /** @param {import("./source.js").Line[]} lines */
  #take(lines) {
    for (const line of lines) this.#model.take(line);
    if (!this.#model.user) {
      const [first] = Object.entries(this.#model.online).sort((a, b) => b[1] - a[1]);
      if (first) {
        this.look(first[0]);
        return;
      }
    }
    this.#draw();
  }

  /** @param {number | null} seq */
  #choose(seq) {
    this.#chosen = seq === this.#chosen ? null : seq;
    this.#draw();
  }

  #draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      const model = this.#model;
      setText(this.#title, model.user ? `The timeline of ${model.user}` : "Nobody is online");
      document.title = model.user ? `${model.user} – Tideline inspector` : "Tideline inspector";
      this.#drawPicker();
      this.#strip.draw(this.#chosen);
      this.#plots.draw(model.rates);
      this.#drawMessage();
    });
  }

  #drawMessage() {
    const model = this.#model;
    const chosen = this.#chosen === null ? null : model.entries.get(this.#chosen);
    const own = [...model.traces.values()].filter(({ at }) => at[model.user]);
    const trace = this.#chosen === null ? own.at(-1) : own.find(({ at }) => at[model.user] === this.#chosen);
    this.#trace.draw(trace, this.#chosen === null);
    const event = chosen ?? trace?.event;
    if (event?.type === "message") this.#conversation.draw(model.user, event.message);
    this.#detail.hidden = chosen === null;
    if (chosen) setText(this.#detail, `#${this.#chosen}  ${describe(chosen)}\n\n${JSON.stringify(chosen, null, 2)}`);
  }

  #drawPicker() {
    const users = Object.entries(this.#model.online)
      .sort((a, b) => (a[0] < b[0] ? -1 : 1))
      .slice(0, 12);
    const of = JSON.stringify([users, this.#model.user]);
    if (this.#picker.dataset.of === of) return;
    this.#picker.dataset.of = of;
    this.#picker.replaceChildren(
      ...users.map(([name, devices]) =>
        h(
          "button",
          {
            type: "button",
            class: "chip",
            "aria-pressed": String(name === this.#model.user),
            title: plural(devices, "device"),
            onclick: () => this.look(name),
          },
          h("bdi", null, name),
          h("span", null, count(devices)),
        ),
      ),
    );
  }
}

function mark() {
  return s(
    "svg",
    { viewBox: "0 0 32 32", class: "wave", "aria-hidden": "true" },
    s("path", { d: "M4 12c4 0 4 3.500 8 3.500s4-3.500 8-3.500 4 3.500 8 3.500" }),
    s("path", { d: "M4 19c4 0 4 3.500 8 3.500s4-3.500 8-3.500 4 3.500 8 3.500", opacity: 0.45 }),
  );
}

/** @returns {Promise<string>} */
async function getToken() {
  if (demo) return demoToken("inspector", "server");
  const held = sessionStorage.getItem(TOKEN);
  if (held && usable(held)) return held;
  return new Promise((resolve) => {
    const problem = h("p", { class: "problem", role: "alert" });
    const field = h("textarea", { class: "field token", rows: 4, required: true, spellcheck: false });
    const form = h(
      "form",
      null,
      h("label", null, h("span", null, "A token with scope server"), field),
      problem,
      h("button", { class: "button" }, "Inspect"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = field.value.trim();
      if (!usable(token)) {
        problem.textContent = "This is not a token with scope server that is still valid.";
        return;
      }
      sessionStorage.setItem(TOKEN, token);
      resolve(token);
    });
    $("#app").replaceChildren(h("main", { class: "ask" }, mark(), h("h1", null, "Tideline inspector"), form));
    field.focus();
  });
}

/** @param {string} token */
function usable(token) {
  const { scope, exp } = claims(token);
  return scope === "server" && (exp ?? 0) * 1000 > Date.now();
}

start();
