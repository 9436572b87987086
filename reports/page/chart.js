// Lines with bands over a logarithmic axis, as SVG.
const salChart = (() => {
  "use strict";
  const { el, svg, plain } = salDom;
  const Z = 1.96; // of a 95 % interval
  const MARKS = [
    (x, y) => `M${x - 4},${y}a4,4 0 1,0 8,0a4,4 0 1,0 -8,0`,
    (x, y) => `M${x - 3.6},${y - 3.6}h7.2v7.2h-7.2z`,
    (x, y) => `M${x},${y - 4.8}l4.6,8h-9.2z`,
  ];
  const DASHES = ["", "7 3", "2 3"];
  const COLOURS = 8; // --c0 to --c7 in style.css

  const look = (i) => ({ colour: `var(--c${i % COLOURS})`, mark: Math.floor(i / COLOURS) % 3 });
  const low = (p) => Math.max(0, p.y - Z * (p.se ?? 0));
  const high = (p) => Math.min(1, p.y + Z * (p.se ?? 0));

  // 1, 2, 5 times powers of ten, or powers of two for `whole` numbers, that lie in [from, to].
  function ticksOf(from, to, whole, most) {
    const found = [];
    if (whole) for (let v = 1; v <= to * 1.001; v *= 2) found.push(v);
    else
      for (let e = Math.floor(Math.log10(from)); e <= Math.log10(to); e++)
        for (const m of [1, 2, 5]) found.push(m * 10 ** e);
    const inside = found.filter((v) => v >= from * 0.999 && v <= to * 1.001);
    const every = Math.ceil(inside.length / most);
    return inside.filter((_, i) => i % every === 0);
  }

  function heights(lines, levels) {
    const all = lines.flatMap((line) => line.points).concat(levels);
    const [least, most] = [Math.min(...all.map(low)), Math.max(...all.map(high))];
    // Equal values still need room to be seen in.
    const from = Math.max(0, Math.min(least, most - 0.1));
    const to = Math.min(1, Math.max(most, from + 0.1));
    const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((s) => (to - from) / s <= 8) || 0.25;
    const floor = Math.floor(from / step) * step;
    return { from: floor, to: Math.max(Math.ceil(to / step) * step, floor + step), step };
  }

  // lines: [{name, look, dashed, points: [{x, y, se, said, open}]}]; levels: [{name, y, se}].
  // Draws into `box`, which gets a `tell(text, x, y)` of what is under the pointer or the focus.
  function draw(box, { lines, levels, xLabel, yLabel, whole, format }) {
    box.replaceChildren();
    const xs = lines.flatMap((line) => line.points.map((p) => p.x));
    if (!xs.length) {
      box.append(el("p", { class: "muted" }, "Nothing to draw: no run tells this."));
      return;
    }
    const width = Math.max(280, box.clientWidth);
    const height = Math.round(Math.min(460, Math.max(280, width * 0.5)));
    const [left, right, top, bottom] = [44, 12, 10, 42];
    const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
    const spread = Math.log(x1 / x0) || 1;
    const y = heights(lines, levels);
    const px = (v) => left + 8 + (Math.log(v / x0) / spread) * (width - left - right - 16);
    const py = (v) => top + ((y.to - v) / (y.to - y.from)) * (height - top - bottom);
    const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, tabindex: "0",
      role: "img", "aria-label": `${yLabel} against ${xLabel}; arrow keys go from point to point` });
    for (let v = y.from; v <= y.to + 1e-9; v += y.step)
      root.append(
        svg("line", { class: "grid", x1: left, x2: width - right, y1: py(v), y2: py(v) }),
        svg("text", { class: "tick", x: left - 6, y: py(v) + 4, "text-anchor": "end" },
          String(Math.round(100 * v))));
    for (const v of ticksOf(x0, x1, whole, width / 60))
      root.append(
        svg("line", { class: "grid", x1: px(v), x2: px(v), y1: top, y2: height - bottom }),
        svg("text", { class: "tick", x: px(v), y: height - bottom + 16, "text-anchor": "middle" },
          format(v)));
    root.append(
      svg("text", { class: "axis", x: (left + width) / 2, y: height - 6, "text-anchor": "middle" },
        xLabel),
      svg("text", { class: "axis", x: 12, y: (height - bottom) / 2, "text-anchor": "middle",
        transform: `rotate(-90 12 ${(height - bottom) / 2})` }, yLabel));
    for (const level of levels)
      root.append(svg("line", { class: "level", x1: left, x2: width - right, y1: py(level.y),
        y2: py(level.y), "data-line": level.name }));
    const spots = lines.map((line) => one(root, line, px, py));
    const tip = el("div", { class: "tip", hidden: true });
    box.append(root, tip);
    explore(root, tip, lines, levels, spots, py, width);
  }

  // A line, its band and its marks; returns where its points are.
  function one(root, line, px, py) {
    const at = line.points.map((p) => [px(p.x), py(p.y)]);
    const path = (points) => "M" + points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L");
    const group = svg("g", { class: "line", "data-line": line.name,
      style: `--colour: ${line.look.colour}` });
    if (at.length > 1)
      group.append(
        svg("path", { class: "band", d: path([
          ...line.points.map((p, i) => [at[i][0], py(high(p))]),
          ...line.points.map((p, i) => [at[i][0], py(low(p))]).reverse()]) + "Z" }),
        svg("path", { class: "stroke", d: path(at),
          "stroke-dasharray": line.dashed ? "3 4" : DASHES[line.look.mark] }));
    line.points.forEach((p, i) => {
      const [x, y] = at[i];
      if (line.dashed) return;
      group.append(
        svg("line", { class: "whisker", x1: x, x2: x, y1: py(low(p)), y2: py(high(p)) }),
        svg("path", { class: p.open ? "mark open" : "mark", d: MARKS[line.look.mark](x, y) }));
    });
    root.append(group);
    return at;
  }

  // Tells the point that is next to the pointer, or that the arrow keys have gone to.
  function explore(root, tip, lines, levels, spots, py, width) {
    let [line, point] = [0, -1];
    const light = (name) => {
      root.classList.toggle("lit", name !== null);
      for (const node of root.querySelectorAll("[data-line]"))
        node.classList.toggle("on", node.dataset.line === name);
    };
    function show(words, name, x, y) {
      light(name);
      tip.textContent = words;
      tip.hidden = false;
      tip.style.left = `${Math.min(Math.max(0, x - 100), Math.max(0, width - 220))}px`;
      tip.style.top = `${y + 14}px`;
    }
    function hide() {
      light(null);
      tip.hidden = true;
    }
    const tell = () => show(`${plain(lines[line].name)}: ${lines[line].points[point].said}`,
      lines[line].name, ...spots[line][point]);
    root.addEventListener("pointermove", (event) => {
      const box = root.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      let best = 30 ** 2;
      let found = false;
      spots.forEach((at, l) => at.forEach(([a, b], p) => {
        const far = (a - x) ** 2 + (b - y) ** 2;
        if (far < best) [best, line, point, found] = [far, l, p, true];
      }));
      const level = levels.find((v) => Math.abs(py(v.y) - y) < 5);
      if (found) tell();
      else if (level) show(`${plain(level.name)}: ${level.said}`, level.name, x, py(level.y));
      else hide();
    });
    root.addEventListener("pointerleave", hide);
    root.addEventListener("blur", hide);
    root.addEventListener("keydown", (event) => {
      const [across, along] = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0],
        ArrowUp: [-1, 0] }[event.key] || [0, 0];
      if (!across && !along) return;
      event.preventDefault();
      line = (line + across + lines.length) % lines.length;
      point = Math.min(Math.max(0, point + along), lines[line].points.length - 1);
      tell();
    });
    root.light = light;
  }

  return { draw, look };
})();
