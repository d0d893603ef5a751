/** Chance that nobody can guess. */

// Node 18 has it, but not as a global. The name is put together so that bundlers for browsers pass it by.
const { getRandomValues } = bound(globalThis.crypto ?? (await import(["node", "crypto"].join(":"))).webcrypto);

/** @param {Crypto} crypto */
function bound(crypto) {
  return { getRandomValues: (/** @type {Uint8Array} */ bytes) => crypto.getRandomValues(bytes) };
}

/** 128 random bits, as text. */
export function randomId() {
  return Array.from(getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
