// The tree as a flat list of which only the rows in sight are in the document.
(function (salTree) {
  "use strict";

  const BEYOND = 8; // rows made above and below those in sight
  const PREVIEW = 240;
  const INDENT = { most: 16, least: 2, share: 0.3 };
  const LEAST_GUIDE = 5; // pixels a level under which lines would be a grey area
  const MARKS = {
    open: ["\u25cb", "open: the search goes on"],
    kept: ["\u25cf", "kept: the search went on from here"],
    pruned: ["\u25cb", "pruned: no step follows it"],
    finished: ["\u25a0", "finished"],
    truncated: ["\u25a8", "truncated: a limit ended it"],
    failed: ["\u26a0", "failed"],
    rollout: ["\u21dd", "rollout: looked ahead and let go"],
  };
  let made = 0;

  /** Pixels a level, so that the deepest row leaves room for its text. */
  salTree.indentOf = (width, depth) =>
    Math.max(INDENT.least, Math.min(INDENT.most, Math.floor((INDENT.share * width) / Math.max(1, depth))));

  salTree.MARKS = MARKS;

  /** A score on its colour. */
  salTree.chip = function (score, scale) {
    const chip = salTree.element("span", "sal-chip", salTree.score(score));
    if (score === undefined) chip.classList.add("sal-none");
    else {
      chip.style.setProperty("--fill", scale.fill(score));
      chip.style.setProperty("--ink", scale.ink(score));
    }
    return chip;
  };

  /** The scores of all steps of a node, side by side. */
  salTree.strip = function (scores, scale) {
    const strip = salTree.element("span", "sal-strip");
    strip.title = scores.map(salTree.score).join("  ");
    for (const score of scores.slice(0, 40)) {
      strip.appendChild(salTree.element("i")).style.background = scale.fill(score);
    }
    return strip;
  };

  /** The answer that ended at a node, right or wrong, and who chose it; null where none did. */
  salTree.verdict = function (completion, rule) {
    if (!completion) return null;
    const graded = completion.verdict !== "not graded";  // a gateway knows no right answer
    const right = completion.finish === "eot" && completion.verdict === "match";
    const words = completion.verdict === "match" || completion.verdict === "mismatch" ? "" : completion.verdict;
    const shown = salTree.preview(completion.key || words.replace("_", " ") || "no answer", 24);
    const badge = salTree.element("span", !graded ? "" : right ? "sal-right" : "sal-wrong");
    if (graded) badge.append(`${right ? "\u2713" : "\u2717"} `);
    badge.append(salTree.fill(salTree.element("bdi"), shown));
    if (completion.times > 1) badge.append(` \u00d7${completion.times}`);
    if (completion.rules.includes(rule)) badge.append(" \u2605");
    badge.title = [
      right ? "right" : graded ? `not right: ${completion.verdict}` : completion.verdict,
      ...(completion.rules.length ? [`chosen by ${completion.rules.join(", ")}`] : []),
    ].join("; ");
    return badge;
  };

  salTree.list = function (host, actions) {
    const scroller = host.appendChild(salTree.element("div", "sal-scroll"));
    const space = scroller.appendChild(salTree.element("div", "sal-space"));
    const prefix = `sal-tree-${++made}-`;
    scroller.tabIndex = 0;
    scroller.setAttribute("role", "tree");
    scroller.setAttribute("aria-label", "search tree");
    let asked = 0;
    const high = () => parseFloat(getComputedStyle(scroller).getPropertyValue("--row")) || 24;

    function measure() {
      space.style.height = `${actions.rows().length * high()}px`;
    }

    function render() {
      const rows = actions.rows();
      const tall = high();
      const { items } = actions.model();
      measure();
      const first = Math.max(0, Math.floor(scroller.scrollTop / tall) - BEYOND);
      const last = Math.min(rows.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / tall) + BEYOND);
      let deepest = 1;
      for (let row = first; row < last; row++) deepest = Math.max(deepest, items.depth[rows[row]]);
      const indent = salTree.indentOf(scroller.clientWidth, deepest);
      const shown = [];
      for (let row = first; row < last; row++) {
        shown.push(line(rows[row], row * tall, Math.min(items.depth[rows[row]] * indent, scroller.clientWidth * INDENT.share), indent));
      }
      space.replaceChildren(...shown);
      scroller.setAttribute("aria-activedescendant", prefix + actions.selected());
    }

    function line(item, top, indent, level) {
      const model = actions.model();
      const { items } = model;
      const node = items.node[item];
      const inner = items.step[item] >= 0;
      const state = node < 0 ? "problem" : model.state[node];
      const row = salTree.element("div", `sal-row sal-is-${state}`);
      row.id = prefix + item;
      row.style.top = `${top}px`;
      row.setAttribute("role", "treeitem");
      row.setAttribute("aria-level", items.depth[item] + 1);
      row.setAttribute("aria-selected", item === actions.selected());
      if (items.size[item] > 1) row.setAttribute("aria-expanded", !actions.folded(item));
      if (node >= 0 && model.chosen[node]) row.classList.add("sal-chosen");
      if (actions.isHit(item)) row.classList.add("sal-hit");
      if (inner) row.classList.add("sal-inner");

      const guide = row.appendChild(salTree.element("span", "sal-guide"));
      guide.style.width = `${indent}px`;
      if (level >= LEAST_GUIDE) guide.style.backgroundSize = `${level}px 100%`;
      const fold = row.appendChild(salTree.element("span", "sal-fold"));
      if (items.size[item] > 1) fold.textContent = actions.folded(item) ? "\u25b8" : "\u25be";
      if (node < 0) problem(row);
      else if (inner) step(row, item);
      else ofNode(row, item, node);
      return row;
    }

    function problem(row) {
      const { trace } = actions.model();
      row.append(words(0));
      if (trace.answer) {
        const gold = row.appendChild(salTree.element("span", "sal-gold", "answer "));
        gold.append(salTree.fill(salTree.element("bdi"), salTree.preview(trace.answer, 24)));
      }
    }

    function step(row, item) {
      row.append(salTree.chip(salTree.scoreOf(actions.model(), item), actions.look().scale), words(item));
    }

    function ofNode(row, item, node) {
      const model = actions.model();
      const { scale } = actions.look();
      row.append(salTree.chip(salTree.scoreOf(model, item), scale));
      const [sign, meaning] = MARKS[model.state[node]];
      const mark = row.appendChild(salTree.element("span", "sal-mark", sign));
      mark.title = meaning;
      if (model.steps[node].length > 1) row.append(salTree.strip(model.scores[node], scale));
      row.append(words(item));
      if (model.trace.errors[node]) row.append(failure(node));
      const verdict = salTree.verdict(model.completions.get(node), model.trace.rule);
      if (verdict) row.append(verdict);
      if (model.children[node] > 1) {
        const more = row.appendChild(salTree.element("span", "sal-more-children", `\u2192${model.children[node]}`));
        more.title = `${model.children[node]} steps follow it`;
      }
      const tokens = model.tokens[node];
      const count = row.appendChild(salTree.element("span", "sal-tokens", tokens === null ? "?" : salTree.count(tokens)));
      count.title = tokens === null ? "tokens: not told" : `${tokens} tokens`;
    }

    function failure(node) {
      return salTree.fill(salTree.element("span", "sal-failure"), salTree.preview(actions.model().trace.errors[node], 60));
    }

    function words(item) {
      const text = salTree.preview(salTree.textOf(actions.model(), item), PREVIEW, actions.query());
      const shown = salTree.element("bdi", "sal-words");
      return salTree.fill(shown, text, actions.query());
    }

    function itemAt(event) {
      const y = event.clientY - space.getBoundingClientRect().top;
      return actions.rows()[Math.floor(y / high())];
    }

    scroller.addEventListener("scroll", () => {
      asked ||= requestAnimationFrame(() => ((asked = 0), render()));
    });
    space.addEventListener("click", (event) => {
      const item = itemAt(event);
      if (item === undefined) return;
      if (event.target.closest(".sal-fold")) actions.toggle(item);
      else actions.select(item, true);
    });
    space.addEventListener("dblclick", (event) => {
      const item = itemAt(event);
      if (item !== undefined && !event.target.closest(".sal-fold")) actions.toggle(item);
    });
    const watch = new ResizeObserver(render);
    watch.observe(scroller);

    return {
      render,
      scroller,
      page: () => Math.max(1, Math.floor(scroller.clientHeight / high()) - 1),
      /** Scroll as little as shows a row; to its middle, from far away. */
      reveal(row) {
        measure();
        const place = row * high();
        const above = scroller.scrollTop - place;
        const below = place + high() - scroller.clientHeight - scroller.scrollTop;
        const away = Math.max(above, below);
        if (away > 2 * high()) scroller.scrollTop = place - scroller.clientHeight / 2;
        else if (above > 0) scroller.scrollTop = place;
        else if (below > 0) scroller.scrollTop += below;
      },
      /** The row at the top, and the pixels of it that are out of sight. */
      place: () => [Math.floor(scroller.scrollTop / high()), scroller.scrollTop % high()],
      scrollTo(row, rest) {
        measure();
        scroller.scrollTop = row * high() + rest;
      },
      destroy() {
        watch.disconnect();
        cancelAnimationFrame(asked);
      },
    };
  };
})((globalThis.salTree ??= {}));
