// The icicle: width is tokens of the subtree, height is steps, colour is the score. On a canvas, so
// that ten thousand nodes pan at the rate of the screen.
(function (salTree) {
  "use strict";

  const ROW = { least: 4, most: 20, labelled: 13 };
  const LEAST_LABEL = 34;
  const FADED = 0.42;

  /** The node at a place (tokens from the left, steps from the top) and its step there, or null. */
  salTree.nodeAt = function (model, tokens, row) {
    for (let i = 0; i < model.n; ) {
      const inside = tokens >= model.left[i] && tokens < model.left[i] + model.weight[i];
      if (!inside || row < model.level[i]) {
        i += model.below[i];
        continue;
      }
      const step = row - model.level[i];
      if (step < Math.max(1, model.steps[i].length)) return { node: i, step };
      i++;
    }
    return null;
  };

  /** What is in the window: `each(node, left, width)` in pixels; too thin ones once per pixel. */
  salTree.eachInView = function (model, view, width, each) {
    const drawn = new Int32Array(model.levels + 1).fill(-1);
    for (let i = 0; i < model.n; ) {
      const left = (model.left[i] - view.x) * view.scale;
      const wide = model.weight[i] * view.scale;
      const pixel = Math.floor(left);
      const thin = wide < 1;
      if (left + wide < 0 || left > width || (thin && drawn[model.level[i]] === pixel)) {
        i += model.below[i];
        continue;
      }
      if (thin) drawn[model.level[i]] = pixel;
      each(i, left, Math.max(1, wide));
      i += thin && model.steps[i].length > 1 ? model.below[i] : 1;
    }
  };

  salTree.icicle = function (host, actions) {
    const canvas = host.appendChild(salTree.element("canvas", "sal-canvas"));
    const tip = host.appendChild(salTree.element("div", "sal-tip"));
    tip.hidden = true;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "icicle of the tree: the list has the same");
    const pen = canvas.getContext("2d");
    const view = { x: 0, y: 0, scale: 1, row: ROW.most, whole: true };
    let width = 0;
    let height = 0;
    let asked = 0;

    const model = () => actions.model();
    const fit = () => width / Math.max(1, model().total);

    function resize() {
      host.style.maxHeight = `${model().levels * ROW.most + 1}px`;
      width = host.clientWidth;
      height = host.clientHeight;
      canvas.width = Math.round(width * devicePixelRatio);
      canvas.height = Math.round(height * devicePixelRatio);
      view.row = Math.max(ROW.least, Math.min(ROW.most, height / model().levels));
      if (view.whole) view.scale = fit();
      clamp();
      schedule();
    }

    /** Keep the window within the tree; pixels a token are at least what shows it whole. */
    function clamp() {
      if (!width) return; // it is not laid out yet
      view.scale = Math.min(Math.max(view.scale, fit()), Math.max(fit(), width / 2));
      view.whole = view.scale <= fit() * 1.001;
      view.x = Math.min(Math.max(0, view.x), Math.max(0, model().total - width / view.scale));
      view.y = Math.min(Math.max(0, view.y), Math.max(0, model().levels * view.row - height));
    }

    function schedule() {
      asked ||= requestAnimationFrame(() => {
        asked = 0;
        draw();
      });
    }

    function draw() {
      const look = actions.look();
      pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
      pen.clearRect(0, 0, width, height);
      pen.font = look.font;
      pen.textBaseline = "middle";
      cell(0, -view.x * view.scale, model().total * view.scale, look.neutral, look.ink, actions.title());
      salTree.eachInView(model(), view, width, (node, left, wide) => {
        for (let step = 0; step < Math.max(1, model().steps[node].length); step++) {
          drawStep(look, node, step, left, wide);
        }
      });
      outline(look);
    }

    function drawStep(look, node, step, left, wide) {
      const top = (model().level[node] + step) * view.row - view.y;
      if (top + view.row < 0 || top > height) return;
      const score = model().scores[node][step];
      const fill = score === undefined ? look.neutral : look.scale.fill(score);
      const ink = score === undefined ? look.ink : look.scale.ink(score);
      const state = model().state[node];
      const text = wide < LEAST_LABEL ? "" : model().trace.texts[model().steps[node][step]];
      const faded = state === "pruned" || state === "rollout";
      cell(model().level[node] + step, left, wide, fill, faded ? look.ink : ink, text, faded);
      if (model().chosen[node]) mark(look.accent, left, top, wide);
      else if (state === "failed") mark(look.failed, left, top, wide);
      const many = model().steps[node].length > 1;
      if (actions.isHit(model().items.ofNode[node] + (many ? 1 + step : 0))) {
        mark(look.hit, left, top + view.row * 0.6, wide);
      }
    }

    function mark(colour, left, top, wide) {
      pen.fillStyle = colour;
      pen.fillRect(left, top, Math.max(1, wide - 1), Math.min(3, view.row / 3));
    }

    function cell(row, left, wide, fill, ink, text, faded = false) {
      const top = row * view.row - view.y;
      const gap = view.row > 6 ? 1 : 0;
      const begin = Math.max(0, left);
      const end = Math.min(width, left + wide - (wide > 3 ? 1 : 0));
      pen.globalAlpha = faded ? FADED : 1;
      pen.fillStyle = fill;
      pen.fillRect(begin, top, end - begin, view.row - gap);
      pen.globalAlpha = 1;
      if (text && end - begin > LEAST_LABEL && view.row >= ROW.labelled) {
        label(text, begin + 4, top + view.row / 2, end - begin - 8, ink);
      }
    }

    function label(text, left, middle, room, ink) {
      const shown = salTree.visible(salTree.preview(text, Math.floor(room / 5)));
      pen.save();
      pen.beginPath();
      pen.rect(left, middle - view.row / 2, room, view.row);
      pen.clip();
      pen.fillStyle = ink;
      pen.fillText(shown, left, middle + 0.5);
      pen.restore();
    }

    function outline(look) {
      const { node, step } = model().items;
      const item = actions.selected();
      const i = node[item];
      if (i < 0) return;
      const rows = step[item] < 0 ? Math.max(1, model().steps[i].length) : 1;
      pen.strokeStyle = look.ink;
      pen.lineWidth = 2.5;
      pen.strokeRect(
        (model().left[i] - view.x) * view.scale,
        (model().level[i] + Math.max(0, step[item])) * view.row - view.y,
        Math.max(2, model().weight[i] * view.scale - 1),
        rows * view.row - 1,
      );
    }

    function zoom(factor, at = width / 2) {
      const tokens = view.x + at / view.scale;
      view.scale *= factor;
      clamp();
      view.x = tokens - at / view.scale;
      clamp();
      schedule();
    }

    function pan(dx, dy) {
      view.x += dx / view.scale;
      view.y += dy;
      clamp();
      schedule();
    }

    /** Bring a node into the window if it is outside; with `wide` make the window as wide as it. */
    function show(item, wide) {
      const i = model().items.node[item];
      if (i >= 0 && width) {
        if (wide) view.scale = Math.min(width / Math.max(model().weight[i], 1), width / 2);
        const left = model().left[i];
        const outside = left + model().weight[i] <= view.x || left >= view.x + width / view.scale;
        if (wide || outside) view.x = left;
        const top = model().level[i] * view.row;
        if (top < view.y || top + view.row > view.y + height) view.y = top - height / 2;
        clamp();
      }
      schedule();
    }

    function itemAt(x, y) {
      const row = Math.floor((y + view.y) / view.row);
      const found = salTree.nodeAt(model(), view.x + x / view.scale, row);
      if (!found) return row === 0 ? 0 : -1;
      const head = model().items.ofNode[found.node];
      return model().steps[found.node].length > 1 ? head + 1 + found.step : head;
    }

    function hint(event) {
      const item = itemAt(event.offsetX, event.offsetY);
      tip.hidden = item < 0;
      if (item < 0) return;
      tip.replaceChildren(...actions.tip(item));
      const far = width - tip.offsetWidth - 4;
      tip.style.left = `${Math.max(0, Math.min(event.offsetX + 12, far))}px`;
      tip.style.top = `${event.offsetY + 16}px`;
    }

    const gestures = salTree.gestures(canvas, {
      pan,
      zoom,
      hint,
      leave: () => (tip.hidden = true),
      click: (event) => {
        const item = itemAt(event.offsetX, event.offsetY);
        if (item >= 0) actions.select(item);
      },
      widen: (event) => show(itemAt(event.offsetX, event.offsetY), true),
      whole: () => zoom(0),
    });
    resize();
    const watch = new ResizeObserver(resize);
    watch.observe(host);

    return {
      draw: schedule,
      resize,
      show,
      view,
      destroy() {
        watch.disconnect();
        gestures.destroy();
        cancelAnimationFrame(asked);
      },
    };
  };
})((globalThis.salTree ??= {}));
