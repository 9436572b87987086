// The trace of a run's search of a problem: from this page, a file beside it, or its server.
const salTraces = (() => {
  "use strict";
  const held = JSON.parse(document.getElementById("sal-traces").textContent);
  // held.packed: base64 of gzip by "run/problem"; held.files[run]: [place of its first
  // problem among the run's, name] of each file, ascending; held.url: where a server has them all.
  const loading = new Map();

  async function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  // A file calls salTraces.add with what it holds.
  const add = (packed) => Object.assign(held.packed, packed);

  function load(file) {
    if (!loading.has(file)) {
      loading.set(file, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = file.split("/").map(encodeURIComponent).join("/");
        script.onload = resolve;
        script.onerror = () => {
          loading.delete(file);
          reject(new Error(`${file} is not beside this page`));
        };
        document.head.append(script);
      }));
    }
    return loading.get(file);
  }

  async function get(run, problem) {
    const key = `${run}/${problem}`;
    if (held.url) {
      // Places of problems move when more are done; a run keeps its own (reports/followed.py).
      const id = encodeURIComponent(salModel.problems[problem].id.toWellFormed());
      const reply = await fetch(`${held.url}/${run}/${id}`);
      if (!reply.ok) throw new Error(`the server has no trace: ${reply.status}`);
      return reply.json();
    }
    const place = salModel.runs[run].rows.problem.indexOf(problem);
    const file = (held.files[run] || []).findLast(([first]) => first <= place);
    if (!(key in held.packed) && file) await load(file[1]);
    if (!(key in held.packed)) throw new Error("this search left no trace");
    return unpack(held.packed[key]);
  }

  return { add, get, served: Boolean(held.url) };
})();

// A promise of the trace, by the places of the run and of the problem in the report's data.
const salTrace = (run, problem) => salTraces.get(run, problem);
