// The state of a view stands in the address, so that a view can be sent: #view=cells&subject=torch&subject=strided.

/** Return the address's state. */
export function read() {
  return new URLSearchParams(location.hash.slice(1));
}

/** Return the address of the state with `changes`: a text, a list of texts, or null for none. */
export function address(changes, from = read()) {
  const state = new URLSearchParams(from);
  for (const [key, value] of Object.entries(changes)) {
    state.delete(key);
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") state.append(key, one);
    }
  }
  return `#${state}`;
}

/** Put `changes` into the address. `quietly` adds no step to the browser's history: for what changes with each key. */
export function write(changes, { quietly = false } = {}) {
  const next = address(changes);
  if (next === location.hash) return;
  if (quietly) history.replaceState(null, "", next);
  else history.pushState(null, "", next);
}
