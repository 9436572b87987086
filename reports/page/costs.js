// Where the cost went: a bar for each run, in tokens of a problem.
const salCosts = (() => {
  "use strict";
  const { el, plain, short, select } = salDom;
  const PARTS = [["generated", "policy, generated"], ["prefilled", "policy, prefilled"],
    ["cached", "policy, cached"], ["prm_prefilled", "PRM, prefilled"],
    ["prm_cached", "PRM, cached"]];
  const FREE = new Set(["cached", "prm_cached"]);

  function draw() {
    const all = salState.get("cost", "all");
    const parts = PARTS.filter(([key]) => all === "all" || !FREE.has(key));
    const sum = (run) => parts.reduce((total, [key]) => total + (run.tokens[key] ?? 0), 0);
    const runs = salModel.runs.filter((run) => run.done);
    const most = Math.max(1, ...runs.map((run) => sum(run) / run.done));
    const bars = runs.map((run) => el("div", { class: "cost" },
      el("span", { class: "name" }, plain(run.label)),
      el("span", { class: "stack", role: "img",
        "aria-label": parts.map(([k, words]) => `${words} ${short(each(run, k))}`).join(", ") },
        parts.map(([key, words], i) => el("span", {
          class: `part p${PARTS.findIndex(([name]) => name === key)}`, "data-part": i,
          style: `width: ${(100 * (each(run, key) ?? 0)) / most}%`,
          title: `${words}: ${short(each(run, key))} tokens a problem` }))),
      el("span", { class: "sum" }, short(sum(run) / run.done))));
    const section = document.getElementById("costs");
    const scrolled = section.querySelector(".costs")?.scrollTop ?? 0;
    section.replaceChildren(
      el("h2", {}, "Where the cost went"),
      el("div", { class: "bar" }, select("tokens", [["all", "all that were asked for"],
        ["computed", "only those that were computed"]], all, (cost) => salState.set({ cost })),
        parts.map(([key, words]) => el("span", { class: "swatch" },
          el("i", { class: `p${PARTS.findIndex(([name]) => name === key)}` }), words))),
      el("div", { class: "costs" }, bars));
    section.querySelector(".costs").scrollTop = scrolled;
  }

  const each = (run, key) => (run.tokens[key] === null ? null : run.tokens[key] / run.done);

  return { draw };
})();
