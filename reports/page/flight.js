// Problems that are being searched: a list, and the tree of one of them as it grows.
const salFlight = (() => {
  "use strict";
  const { el, plain } = salDom;
  let flying = []; // [{run, place, id, nodes}]: reports/followed.py
  let open = null; // {run, place, id, nodes, tree} of the one that is shown

  const named = (run, id) => `${run}/${id}`;
  const questionOf = (id) => salModel.problems.find((p) => p.id === id)?.question;

  const list = el("p", {});
  const place = el("div", {});
  const section = el("section", { id: "flight", "aria-label": "In flight", hidden: true }, list, place);
  document.getElementById("problem").before(section);

  const address = (flight) => salState.link({ flight: named(flight.run, flight.id), at: "" });
  const link = (flight) =>
    el("a", { href: address(flight) }, el("bdi", {}, plain(flight.id)), ` (${flight.nodes})`);

  function close(words = "") {
    if (open?.tree) open.tree.destroy();
    open = null;
    place.replaceChildren(...(words ? [el("p", {}, words)] : []));
  }

  async function read(flight) {
    const where = `live/${encodeURIComponent(flight.run)}/${encodeURIComponent(flight.id)}`;
    const reply = await fetch(where);
    if (!reply.ok) return null; // finished since
    return { ...(await reply.json()), question: questionOf(flight.id) };
  }

  async function show(flight) {
    close();
    const mine = (open = { ...flight, tree: null });
    const trace = await read(flight);
    if (open !== mine || !trace) return;
    place.replaceChildren(el("h2", {}, plain(flight.id)), el("div", { class: "growing" }));
    open.tree = salTree.mount(place.lastChild, trace, {
      math: salMath.math,
      link: (at) => salState.link({ at }),
      path: salState.get("at"),
      onpath: (at) => salState.note({ at }),
    });
  }

  async function grow(flight) {
    open.nodes = flight.nodes;
    const mine = open;
    const trace = await read(flight);
    if (open === mine && trace) open.tree?.update(trace);
  }

  // From the tree that grew to the finished one, at the same node.
  function finished() {
    const run = salModel.runs[open.place];
    const done = run && run.rows.problem.some((p) => salModel.problems[p].id === open.id);
    const [id, path] = [open.id, salState.get("at")];
    close(done ? "" : `${plain(id)} is finished.`);
    const gone = { flight: "", at: "" };
    salState.set(done ? { ...gone, run: run.label, problem: id, path } : gone, true);
  }

  function draw() {
    const wanted = salState.get("flight");
    const flight = flying.find((f) => named(f.run, f.id) === wanted);
    section.hidden = !flying.length && !place.childNodes.length;
    list.replaceChildren("In flight (nodes so far): ",
      ...flying.flatMap((f, i) => (i ? [", ", link(f)] : [link(f)])));
    list.hidden = !flying.length;
    if (!wanted && open) close();
    else if (flight && (!open || named(open.run, open.id) !== wanted)) show(flight);
    else if (flight && flight.nodes !== open.nodes) grow(flight);
    else if (wanted && open && !flight) finished();
  }

  salState.listen(draw);
  return { take: (list) => { flying = list; draw(); } };
})();
