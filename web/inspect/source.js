/** Where the inspector gets what it shows: requests on behalf of a user, and the stream of what happens. */

/** @typedef {{type: string, time: number, [field: string]: any}} Line */

export class Source {
  #token;

  /** @param {string} token Of scope `server`. */
  constructor(token) {
    this.#token = token;
  }

  /**
   * Make a request for a user. It names no device, so it changes nothing.
   * @param {string} type
   * @param {string} user
   * @param {object} [fields]
   * @returns {Promise<any>}
   */
  async ask(type, user, fields = {}) {
    const response = await fetch(`/v1/${type}`, {
      method: "POST",
      headers: { ...this.#headers, "Content-Type": "application/json" },
      body: JSON.stringify({ ...fields, as: user }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.message);
    return answer;
  }

  /**
   * Follow what happens, looking at one user.
   * @param {string} user
   * @param {AbortSignal} signal
   * @returns {AsyncGenerator<Line[], void, void>} Lines as they come, some at a time.
   */
  async *follow(user, signal) {
    const query = user ? `?user=${encodeURIComponent(user)}` : "";
    const response = await fetch(`/v1/inspect${query}`, { headers: this.#headers, signal });
    if (!response.ok || !response.body) throw new Error((await response.json()).message);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = /** @type {string} */ (lines.pop());
      if (lines.length) yield lines.map((line) => JSON.parse(line));
    }
  }

  get #headers() {
    return { Authorization: `Bearer ${this.#token}` };
  }
}
