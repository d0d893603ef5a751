/** Elements without markup: text is always text, so nothing that a user wrote can become anything else. */

/**
 * Make an element. `props`: `class`, `on…` listeners, `dataset`, properties where the element has them, else attributes.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any> | null} [props]
 * @param {...(Node | string | number | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  assign(element, props ?? {});
  element.append(
    ...children.filter((child) => child != null && child !== false).map((child) => /** @type {any} */ (child)),
  );
  return element;
}

/**
 * Make an SVG element.
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElement}
 */
export function s(tag, attributes = {}, ...children) {
  const element = /** @type {SVGElement} */ (document.createElementNS("http://www.w3.org/2000/svg", tag));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {Record<string, any>} props
 */
export function assign(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined) continue;
    if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.startsWith("aria")) /** @type {any} */ (element)[name] = value;
    else if (value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true && !name.startsWith("aria") ? "" : String(value));
  }
}

/**
 * Set an element's text, touching it only when that changes it.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} selector @returns {HTMLElement} */
export const $ = (selector) => /** @type {HTMLElement} */ (document.querySelector(selector));

/**
 * A line icon from its path, 24 units wide.
 * @param {string} path
 */
export function icon(path) {
  return s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, s("path", { d: path }));
}

export const ICONS = {
  back: "M15 5l-7 7 7 7",
  plus: "M12 5v14M5 12h14",
  send: "M4 12l16-7-6 16-3-6.5L4 12zM11 14.5L20 5",
  more: "M5.500 12a.5.5 0 11-1 0 .5.5 0 011 0zM12.500 12a.5.5 0 11-1 0 .5.5 0 011 0zM19.500 12a.5.5 0 11-1 0 .5.5 0 011 0z",
  clock: "M12 4a8 8 0 100 16 8 8 0 000-16zM12 8v4.5l3 1.5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  checks: "M2 12.5l4.5 4.5L15 8M11 16l1 1L21.5 7.5",
  warning: "M12 8v5M12 16.5h.01M12 3.5l9.5 17h-19l9.5-17z",
  down: "M6 9.5l6 6 6-6",
  bell: "M6 16V11a6 6 0 0112 0v5l1.5 2h-15L6 16zM10 20.5h4",
  muted: "M6 16V11a6 6 0 018-5.6M18 10v6l1.5 2H6M4 4l16 16",
  pin: "M9 4h6l-1 6 3 3H7l3-3-1-6zM12 13v7",
  out: "M14 5H6v14h8M11 12h9M17 8.5l3.5 3.5-3.5 3.5",
  people: "M9 11a3 3 0 100-6 3 3 0 000 6zM3 19c0-3 2.5-5 6-5s6 2 6 5M16 5.5a3 3 0 010 5M17.5 14c2 .5 3.5 2.200 3.500 5",
};
