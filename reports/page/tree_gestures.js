// Mouse, touch and keys on a canvas as pan, zoom, click and hint.
(function (salTree) {
  "use strict";

  const CLICK = 4; // pixels that a press may move and still be a click
  const STEP = 60; // pixels that a key pans

  /** `to` has pan(dx, dy), zoom(factor, at), hint, leave, click, widen, whole. */
  salTree.gestures = function (canvas, to) {
    const fingers = new Map();
    let moved = 0;

    function down(event) {
      fingers.set(event.pointerId, event);
      moved = 0;
      canvas.setPointerCapture?.(event.pointerId);
    }

    function move(event) {
      const before = fingers.get(event.pointerId);
      if (!before) return to.hint(event);
      const other = [...fingers.values()].find((f) => f.pointerId !== event.pointerId);
      const [dx, dy] = [before.offsetX - event.offsetX, before.offsetY - event.offsetY];
      moved += Math.abs(dx) + Math.abs(dy);
      if (other) pinch(before, event, other);
      else if (moved > CLICK) to.pan(dx, dy);
      fingers.set(event.pointerId, event);
      to.leave();
    }

    function pinch(before, now, other) {
      const apart = (finger) => Math.max(8, Math.abs(finger.offsetX - other.offsetX));
      to.zoom(apart(now) / apart(before), (now.offsetX + other.offsetX) / 2);
    }

    function up(event) {
      if (fingers.delete(event.pointerId) && moved <= CLICK && event.type === "pointerup") {
        to.click(event);
        to.hint(event);
      }
    }

    /** The wheel is the page's, until the canvas was clicked; with Ctrl, so a pinch, it is ours. */
    function wheel(event) {
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
      event.preventDefault();
      const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
      if (sideways) to.pan(event.deltaX || event.deltaY, 0);
      else to.zoom(Math.exp(-event.deltaY / 400), event.offsetX);
    }

    const KEYS = {
      ArrowLeft: () => to.pan(-STEP, 0),
      ArrowRight: () => to.pan(STEP, 0),
      ArrowUp: () => to.pan(0, -STEP),
      ArrowDown: () => to.pan(0, STEP),
      "+": () => to.zoom(1.5),
      "=": () => to.zoom(1.5),
      "-": () => to.zoom(1 / 1.5),
      0: () => to.whole(),
    };

    function key(event) {
      if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      KEYS[event.key]();
      event.preventDefault();
      event.stopPropagation();
    }

    const heard = {
      pointerdown: down,
      pointermove: move,
      pointerup: up,
      pointercancel: up,
      pointerleave: to.leave,
      dblclick: to.widen,
      wheel,
      keydown: key,
    };
    for (const [name, hear] of Object.entries(heard)) {
      canvas.addEventListener(name, hear, { passive: false });
    }
    return {
      destroy() {
        for (const [name, hear] of Object.entries(heard)) canvas.removeEventListener(name, hear);
      },
    };
  };
})((globalThis.salTree ??= {}));
