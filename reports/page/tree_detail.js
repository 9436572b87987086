// Everything about one item: what became of it and why that is known, its scores, its whole text.
(function (salTree) {
  "use strict";

  const PATH_AT_ONCE = 300; // steps of a path that are laid out

  function became(model, node) {
    const children = model.children[node];
    const capped = model.trace.capped ? " A cap ended this search: it may have had no time for it." : "";
    return {
      open: "Open: the search is under way, and no step follows it yet.",
      kept: `Kept: ${children === 1 ? "1 step follows" : `${children} steps follow`} it.`,
      pruned: `Pruned: more could follow, and nothing does.${capped}`,
      finished: "Finished: the policy ended the solution here.",
      truncated: "Truncated: a limit ended the solution here. It has no vote.",
      failed: "Failed.",
      rollout: "Rollout: written to judge the step above, then let go.",
    }[model.state[node]];
  }

  function facts(model, item) {
    const node = model.items.node[item];
    const step = model.items.step[item];
    const completion = model.completions.get(node);
    const told = [["depth", String(model.items.depth[model.items.ofNode[node]])]];
    if (step >= 0) told.push(["step", `${step + 1} of ${model.steps[node].length} in this node`]);
    told.push(["tokens", model.tokens[node] === null ? "not told" : String(model.tokens[node])]);
    if (model.children[node]) {
      told.push(["with what follows", model.untold ? "not told" : String(model.weight[node])]);
    }
    if (model.begun[node] !== null) told.push(["asked for", `when ${model.begun[node]} nodes were there`]);
    if (completion?.rules.length) told.push(["chosen by", completion.rules.join(", ")]);
    if (completion?.times > 1) told.push(["in the vote", `${completion.times} times`]);
    return told;
  }

  function table(rows) {
    const list = salTree.element("dl", "sal-facts");
    for (const [name, value] of rows) {
      const fact = list.appendChild(salTree.element("div"));
      fact.append(salTree.element("dt", "", name), salTree.element("dd", "", value));
    }
    return list;
  }

  function problem(model) {
    const { trace } = model;
    const parts = [salTree.textBlock(trace.question || trace.id)];
    if (trace.answer) {
      const gold = salTree.element("p", "", "Right answer: ");
      gold.append(salTree.fill(salTree.element("bdi"), trace.answer));
      parts.push(gold);
    }
    if (trace.error) parts.push(salTree.fill(salTree.element("p", "sal-failure"), trace.error));
    const spent = Object.entries(trace.usage || {}).map(([role, usage]) => [
      role,
      `${usage.completion_tokens} tokens written, ${usage.prompt_tokens - usage.cached_tokens} read, ${usage.cached_tokens} from cache; ${usage.requests} requests`,
    ]);
    return [...parts, table([["nodes", String(model.n)], ...spent])];
  }

  /** The nodes from the first step to this one, and no further back than its own completion. */
  function pathTo(model, node) {
    const nodes = [node];
    for (let at = model.parent[node]; at >= 0; at = model.parent[at]) {
      if (model.finish[at] === "eot" || model.finish[at] === "length") break;
      nodes.push(at);
    }
    return nodes.reverse();
  }

  function stepsOf(model, nodes, here, actions) {
    const lines = nodes.flatMap((node) =>
      model.steps[node].map((text, step) => {
        const many = model.steps[node].length > 1;
        const line = salTree.element("div", "sal-step");
        if (model.items.ofNode[node] + (many ? 1 + step : 0) === here) line.classList.add("sal-here");
        line.append(
          salTree.chip(many ? model.scores[node][step] : model.scores[node].at(-1), actions.look().scale),
          salTree.textBlock(model.trace.texts[text], actions.query(), actions.math),
        );
        return line;
      }),
    );
    const left = lines.length - PATH_AT_ONCE;
    const shown = left > 0 ? lines.slice(-PATH_AT_ONCE) : lines;
    if (left > 0) shown.unshift(salTree.element("p", "sal-quiet", `${left} earlier steps are not shown`));
    return shown;
  }

  const shortened = (path) => (path.length > 28 ? `\u2026${path.slice(-28)}` : path);

  function head(model, item, actions) {
    const node = model.items.node[item];
    const path = salTree.pathOf(model, item);
    const bar = salTree.element("div", "sal-detail-head");
    const link = salTree.element("a", "sal-link", node < 0 ? "Problem" : shortened(path));
    const hash = actions.link(path);
    if (hash) link.href = hash;
    link.title = "a link to this place";
    const close = salTree.element("button", "sal-close", "\u00d7");
    close.title = "close (Esc)";
    close.setAttribute("aria-label", "close");
    close.onclick = actions.close;
    if (node >= 0) bar.append(salTree.chip(salTree.scoreOf(model, item), actions.look().scale));
    bar.append(link, close);
    return bar;
  }

  /** Fill `pane` with what there is to say about an item. */
  salTree.detail = function (pane, item, actions) {
    const model = actions.model();
    const node = model.items.node[item];
    const parts = [head(model, item, actions)];
    if (node < 0) parts.push(...problem(model));
    else {
      const sentence = salTree.element("p", "sal-became", became(model, node));
      const verdict = salTree.verdict(model.completions.get(node), model.trace.rule);
      if (verdict) sentence.append(" ", verdict);
      parts.push(sentence);
      if (model.trace.errors[node]) {
        parts.push(salTree.fill(salTree.element("p", "sal-failure"), model.trace.errors[node]));
      }
      parts.push(table(facts(model, item)), pathChoice(actions), ...texts(model, item, node, actions));
    }
    pane.replaceChildren(...parts);
    const here = pane.querySelector(".sal-here");
    pane.scrollTop = here ? here.offsetTop + here.offsetHeight - pane.clientHeight : 0;
  };

  function texts(model, item, node, actions) {
    if (!actions.wholePath() && model.items.step[item] >= 0) {
      return [salTree.textBlock(salTree.textOf(model, item), actions.query(), actions.math)];
    }
    return stepsOf(model, actions.wholePath() ? pathTo(model, node) : [node], item, actions);
  }

  function pathChoice(actions) {
    const choice = salTree.element("label", "sal-choice");
    const box = choice.appendChild(salTree.element("input"));
    box.type = "checkbox";
    box.checked = actions.wholePath();
    box.onchange = () => actions.setWholePath(box.checked);
    choice.append("the whole path");
    return choice;
  }
})((globalThis.salTree ??= {}));
