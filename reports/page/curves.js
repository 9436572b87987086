// Accuracy against what it cost; the reader chooses both axes and the lines.
const salCurves = (() => {
  "use strict";
  const { el, plain, select, percent, short } = salDom;
  const X = [["n", "N (completions)"], ["tokens", "tokens generated"], ["flops", "FLOPs"],
    ["seconds", "seconds"]];
  const Y = [["chosen", "the strategy's own choice"], ["naive", "naive"], ["weighted", "weighted"],
    ["majority", "majority"], ["pass", "pass@N (any is right)"]];
  const interval = ([mean, error]) =>
    `${percent(mean)} %` + (error === null ? "" : ` ± ${percent(1.96 * error)} (95 %)`);
  const cost = (costs) => `N = ${short(costs.n)}, ${short(costs.tokens)} tokens, `
    + `${short(costs.flops)} FLOPs, ${short(costs.seconds)} s a problem`;

  function point(x, accuracy, costs, partial) {
    const [mean, se] = accuracy;
    if (mean === null || !(costs[x] > 0)) return null;
    const unfinished = partial ? "; not finished" : "";
    return { x: costs[x], y: mean, se, open: partial,
      said: `${interval(accuracy)}, ${cost(costs)}${unfinished}` };
  }

  function allLines(x, y) {
    const strategies = salModel.series.map((line) => ({ ...line, dashed: false,
      points: line.points.map((p) => point(x, p.accuracy[y], p.cost, p.partial)) }));
    const samples = salModel.samples.filter((line) => y === "chosen" || y === line.rule)
      .map((line) => ({ ...line, dashed: true,
        points: line.points.map((p) => point(x, p.accuracy, p.cost, false)) }));
    return [...strategies, ...samples].map((line) => ({ ...line, look: salChart.look(line.look),
      points: line.points.filter((p) => p !== null) }));
  }

  function legend(lines, levels, hidden, box) {
    const toggle = (name) => {
      hidden.has(name) ? hidden.delete(name) : hidden.add(name);
      salState.set({ hide: [...hidden].join("\n") });
    };
    const light = (name) => box.querySelector("svg")?.light?.(name);
    const names = [...lines.map((line) => [line.name, line.look.colour, line.dashed]),
      ...levels.map((level) => [level.name, "var(--muted)", true])];
    return el("div", { class: "legend", role: "group", "aria-label": "Lines" },
      names.map(([name, colour, dashed]) =>
        el("button", { class: dashed ? "key dashed" : "key", style: `--colour: ${colour}`,
          "aria-pressed": String(!hidden.has(name)), onclick: () => toggle(name),
          onpointerenter: () => light(name), onpointerleave: () => light(null),
          onfocus: () => light(name), onblur: () => light(null) }, plain(name))),
      el("button", { onclick: () => salState.set({ hide: "" }) }, "show all"),
      el("button", { onclick: () => salState.set({ hide: names.map(([n]) => n).join("\n") }) },
        "hide all"));
  }

  function numbers(y) {
    const head = ["", "N", "accuracy, %", "tokens", "FLOPs", "seconds"];
    const rows = salModel.series.flatMap((line) => line.points.map((p) => [
      plain(line.name) + (p.partial ? " (not finished)" : ""), short(p.cost.n),
      `${percent(p.accuracy[y][0])} ± ${percent(p.accuracy[y][1])}`, short(p.cost.tokens),
      short(p.cost.flops), short(p.cost.seconds)]));
    return el("details", {}, el("summary", {}, "The numbers, with one standard error"),
      el("div", { class: "wide" }, el("table", {},
        el("thead", {}, el("tr", {}, head.map((words) => el("th", {}, words)))),
        el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell))))))));
  }

  function saved(section, x, kind) {
    const chart = section.querySelector(".chart svg");
    const keys = [...section.querySelectorAll(".key[aria-pressed='true']")];
    if (chart) salSave.save(chart, keys, `accuracy-${x}.${kind}`);
  }

  function draw() {
    const [x, y] = [salState.get("x", "n"), salState.get("y", "chosen")];
    const hidden = new Set(salState.get("hide").split("\n").filter((name) => name));
    const lines = allLines(x, y);
    const levels = salModel.levels.filter((level) => level.accuracy[0] !== null).map((level) => ({
      name: level.name, y: level.accuracy[0], se: 0, said: interval(level.accuracy) }));
    const section = document.getElementById("curves");
    const open = section.querySelector("details")?.open;
    const box = el("div", { class: "chart" });
    section.replaceChildren(
      el("h2", {}, "Accuracy"),
      el("div", { class: "bar" },
        select("against", X, x, (value) => salState.set({ x: value })),
        select("by", Y, y, (value) => salState.set({ y: value })),
        ["svg", "png"].map((kind) => el("button", { onclick: () => saved(section, x, kind) },
          `save as ${kind.toUpperCase()}`))),
      box, legend(lines, levels, hidden, box),
      el("p", { class: "muted" }, "Bands are 95 % intervals over problems. Dashed: n of the samples "
        + "of one run, on average. Hollow marks: runs that are not finished."),
      numbers(y));
    if (open) section.querySelector("details").open = true;
    salChart.draw(box, {
      lines: lines.filter((line) => !hidden.has(line.name) && line.points.length),
      levels: levels.filter((level) => !hidden.has(level.name)),
      xLabel: X.find(([key]) => key === x)?.[1] + (x === "n" ? "" : " a problem"),
      yLabel: "accuracy, %", whole: x === "n", format: short });
  }

  return { draw };
})();
