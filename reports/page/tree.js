// The search tree of one problem: a list, an icicle, a text. `salTree.mount(element, trace, options)`
// takes the object that reports/trace_data.py makes.
(function (salTree) {
  "use strict";

  const NONE = { math: () => null, link: () => "", path: undefined, onpath: () => {} };

  salTree.mount = function (element, trace, options = {}) {
    const { math, link, path, onpath } = { ...NONE, ...options };
    let model = salTree.model(trace);
    let folded = salTree.defaultFolds(model);
    let filter = { only: "all", hidePruned: false };
    let passes = null;
    let rows;
    let selected = 0;
    let query = "";
    let hits = new Int32Array(0);
    let isHit = new Uint8Array(model.items.count);
    let detailOpen = false;
    let wholePath = true;
    let look;

    const root = salTree.element("div", "sal-tree");
    element.replaceChildren(root);
    const dark = matchMedia("(prefers-color-scheme: dark)");

    const actions = {
      math,
      link,
      model: () => model,
      rows: () => rows,
      look: () => look,
      selected: () => selected,
      query: () => query,
      isHit: (item) => isHit[item] === 1,
      folded: (item) => folded[item] === 1,
      wholePath: () => wholePath,
      setWholePath: (on) => ((wholePath = on), detail()),
      title: () => `${salTree.count(model.total)} ${model.untold ? "steps" : "tokens"}`,
      close: () => ((detailOpen = false), detail(), list.scroller.focus()),
      select,
      toggle,
      tip,
      search,
      jump,
      filter: (change) => ((filter = { ...filter, ...change }), refilter()),
      foldAll,
      toggleIcicle,
      leaveSearch: () => list.scroller.focus(),
    };
    const bar = salTree.bar(root, actions);
    const chart = root.appendChild(salTree.element("div", "sal-icicle"));
    const panes = root.appendChild(salTree.element("div", "sal-panes"));
    const pane = salTree.element("aside", "sal-detail");
    pane.setAttribute("aria-label", "the selected step");
    readLook();
    refresh();
    const list = salTree.list(panes, actions);
    panes.append(pane);
    const icicle = salTree.icicle(chart, actions);

    function readLook() {
      const style = getComputedStyle(root);
      const colour = (name) => style.getPropertyValue(name).trim();
      look = { scale: salTree.scale(dark.matches ? "dark" : "light"), font: `11px ${style.fontFamily}` };
      bar.colours(look.scale);
      for (const name of ["neutral", "ink", "accent", "failed", "hit"]) look[name] = colour(`--sal-${name}`);
    }

    function refresh() {
      rows = salTree.visibleRows(model, folded, passes);
    }

    function render() {
      list.render();
      icicle.draw();
      bar.tally(model);
    }

    function detail() {
      root.classList.toggle("sal-open", detailOpen);
      pane.hidden = !detailOpen;
      if (detailOpen) salTree.detail(pane, selected, actions);
    }

    /** Make an item the selected one and show it; `open` shows its text too. */
    function select(item, open = detailOpen) {
      if (passes && !passes[item]) unfilter();
      selected = item;
      detailOpen = open;
      if (salTree.reveal(model, folded, item)) refresh();
      detail();
      list.reveal(salTree.rowOf(rows, item));
      icicle.show(item, false);
      render();
      onpath(salTree.pathOf(model, item));
    }

    function toggle(item) {
      if (model.items.size[item] === 1) return;
      folded[item] ^= 1;
      refresh();
      if (salTree.rowOf(rows, selected) < 0) select(item);
      else render();
    }

    function foldAll(on) {
      folded.fill(0);
      if (on) {
        for (let item = 1; item < folded.length; item++) folded[item] = model.items.size[item] > 1 ? 1 : 0;
      }
      while (on && model.items.depth[selected] > 1) selected = model.items.parent[selected];
      refresh();
      select(selected);
    }

    function refilter() {
      passes = salTree.mask(model, filter.only, filter.hidePruned);
      while (passes && !passes[selected]) selected = model.items.parent[selected];
      refresh();
      find();
      select(selected);
    }

    function unfilter() {
      passes = null;
      filter = { only: "all", hidePruned: false };
      bar.unfiltered();
      refresh();
      find();
    }

    function find() {
      hits = salTree.search(model, query, passes);
      isHit = new Uint8Array(model.items.count);
      for (const item of hits) isHit[item] = 1;
      tellHits();
    }

    function tellHits() {
      const at = salTree.rowOf(hits, selected);
      bar.found(query ? `${at < 0 ? "" : `${at + 1}/`}${hits.length}` : "");
    }

    function search(words) {
      query = words.toLowerCase();
      find();
      render();
    }

    /** To the next hit behind the selected item, or the one before it; around the end. */
    function jump(direction) {
      if (!hits.length) return;
      let at = salTree.rowOf(hits, selected);
      if (at < 0) at = direction > 0 ? -at - 2 : -at - 1;
      select(hits[(at + direction + hits.length) % hits.length]);
      tellHits();
    }

    function toggleIcicle() {
      chart.hidden = !chart.hidden;
      if (!chart.hidden) icicle.resize();
    }

    function tip(item) {
      const node = model.items.node[item];
      if (node < 0) return [salTree.element("b", "", salTree.tally(model))];
      const first = salTree.element("div");
      const tokens = model.tokens[node] === null ? "" : `, ${model.tokens[node]} tokens`;
      first.append(salTree.chip(salTree.scoreOf(model, item), look.scale), ` ${salTree.MARKS[model.state[node]][1]}${tokens}`);
      const words = salTree.fill(salTree.element("bdi"), salTree.preview(salTree.textOf(model, item), 200));
      return [first, words];
    }

    function move(rowsOn) {
      const row = salTree.rowOf(rows, selected) + rowsOn;
      select(rows[Math.max(0, Math.min(rows.length - 1, row))]);
    }

    function left() {
      if (model.items.size[selected] > 1 && !folded[selected]) toggle(selected);
      else if (selected) select(model.items.parent[selected]);
    }

    function right() {
      if (folded[selected]) toggle(selected);
      else if (model.items.size[selected] > 1) move(1);
    }

    const KEYS = {
      ArrowDown: () => move(1),
      ArrowUp: () => move(-1),
      ArrowLeft: left,
      ArrowRight: right,
      PageDown: () => move(list.page()),
      PageUp: () => move(-list.page()),
      Home: () => select(rows[0]),
      End: () => select(rows[rows.length - 1]),
      Enter: () => select(selected, !detailOpen),
      " ": () => toggle(selected),
      "/": () => bar.box.focus(),
      n: () => jump(1),
      N: () => jump(-1),
      i: toggleIcicle,
    };

    root.addEventListener("keydown", (event) => {
      const typing = event.target.closest("input, select, button, a");
      const act = event.key === "Escape" && detailOpen ? actions.close : KEYS[event.key];
      if (!act || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      act();
      event.preventDefault();
    });

    function theme() {
      readLook();
      detail();
      render();
    }
    dark.addEventListener("change", theme);

    /** The tree has grown: what is selected, folded and in sight stays so. */
    function update(grown) {
      const next = salTree.model(grown);
      const were = salTree.before(next, model);
      const now = new Int32Array(model.items.count).fill(-1);
      were.forEach((then, item) => then >= 0 && (now[then] = item));
      const folds = salTree.defaultFolds(next);
      were.forEach((then, item) => then >= 0 && (folds[item] = folded[then]));
      const [first, rest] = list.place();
      const top = rows[Math.min(first, rows.length - 1)];
      const old = model;
      model = next;
      folded = folds;
      selected = nearest(now, old, selected);
      passes = salTree.mask(model, filter.only, filter.hidePruned);
      refresh();
      find();
      const row = salTree.rowOf(rows, nearest(now, old, top));
      list.scrollTo(row < 0 ? -row - 1 : row, rest);
      icicle.resize();
      detail();
      render();
    }

    /** Where an item is now, or the nearest above it that still is there. */
    function nearest(now, old, item) {
      while (now[item] < 0) item = old.items.parent[item];
      return now[item];
    }

    /** Select what is at a path; a page may call it again with the path that it was told. */
    function show(to) {
      const item = salTree.itemAt(model, to);
      if (item === selected && salTree.pathOf(model, item) === to) return;
      select(item, true);
    }

    bar.tally(model);
    if (path) show(path);
    else {
      detail();
      render();
    }
    return {
      show,
      update,
      destroy() {
        dark.removeEventListener("change", theme);
        list.destroy();
        icicle.destroy();
        root.remove();
      },
    };
  };
})((globalThis.salTree ??= {}));
