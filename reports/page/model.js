// The report's data (reports/page_data.py), and what follows from it.
const salModel = (() => {
  "use strict";
  const model = {
    // Where the run of this label is among the runs; the first where there is none.
    runAt: (label) => Math.max(0, model.runs.findIndex((run) => run.label === label)),
    take: (data) => Object.assign(model, data),
  };
  return model.take(JSON.parse(document.getElementById("sal-data").textContent));
})();
