// What the reader looks at, in the address (#x=flops&problem=…), so that it can be sent and kept.
const salState = (() => {
  "use strict";
  const listeners = [];
  const read = () => new URLSearchParams(location.hash.slice(1));
  const get = (name, otherwise = "") => read().get(name) ?? otherwise;

  // The address with these changes; "" takes a name away.
  function link(changes) {
    const state = read();
    for (const [name, value] of Object.entries(changes)) {
      if (value === "" || value === null || value === undefined) state.delete(name);
      else state.set(name, value);
    }
    return "#" + state.toString();
  }

  // Turning a switch replaces the address; opening something (`enter`) can be gone back from.
  function set(changes, enter = false) {
    const address = link(changes);
    if (address === (location.hash || "#")) return;
    if (enter) location.hash = address;
    else {
      history.replaceState(null, "", address);
      listeners.forEach((listener) => listener());
    }
  }

  // The address for what is shown already: nobody has to look at it anew.
  const note = (changes) => history.replaceState(null, "", link(changes));

  const listen = (listener) => listeners.push(listener);
  addEventListener("hashchange", () => listeners.forEach((listener) => listener()));
  return { get, set, note, link, listen };
})();
