// The problems of one run: filtered, searched, sorted; only the rows in view are in the document.
const salTable = (() => {
  "use strict";
  const { el, plain, select, short } = salDom;
  const ROW = 34; // pixels, as in style.css; the heading, which stays in view, has as many
  const AROUND = 6; // rows that are drawn above and below the view
  const bit = (bits, i) => bits[i] === "1";
  const FILTERS = [
    ["", "all", () => true],
    ["wrong", "wrong", (rows, i) => !bit(rows.right.chosen, i)],
    ["rescued", "majority wrong, search right",
      (rows, i) => bit(rows.right.chosen, i) && !bit(rows.right.majority, i)],
    ["fooled", "PRM fooled", (rows, i) => bit(rows.fooled, i)],
    ["truncated", "truncated", (rows, i) => rows.truncated[i] > 0],
    ["failed", "failed", (rows, i) => rows.error[i] !== ""],
  ];
  // Name, heading, value to sort by, words to show.
  const problem = (rows, i) => salModel.problems[rows.problem[i]];
  const COLUMNS = [
    ["place", "#", (rows, i) => i, (rows, i) => String(i + 1)],
    ["question", "problem", (rows, i) => problem(rows, i).question,
      (rows, i) => plain(problem(rows, i).question.slice(0, 300))],
    ["answer", "answer", (rows, i) => problem(rows, i).answer,
      (rows, i) => plain(problem(rows, i).answer)],
    ["chosen", "chosen", (rows, i) => rows.chosen[i],
      (rows, i) => plain(rows.error[i] ? "failed" : rows.chosen[i] || "none")],
    ["share", "right", (rows, i) => rows.correct[i] / Math.max(1, rows.completions[i]),
      (rows, i) => `${rows.correct[i]}/${rows.completions[i]}`],
    ["tokens", "tokens", (rows, i) => rows.tokens[i] ?? -1, (rows, i) => short(rows.tokens[i])],
    ["seconds", "s", (rows, i) => rows.seconds[i], (rows, i) => short(rows.seconds[i])],
  ];
  let shown = []; // places among the run's rows, as filtered and sorted
  let run = null;
  let at = 0; // which of `shown` the keyboard is on
  let list, body, count;

  function look() {
    const rows = run.rows;
    const passes = FILTERS.find(([name]) => name === salState.get("filter")) || FILTERS[0];
    const words = salState.get("q").toLowerCase();
    const text = (i) => [problem(rows, i).id, problem(rows, i).question, problem(rows, i).answer,
      rows.chosen[i]].join("\n").toLowerCase();
    shown = rows.problem.map((_, i) => i)
      .filter((i) => passes[2](rows, i) && (!words || text(i).includes(words)));
    const [by, down] = [salState.get("sort", "place"), salState.get("down") === "1"];
    const value = (COLUMNS.find(([name]) => name === by) || COLUMNS[0])[2];
    const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    shown.sort((i, j) => (down ? -1 : 1) * order(value(rows, i), value(rows, j)) || i - j);
    at = Math.min(at, Math.max(0, shown.length - 1));
  }

  function line(place, i) {
    const rows = run.rows;
    const right = bit(rows.right.chosen, i);
    const address = salState.link({ run: run.label, problem: problem(rows, i).id, path: "" });
    return el("a", { class: `row ${right ? "right" : "wrong"}${place === at ? " at" : ""}`, role: "row",
      href: address, "aria-rowindex": place + 2, tabindex: place === at ? "0" : "-1",
      style: `top: ${place * ROW}px`, "data-place": place },
      COLUMNS.map(([name, , , words]) =>
        el("span", { class: `cell ${name}`, role: "cell" }, el("bdi", {}, words(rows, i)))));
  }

  function paint(focus = false) {
    const from = Math.max(0, Math.floor(list.scrollTop / ROW) - AROUND);
    const to = Math.min(shown.length, from + Math.ceil(list.clientHeight / ROW) + 2 * AROUND);
    const held = focus || body.contains(document.activeElement);
    body.replaceChildren();
    for (let place = from; place < to; place++) body.append(line(place, shown[place]));
    if (held) body.querySelector(".at")?.focus({ preventScroll: true });
  }

  function go(place) {
    at = Math.min(Math.max(0, place), shown.length - 1);
    const [top, view] = [at * ROW, list.clientHeight - ROW];
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + ROW > list.scrollTop + view) list.scrollTop = top + ROW - view;
    paint(true);
  }

  function onkey(event) {
    const page = Math.floor(list.clientHeight / ROW) - 1;
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -shown.length,
      End: shown.length }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    go(at + by);
  }

  function sortBy(name) {
    const same = salState.get("sort", "place") === name;
    salState.set({ sort: name, down: same && salState.get("down") !== "1" ? "1" : "" });
  }

  function heading([name, words]) {
    const sorted = salState.get("sort", "place") === name;
    const down = salState.get("down") === "1";
    return el("button", { class: `cell ${name}`, role: "columnheader", onclick: () => sortBy(name),
      "aria-sort": sorted ? (down ? "descending" : "ascending") : undefined },
      words + (sorted ? (down ? " ▾" : " ▴") : ""));
  }

  // The controls stay as they are while the reader types; all else is made anew.
  function build(section) {
    const names = salModel.runs.map((r) => [r.label, plain(r.label)]);
    const search = el("input", { type: "search", placeholder: "search  ( / )",
      "aria-label": "search problems", value: salState.get("q"),
      oninput: () => salState.set({ q: search.value }) });
    body = el("div", { class: "body", role: "rowgroup", onkeydown: onkey });
    list = el("div", { class: "list", role: "table", "aria-label": "Problems",
      onscroll: () => paint() }, el("div", { class: "row head", role: "row" }), body);
    count = el("span", { class: "muted", role: "status" });
    section.replaceChildren(
      el("h2", {}, "Problems"),
      el("div", { class: "bar" },
        select("run", names, salState.get("run", salModel.runs[0].label),
          (label) => salState.set({ run: label })),
        select("show", FILTERS.map(([name, words]) => [name, words]), salState.get("filter"),
          (filter) => salState.set({ filter })),
        search, count),
      list);
  }

  function draw() {
    const section = document.getElementById("problems");
    const next = salModel.runs[salModel.runAt(salState.get("run"))];
    const labels = salModel.runs.map((r) => r.label).join("\n");
    if (section.dataset.runs !== labels) build(section);
    section.dataset.runs = labels;
    const [choice, filter] = section.querySelectorAll("select");
    const search = section.querySelector("input");
    choice.value = next.label;
    filter.value = salState.get("filter");
    if (search !== document.activeElement) search.value = salState.get("q");
    const key = ["filter", "q", "sort", "down"].map((name) => salState.get(name)).join("\n");
    const changed = run !== next || section.dataset.key !== key;
    run = next;
    section.dataset.key = key;
    look();
    if (changed) [at, list.scrollTop] = [0, 0];
    count.textContent = `${shown.length} of ${run.rows.problem.length}`;
    list.setAttribute("aria-rowcount", shown.length + 1);
    list.querySelector(".head").replaceChildren(...COLUMNS.map(heading));
    body.style.height = `${shown.length * ROW}px`;
    list.style.height = `${(1 + Math.min(14, Math.max(2, shown.length))) * ROW + 2}px`;
    paint();
  }

  addEventListener("keydown", (event) => {
    if (event.key !== "/" || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName)) return;
    if (event.defaultPrevented) return;
    event.preventDefault();
    document.querySelector("#problems input").focus();
  });

  return { draw };
})();
