// Elements, and the words and numbers in them. Text is only ever set as text.
const salDom = (() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";

  function fill(node, props, children) {
    for (const [name, value] of Object.entries(props || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return node;
  }

  const el = (tag, props, ...children) => fill(document.createElement(tag), props, children);
  const svg = (tag, props, ...children) =>
    fill(document.createElementNS(SVG, tag), props, children);

  // Controls that turn the direction of what follows, or cannot be seen, by their code points.
  const HIDDEN = /[\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u2069\ufeff\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
  const plain = (text) =>
    String(text).replace(HIDDEN, (c) =>
      `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

  function select(label, options, value, onchange) {
    const box = el("select", { "aria-label": label, onchange: () => onchange(box.value) },
      options.map(([key, words]) => el("option", { value: key, selected: key === value }, words)));
    return el("label", { class: "choice" }, label + " ", box);
  }

  const percent = (share, digits = 1) =>
    share === null || share === undefined ? "?" : (100 * share).toFixed(digits);
  const UNITS = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  function short(value) {
    if (value === null || value === undefined) return "?";
    const unit = UNITS.find(([size]) => Math.abs(value) >= size * 0.9995);
    const [size, letter] = unit || [1, ""];
    return `${Number((value / size).toPrecision(3))}${letter}`;
  }

  return { el, svg, plain, select, percent, short };
})();
