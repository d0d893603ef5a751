/** Small live plots: the last half minute. */

import { h, s, setText } from "../shared/dom.js";
import { count } from "../shared/format.js";

/** @typedef {import("./source.js").Line} Line */

const POINTS = 120;
const WIDTH = 240;
const HEIGHT = 44;

/**
 * A plot: a title, what to draw of a line of rates (null: nothing there), and how to say a value.
 * @typedef {{title: string, about: string, of: (line: Line) => number | null, say: (value: number) => string}} Kind
 */

/** @type {Kind[]} */
const KINDS = [
  {
    title: "Messages",
    about: "committed, a second",
    of: ({ messages, span }) => messages / span,
    say: (value) => `${count(Math.round(value * 10) / 10)}/s`,
  },
  {
    title: "Entries pushed",
    about: "to connections, a second",
    of: ({ pushed, span }) => pushed / span,
    say: (value) => `${count(Math.round(value))}/s`,
  },
  {
    title: "Commit",
    about: "until durable, median",
    of: ({ commit_ms }) => commit_ms?.[0] ?? null,
    say: (value) => `${value.toFixed(value < 10 ? 2 : 0)} ms`,
  },
  {
    title: "Batch",
    about: "commands in one commit, largest",
    of: ({ batch }) => batch?.[1] ?? null,
    say: (value) => count(value),
  },
];

export class Plots {
  #plots = KINDS.map((kind) => new Plot(kind));
  element = h("div", { class: "plots" }, ...this.#plots.map(({ element }) => element));

  /** @param {Line[]} rates */
  draw(rates) {
    for (const plot of this.#plots) plot.draw(rates);
  }
}

class Plot {
  #kind;
  #value = h("strong");
  #area = s("path", { class: "area" });
  #line = s("path", { class: "line" });
  element;

  /** @param {Kind} kind */
  constructor(kind) {
    this.#kind = kind;
    const svg = s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      this.#area,
      this.#line,
    );
    this.element = h(
      "figure",
      { class: "plot" },
      h("figcaption", null, h("span", null, kind.title), this.#value, h("small", null, kind.about)),
      svg,
    );
  }

  /** @param {Line[]} rates */
  draw(rates) {
    const lines = rates.slice(-POINTS);
    /** @type {number[]} */
    const values = [];
    // Where nothing was committed there is nothing to measure: the last value stays.
    for (const line of lines) values.push(this.#kind.of(line) ?? values.at(-1) ?? 0);
    // Four ticks are a second: what is said is a second's mean.
    const recent = values.slice(-4);
    const value = recent.reduce((sum, each) => sum + each, 0) / (recent.length || 1);
    setText(this.#value, this.#kind.say(value));
    const top = Math.max(...values, 1e-9) * 1.15;
    const step = WIDTH / (POINTS - 1);
    const points = values.map((each, place) => {
      const x = WIDTH - (values.length - 1 - place) * step;
      return `${x.toFixed(1)} ${(HEIGHT - 1 - (each / top) * (HEIGHT - 4)).toFixed(1)}`;
    });
    if (!points.length) return;
    const path = `M${points.join("L")}`;
    this.#line.setAttribute("d", path);
    this.#area.setAttribute("d", `${path}L${WIDTH} ${HEIGHT}L${points[0].split(" ")[0]} ${HEIGHT}Z`);
  }
}
