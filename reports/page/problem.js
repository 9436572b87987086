// One problem as one run searched it: the question, the answers, and the search tree.
const salProblem = (() => {
  "use strict";
  const { el, plain, short } = salDom;
  let tree = null;
  let shown = "";

  function close() {
    if (tree) tree.destroy();
    tree = null;
    shown = "";
    document.getElementById("problem").hidden = true;
    document.getElementById("problem").replaceChildren();
  }

  const hide = () => salState.set({ problem: "", path: "" }, true);

  // `place`: of the problem among the run's rows.
  function facts(run, place) {
    const rows = run.rows;
    const graded = salModel.problems[rows.problem[place]].answer !== "";
    const verdict = (rule) => !graded ? "not graded" : (rows.right[rule] ? (rows.right[rule][place] === "1" ? "right" : "wrong") : "");
    const said = [
      ["answer", plain(salModel.problems[rows.problem[place]].answer)],
      ["chosen", `${plain(rows.chosen[place]) || "none"} (${verdict("chosen")})`],
      ["by rule", ["naive", "weighted", "majority", "pass"].map((r) => `${r} ${verdict(r)}`).join(", ")],
      ["completions", `${rows.completions[place]}, ${rows.correct[place]} right, ${rows.truncated[place]} truncated`],
      ["cost", `${short(rows.tokens[place])} tokens generated, ${short(rows.seconds[place])} s`],
    ];
    if (rows.error[place]) said.push(["failed", plain(rows.error[place])]);
    return el("dl", {}, said.flatMap(([name, words]) => [el("dt", {}, name), el("dd", {}, words)]));
  }

  function step(run, place, by) {
    const next = run.rows.problem[place + by];
    if (next !== undefined) salState.set({ problem: salModel.problems[next].id, path: "" }, true);
  }

  async function grow(element, run, problem, key) {
    if (typeof salTree === "undefined") {
      element.textContent = "This page was built without the tree explorer.";
      return;
    }
    element.textContent = "Reading the search tree…";
    try {
      const trace = await salTrace(run, problem);
      if (shown !== key) return; // the reader went on meanwhile
      element.replaceChildren();
      tree = salTree.mount(element, trace, {
        math: salMath.math,
        link: (path) => salState.link({ path }),
        path: salState.get("path"),
        onpath: (path) => salState.note({ path }),
      });
    } catch (error) {
      element.textContent = `The search tree cannot be shown: ${error.message}`;
    }
  }

  function draw() {
    const id = salState.get("problem");
    const at = salModel.runAt(salState.get("run"));
    const run = salModel.runs[at];
    // An address has no halves of surrogate pairs.
    const place = run.rows.problem.findIndex((p) => salModel.problems[p].id.toWellFormed() === id);
    if (!id || place < 0) return close();
    const problem = run.rows.problem[place];
    const key = `${run.label}/${id}`;
    if (shown === key) {
      if (tree) tree.show(salState.get("path"));
      return;
    }
    close();
    shown = key;
    const element = el("div", { id: "tree" });
    const box = document.getElementById("problem");
    box.append(
      el("div", { class: "bar" },
        el("h2", { tabindex: "-1" }, plain(id)), el("span", { class: "muted" }, run.label),
        el("button", { onclick: () => step(run, place, -1), disabled: place === 0 }, "← previous"),
        el("button", { onclick: () => step(run, place, 1),
          disabled: place === run.rows.problem.length - 1 }, "next →"),
        el("button", { onclick: hide }, "close")),
      el("div", { class: "question" }, salMath.math(salModel.problems[problem].question)),
      facts(run, place), element);
    box.hidden = false;
    box.scrollIntoView({ block: "start" });
    box.querySelector("h2").focus({ preventScroll: true });
    grow(element, at, problem, key);
  }

  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && shown && !event.defaultPrevented) hide();
  });
  return { draw };
})();
