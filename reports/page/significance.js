// The tests of reports/statistics.py, on what the page holds.
const salSignificance = (() => {
  "use strict";

  // The exact, two-sided p-value of McNemar's test: `wins` of the problems that one of two solved.
  function mcnemar(wins, losses) {
    const tosses = wins + losses;
    let term = Math.exp(-tosses * Math.LN2);
    if (term === 0) return inLogarithms(wins, losses);
    let tail = 0;
    for (let k = 0; k <= Math.min(wins, losses); k++) {
      tail += term;
      term *= (tosses - k) / (k + 1);
    }
    return Math.min(1, 2 * tail);
  }

  // In logarithms, for more tosses than a double can halve.
  function inLogarithms(wins, losses) {
    const tosses = wins + losses;
    let log = -tosses * Math.LN2;
    const logs = [];
    for (let k = 0; k <= Math.min(wins, losses); k++) {
      logs.push(log);
      log += Math.log((tosses - k) / (k + 1));
    }
    const most = Math.max(...logs);
    const sum = logs.reduce((total, l) => total + Math.exp(l - most), 0);
    return Math.min(1, 2 * sum * Math.exp(most));
  }

  // P-values adjusted for being many (Holm, 1979), in the order given.
  function holm(values) {
    const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
    const adjusted = new Array(values.length).fill(1);
    let least = 0;
    order.forEach((i, rank) => {
      least = Math.min(1, Math.max(least, (values.length - rank) * values[i]));
      adjusted[i] = least;
    });
    return adjusted;
  }

  // Ours - theirs over the problems that both have; `rows` as a run holds them.
  function paired(ours, theirs, rule) {
    const place = new Map(theirs.problem.map((problem, i) => [problem, i]));
    let [n, wins, losses] = [0, 0, 0];
    ours.problem.forEach((problem, i) => {
      const j = place.get(problem);
      if (j === undefined) return;
      const [a, b] = [ours.right[rule][i] === "1", theirs.right[rule][j] === "1"];
      n++;
      wins += a && !b;
      losses += b && !a;
    });
    const mean = n ? (wins - losses) / n : null;
    const variance = n > 1 ? (wins + losses - n * mean * mean) / (n - 1) : null;
    const stderr = variance === null ? null : Math.sqrt(Math.max(0, variance) / n);
    return { n, wins, losses, mean, stderr, p: mcnemar(wins, losses) };
  }

  return { mcnemar, holm, paired };
})();
