// The bar above a tree: search, filters, folds, the icicle, and what the tree comes to.
(function (salTree) {
  "use strict";

  const ONLY = { all: "all nodes", chosen: "chosen path", finished: "what finished" };

  function button(text, title, press) {
    const made = salTree.element("button", "", text);
    made.type = "button";
    made.title = title;
    made.setAttribute("aria-label", title);
    made.onclick = press;
    return made;
  }

  function select(actions) {
    const made = salTree.element("select");
    made.setAttribute("aria-label", "show");
    for (const [value, words] of Object.entries(ONLY)) {
      const option = made.appendChild(salTree.element("option", "", words));
      option.value = value;
    }
    made.onchange = () => actions.filter({ only: made.value });
    return made;
  }

  function checkbox(words, change) {
    const label = salTree.element("label");
    const box = label.appendChild(salTree.element("input"));
    box.type = "checkbox";
    box.onchange = () => change(box.checked);
    label.append(words);
    return label;
  }

  /** How many nodes are in each state, as words. */
  salTree.tally = function (model) {
    const counts = {};
    for (const state of model.state) counts[state] = (counts[state] ?? 0) + 1;
    const states = salTree.STATES.filter((state) => counts[state]);
    const tokens = model.untold ? "" : ` \u00b7 ${salTree.count(model.total)} tokens`;
    const parts = states.map((state) => `${salTree.count(counts[state])} ${state}`);
    return `${salTree.count(model.n)} nodes${tokens}${parts.length ? ` \u00b7 ${parts.join(" \u00b7 ")}` : ""}`;
  };

  /** The colours of scores from 0 to 1. */
  function legend() {
    const made = salTree.element("span", "sal-legend", "score 0");
    made.append(salTree.element("i"), "1");
    return made;
  }

  salTree.bar = function (host, actions) {
    const bar = host.appendChild(salTree.element("div", "sal-bar"));
    bar.setAttribute("role", "toolbar");
    const box = salTree.element("input", "sal-search");
    box.type = "search";
    box.placeholder = "Search the tree  ( / )";
    box.setAttribute("aria-label", "search the tree");
    const count = salTree.element("output", "sal-found");
    box.oninput = () => actions.search(box.value);
    box.onkeydown = (event) => {
      if (event.key === "Enter") actions.jump(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") actions.leaveSearch();
      event.stopPropagation();
    };
    const tally = salTree.element("span", "sal-tally");
    const scores = legend();
    const only = select(actions);
    const pruned = checkbox("hide pruned", (on) => actions.filter({ hidePruned: on }));
    bar.append(
      box,
      count,
      button("\u2191", "previous hit (N)", () => actions.jump(-1)),
      button("\u2193", "next hit (n)", () => actions.jump(1)),
      only,
      pruned,
      button("\u25be", "unfold all", () => actions.foldAll(false)),
      button("\u25b8", "fold all", () => actions.foldAll(true)),
      button("\u2630", "icicle on or off (i)", actions.toggleIcicle),
      tally,
      scores,
    );
    return {
      box,
      unfiltered() {
        only.value = "all";
        pruned.firstChild.checked = false;
      },
      colours(scale) {
        const stops = [0, 0.25, 0.5, 0.75, 1].map(scale.fill);
        scores.children[0].style.background = `linear-gradient(90deg, ${stops})`;
      },
      found: (words) => (count.textContent = words),
      tally: (model) => (tally.textContent = salTree.tally(model)),
    };
  };
})((globalThis.salTree ??= {}));
