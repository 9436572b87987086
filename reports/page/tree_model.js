// A trace as flat arrays. An item is what has a row: the problem (item 0), a node, or a step inside
// a node of several. Items are in depth-first order, so a subtree is a range; nothing recurses.
(function (salTree) {
  "use strict";

  const STATES = ["open", "kept", "pruned", "finished", "truncated", "failed", "rollout"];
  const ROLLOUT = -1; // the last index of a node that was written to judge its parent
  const ENDS = new Set(["eot", "length"]);

  /** The state of a node, derived from the trace alone. */
  function stateOf(finish, last, children, live) {
    if (finish === "error") return "failed";
    if (last === ROLLOUT) return "rollout";
    if (finish === "eot") return "finished";
    if (finish === "length") return "truncated";
    if (children > 0) return "kept";
    return live ? "open" : "pruned";
  }

  /** How many steps follow each node; a rollout only judges it. */
  function countChildren(parent, last) {
    const counts = new Int32Array(parent.length);
    parent.forEach((above, i) => {
      if (above >= 0 && last[i] !== ROLLOUT) counts[above]++;
    });
    return counts;
  }

  /** Sums over subtrees: children come behind their parents, so one pass from the end does it. */
  function subtreeSums(parent, own) {
    const sums = Float64Array.from(own);
    for (let i = parent.length - 1; i >= 0; i--) if (parent[i] >= 0) sums[parent[i]] += sums[i];
    return sums;
  }

  const virtualSteps = (steps) => (steps.length > 1 ? steps.length : 0);

  /** Where each node is in the icicle: left edge in tokens, top in steps. */
  function placed(model) {
    const { n, parent, weight } = model;
    const left = new Float64Array(n);
    const level = new Int32Array(n);
    const taken = new Float64Array(n + 1); // of the parent's width; the last is the root's
    for (let i = 0; i < n; i++) {
      const above = parent[i] < 0 ? n : parent[i];
      left[i] = (above === n ? 0 : left[above]) + taken[above];
      taken[above] += weight[i];
      level[i] = above === n ? 1 : level[above] + Math.max(1, model.steps[above].length);
    }
    const bottom = level.reduce((most, l, i) => Math.max(most, l + model.steps[i].length), 1);
    return { left, level, levels: bottom };
  }

  /** Items from nodes: which node, which of its steps (-1: the node itself), how deep, how many. */
  function itemised(model) {
    const { n, parent, steps } = model;
    const own = Float64Array.from(steps, (s) => 1 + virtualSteps(s));
    const within = subtreeSums(parent, own);
    const total = 1 + own.reduce((sum, value) => sum + value, 0);
    const items = {
      count: total,
      node: new Int32Array(total).fill(-1),
      step: new Int32Array(total).fill(-1),
      depth: new Int32Array(total),
      size: new Int32Array(total).fill(1),
      parent: new Int32Array(total).fill(-1),
      ofNode: new Int32Array(n),
    };
    items.size[0] = total;
    for (let i = 0, at = 1; i < n; i++) {
      const above = parent[i] < 0 ? 0 : items.ofNode[parent[i]];
      const head = at++;
      items.ofNode[i] = head;
      items.node[head] = i;
      items.parent[head] = above;
      items.depth[head] = items.depth[above] + 1;
      items.size[head] = within[i];
      for (let step = 0; step < virtualSteps(steps[i]); step++, at++) {
        items.node[at] = i;
        items.step[at] = step;
        items.parent[at] = head;
        items.depth[at] = items.depth[head] + 1;
      }
    }
    return items;
  }

  /** The nodes of one completion, from its end up: not the attempts before it in a chain. */
  function markPath(model, end, marks) {
    for (let i = end; i >= 0; i = model.parent[i]) {
      if (i !== end && ENDS.has(model.finish[i])) return;
      marks[i] = 1;
    }
  }

  /** What ended at each node: its completions, and the rules that chose one of them. */
  function completionsAt(model, trace) {
    const at = new Map();
    (trace.completions || []).forEach((completion, index) => {
      if (completion.node === null) return;
      const rules = Object.keys(trace.chosen).filter((rule) => trace.chosen[rule] === index);
      const known = at.get(completion.node);
      if (known) (known.times++, known.rules.push(...rules));
      else at.set(completion.node, { ...completion, times: 1, rules });
    });
    return at;
  }

  salTree.model = function (trace) {
    const columns = trace.nodes;
    const parent = Int32Array.from(columns.parent);
    const n = parent.length;
    const children = countChildren(parent, columns.last);
    const model = { ...columns, trace, n, parent, children };
    model.untold = columns.tokens.some((tokens) => tokens === null);
    model.weight = subtreeSums(parent, columns.tokens.map((tokens) => tokens ?? 1));
    model.below = subtreeSums(parent, new Float64Array(n).fill(1));
    model.total = parent.reduce((sum, above, i) => (above < 0 ? sum + model.weight[i] : sum), 0);
    model.state = Array.from(parent, (_, i) =>
      stateOf(columns.finish[i], columns.last[i], children[i], trace.live),
    );
    model.ended = subtreeSums(parent, model.state.map((s) => (s === "finished" || s === "truncated" ? 1 : 0)));
    model.items = itemised(model);
    Object.assign(model, placed(model));
    model.chosen = new Uint8Array(n);
    const choice = trace.completions?.[trace.chosen[trace.rule]];
    if (choice && choice.node !== null) markPath(model, choice.node, model.chosen);
    model.choice = choice?.node ?? -1;
    model.completions = completionsAt(model, trace);
    model.lower = [];
    return model;
  };

  /** The text of an item: its step, its node's whole text, or the question. */
  salTree.textOf = function (model, item) {
    const node = model.items.node[item];
    if (node < 0) return model.trace.question || model.trace.id;
    const steps = model.steps[node].map((text) => model.trace.texts[text]);
    const step = model.items.step[item];
    return step < 0 ? steps.join("\n\n") : steps[step];
  };

  /** The score of an item; of a node that of its last step; undefined where there is none. */
  salTree.scoreOf = function (model, item) {
    const node = model.items.node[item];
    if (node < 0) return undefined;
    const step = model.items.step[item];
    return step < 0 ? model.scores[node].at(-1) : model.scores[node][step];
  };

  salTree.STATES = STATES;
  salTree.stateOf = stateOf;
  salTree.subtreeSums = subtreeSums;
})((globalThis.salTree ??= {}));
