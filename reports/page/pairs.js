// Every run against one that the reader picks, on the problems that both have.
const salPairs = (() => {
  "use strict";
  const { el, plain, select, percent } = salDom;
  const LEVEL = 0.05;
  const signed = (share) => (share === null ? "?" : (share > 0 ? "+" : "") + percent(share));
  const p = (value) => (value < 0.0001 ? "< 0.0001" : value.toFixed(4));

  function draw() {
    const section = document.getElementById("pairs");
    section.hidden = salModel.runs.length < 2;
    if (section.hidden) return;
    const rule = salState.get("y", "chosen");
    const label = salState.get("against", salModel.runs[0].label);
    const reference = salModel.runs[salModel.runAt(label)];
    const only = salState.get("pair", "");
    const others = salModel.runs.filter((run) => run !== reference
      && (!only || (only === "budget" ? run.budget === reference.budget : run.label === only)));
    const found = others.map((run) => salSignificance.paired(run.rows, reference.rows, rule));
    const adjusted = salSignificance.holm(found.map((pair) => pair.p));
    const verdict = (pair, q) => (q >= LEVEL ? "" : pair.mean > 0 ? "better" : "worse");
    const names = salModel.runs.map((run) => [run.label, plain(run.label)]);
    section.replaceChildren(
      el("h2", {}, "Is the difference significant?"),
      el("div", { class: "bar" },
        select("compare", [["", "all runs"], ["budget", "all runs of its N"], ...names], only,
          (pair) => salState.set({ pair })),
        select("with", names, reference.label, (against) => salState.set({ against }))),
      el("div", { class: "wide" }, el("table", {},
        el("thead", {}, el("tr", {}, ["", "problems", "difference, points", "only it is right",
          "only the other", "p", "p, adjusted", ""].map((words) => el("th", {}, words)))),
        el("tbody", {}, others.map((run, i) => el("tr", { class: verdict(found[i], adjusted[i]) },
          [plain(run.label), found[i].n,
            `${signed(found[i].mean)} ± ${percent(found[i].stderr === null ? null : 1.96 * found[i].stderr)}`,
            found[i].wins, found[i].losses, p(found[i].p), p(adjusted[i]),
            verdict(found[i], adjusted[i])].map((cell) => el("td", {}, cell))))))),
      el("p", { class: "muted" }, "Paired by problem, with 95 % intervals; p by McNemar's exact "
        + `test, adjusted (Holm) for the ${others.length} comparisons of this table. `
        + "Answers are those chosen by what the curves show."));
  }

  return { draw };
})();
