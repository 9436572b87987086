// Text with its mathematics: TeX between delimiters becomes MathML (by Temml), all else stays text.
const salMath = (() => {
  "use strict";
  const { el, plain } = salDom;
  const LONGEST = 2000; // characters of a formula that are rendered
  const MOST = 400; // formulas of a text that are rendered
  const OPENING = /\$\$|\$|\\\(|\\\[|\\boxed(?=\s*\{)/g;
  const CLOSING = { "$$": "$$", "$": "$", "\\(": "\\)", "\\[": "\\]" };

  // Where the brace group that begins at `start` ends, or -1.
  function groupEnd(text, start) {
    let depth = 0;
    for (let i = start; i < Math.min(text.length, start + LONGEST); i++) {
      if (text[i] === "\\") i++;
      else if (text[i] === "{") depth++;
      else if (text[i] === "}" && --depth === 0) return i + 1;
    }
    return -1;
  }

  // Pieces of `text`: {text} or {tex, shown: with its delimiters, display}.
  function pieces(text) {
    const found = [];
    let from = 0;
    let formulas = 0;
    OPENING.lastIndex = 0;
    for (let match; formulas < MOST && (match = OPENING.exec(text)); ) {
      const open = match[0];
      const start = match.index;
      let end, tex;
      if (open === "\\boxed") {
        end = groupEnd(text, text.indexOf("{", start));
        tex = text.slice(start, end);
      } else {
        const near = text.slice(start + open.length, start + open.length + LONGEST);
        const at = near.indexOf(CLOSING[open]);
        // A price is no formula: "$5 and $6" has a space before its second dollar.
        const price = open === "$" && (at === 0 || /^\s|\s$/.test(near.slice(0, at)));
        end = at < 0 || price ? -1 : start + open.length + at + CLOSING[open].length;
        tex = near.slice(0, at);
      }
      if (end < 0) continue;
      if (start > from) found.push({ text: text.slice(from, start) });
      const display = open === "$$" || open === "\\[";
      found.push({ tex, shown: text.slice(start, end), display });
      formulas++;
      from = OPENING.lastIndex = end;
    }
    if (from < text.length) found.push({ text: text.slice(from) });
    return found;
  }

  function formula(piece) {
    const node = el("span", { class: "tex", title: plain(piece.shown) });
    try {
      temml.render(piece.tex, node, {
        displayMode: piece.display, throwOnError: true, trust: false, maxExpand: 100,
        maxSize: [5, 50],
      });
    } catch {
      node.textContent = plain(piece.shown);
    }
    return node;
  }

  function math(text) {
    const parts = pieces(String(text)).map((piece) =>
      piece.tex === undefined ? plain(piece.text) : formula(piece));
    return el("bdi", { class: "math", dir: "ltr" }, parts);
  }

  return { math, pieces };
})();
