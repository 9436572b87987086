// Which items have a row: folds, filters, paths and search over the flat model.
(function (salTree) {
  "use strict";

  /** At first only nodes of several steps are folded, but for the one that was chosen. */
  salTree.defaultFolds = function (model) {
    const { items } = model;
    const folded = new Uint8Array(items.count);
    for (let item = 1; item < items.count; item++) {
      const node = items.node[item];
      const many = items.step[item] < 0 && model.steps[node].length > 1;
      if (many && !model.children[node] && node !== model.choice) folded[item] = 1;
    }
    return folded;
  };

  /** 1 for items that pass; what is above one that passes does too. null: all pass. */
  salTree.mask = function (model, only, hidePruned) {
    if (only === "all" && !hidePruned) return null;
    const { items } = model;
    const passes = new Uint8Array(items.count).fill(1);
    for (let item = 1; item < items.count; item++) {
      const node = items.node[item];
      const out =
        (only === "chosen" && !model.chosen[node]) ||
        (only === "finished" && !model.ended[node]) ||
        (hidePruned && model.state[node] === "pruned");
      if (out) passes[item] = 0;
    }
    if (only === "chosen") passAbove(items, passes);
    return passes;
  };

  /** The chosen attempt of a chain stands below others, which then show where it is. */
  function passAbove(items, passes) {
    for (let item = items.count - 1; item > 0; item--) {
      if (passes[item]) passes[items.parent[item]] = 1;
    }
  }

  salTree.visibleRows = function (model, folded, passes) {
    const { count, size } = model.items;
    const rows = new Int32Array(count);
    let shown = 0;
    for (let item = 0; item < count; ) {
      if (passes && !passes[item]) {
        item += size[item];
        continue;
      }
      rows[shown++] = item;
      item += folded[item] ? size[item] : 1;
    }
    return rows.subarray(0, shown);
  };

  /** Where an item is among the rows, by bisection; where it would be, minus one, if it is not. */
  salTree.rowOf = function (rows, item) {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle] < item) low = middle + 1;
      else high = middle;
    }
    return rows[low] === item ? low : -low - 1;
  };

  /** Unfold everything above an item; returns whether that changed anything. */
  salTree.reveal = function (model, folded, item) {
    let changed = false;
    for (let at = model.items.parent[item]; at >= 0; at = model.items.parent[at]) {
      if (folded[at]) changed = true;
      folded[at] = 0;
    }
    return changed;
  };

  /** Items that hold the query, whatever its case: steps, nodes of one step, and errors. */
  salTree.search = function (model, query, passes) {
    const { items, trace } = model;
    if (!query) return new Int32Array(0);
    const texts = Uint8Array.from(trace.texts, (text, i) =>
      (model.lower[i] ??= text.toLowerCase()).includes(query) ? 1 : 0,
    );
    const hits = [];
    for (let item = 1; item < items.count; item++) {
      if (passes && !passes[item]) continue;
      const node = items.node[item];
      const steps = model.steps[node];
      const step = items.step[item];
      const error = step < 0 && trace.errors[node]?.toLowerCase().includes(query);
      const single = step < 0 && steps.length === 1;
      if (error || (single ? texts[steps[0]] : step >= 0 && texts[steps[step]])) hits.push(item);
    }
    return Int32Array.from(hits);
  };

  /** The path of an item: "" for the problem, "2.0" for a node, "2.0~3" for its fourth step. */
  salTree.pathOf = function (model, item) {
    const { node, step } = model.items;
    const parts = [];
    for (let i = node[item]; i >= 0; i = model.parent[i]) parts.push(model.last[i]);
    return parts.reverse().join(".") + (step[item] < 0 ? "" : `~${step[item]}`);
  };

  /** The item at a path, or the nearest one above it that is there. */
  salTree.itemAt = function (model, path) {
    const [nodes, step] = path.split("~");
    const { items } = model;
    let at = 0;
    for (const part of nodes ? nodes.split(".") : []) {
      const child = childOf(items, model, at, Number(part));
      if (child < 0) return at;
      at = child;
    }
    const inside = at + 1 + Number(step);
    return step !== undefined && items.parent[inside] === at && items.step[inside] >= 0 ? inside : at;
  };

  function childOf(items, model, item, last) {
    const end = item + items.size[item];
    for (let child = item + 1; child < end; child += items.size[child]) {
      if (items.step[child] < 0 && model.last[items.node[child]] === last) return child;
    }
    return -1;
  }

  /** Of each item of a grown tree the one that it was before, or -1. */
  salTree.before = function (grown, old) {
    const key = (above, last) => `${above}:${last}`;
    const known = new Map();
    for (let i = 0; i < old.n; i++) known.set(key(old.parent[i], old.last[i]), i);
    const were = new Int32Array(grown.n);
    const items = new Int32Array(grown.items.count).fill(-1);
    items[0] = 0;
    for (let i = 0; i < grown.n; i++) {
      const above = grown.parent[i];
      const was = above >= 0 && were[above] < 0 ? -1 : (known.get(key(above < 0 ? -1 : were[above], grown.last[i])) ?? -1);
      were[i] = was;
      if (was < 0) continue;
      const now = grown.items.ofNode[i];
      const then = old.items.ofNode[was];
      items[now] = then;
      if (grown.steps[i].length !== old.steps[was].length || grown.steps[i].length < 2) continue;
      for (let step = 1; step <= grown.steps[i].length; step++) items[now + step] = then + step;
    }
    return items;
  };
})((globalThis.salTree ??= {}));
