// What models wrote, shown as text: it can neither act, nor hide, nor turn around its surroundings.
(function (salTree) {
  "use strict";

  const AT_ONCE = 200_000; // characters that are laid out before somebody asks for all
  // C0 and C1, zero-width and bidirectional characters, line separators, lone surrogates
  const CONTROLS =
    /(?:[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff])+/g;

  function controlName(character) {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return "U+" + code.toString(16).toUpperCase().padStart(4, "0");
  }

  /** A run of control characters by their names; of a long one the first eight and its length. */
  function named(run) {
    const names = Array.from(run.slice(0, 8), controlName).join("");
    return run.length > 8 ? `${names}\u2026\u00d7${run.length}` : names;
  }

  /** The text with its control characters named: for a canvas, a tooltip, a title. */
  salTree.visible = (text) => text.replace(CONTROLS, named);

  /** One line of at most `limit` characters, beginning before what is looked for. */
  salTree.preview = function (text, limit, query) {
    const at = query ? text.toLowerCase().indexOf(query) : -1;
    const begin = at > limit / 2 ? at - 20 : 0;
    const cut = text.slice(begin, begin + limit).replace(/\s+/g, " ").trim();
    return (begin ? "\u2026" : "") + cut + (begin + limit < text.length ? "\u2026" : "");
  };

  function appendControls(parent, text) {
    let from = 0;
    for (const match of text.matchAll(CONTROLS)) {
      parent.append(text.slice(from, match.index));
      const name = salTree.element("span", "sal-control", named(match[0]));
      name.title = "control characters in the text";
      parent.append(name);
      from = match.index + match[0].length;
    }
    parent.append(text.slice(from));
  }

  /** Fill `parent` with the text, control characters named, what `query` finds marked. */
  salTree.fill = function (parent, text, query) {
    const lower = query ? text.toLowerCase() : "";
    let from = 0;
    // a letter whose lower case is longer would shift the marks: then there are none
    for (let at; query && lower.length === text.length && (at = lower.indexOf(query, from)) >= 0; ) {
      appendControls(parent, text.slice(from, at));
      appendControls(parent.appendChild(salTree.element("mark")), text.slice(at, at + query.length));
      from = at + query.length;
    }
    appendControls(parent, text.slice(from));
    return parent;
  };

  /** A block with the whole text; of a very long one its beginning, and a button for the rest. */
  salTree.textBlock = function (text, query, math) {
    const block = salTree.element("div", "sal-text");
    block.dir = "auto";
    const formulas = math && text.length <= AT_ONCE / 10 ? math(salTree.visible(text)) : null;
    if (formulas) block.append(formulas);
    else salTree.fill(block, text.slice(0, AT_ONCE), query);
    if (text.length > AT_ONCE) {
      const rest = salTree.element("button", "sal-more", `show all ${text.length} characters`);
      rest.onclick = () => rest.replaceWith(salTree.visible(text.slice(AT_ONCE)));
      block.append(rest);
    }
    return block;
  };

  salTree.element = function (tag, name = "", text = "") {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text) made.textContent = text;
    return made;
  };

  salTree.score = (score) => (score === undefined ? "" : score.toFixed(2));

  salTree.count = function (number) {
    if (number < 10_000) return String(number);
    return number < 1e6 ? `${(number / 1e3).toFixed(1)}k` : `${(number / 1e6).toFixed(1)}M`;
  };
})((globalThis.salTree ??= {}));
