// Scores as colours: orange is low, blue is high; both kinds of red-green blindness tell them apart.
(function (salTree) {
  "use strict";

  const STOPS = {
    light: [[196, 78, 0], [236, 152, 74], [226, 224, 218], [112, 170, 222], [18, 94, 178]],
    dark: [[238, 112, 32], [170, 96, 48], [82, 85, 92], [58, 116, 174], [84, 164, 250]],
  };
  const STEPS = 100;

  function between(stops, share) {
    const place = share * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    return stops[low].map((part, i) => Math.round(part + (place - low) * (stops[low + 1][i] - part)));
  }

  /** Black or white, whichever stands out more from a colour (relative luminance, WCAG 2). */
  function inkOn(rgb) {
    const [r, g, b] = rgb.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
  }

  /** The scale for a theme ("light", "dark"): `fill(score)` and the `ink(score)` to write on it. */
  salTree.scale = function (theme) {
    const colours = Array.from({ length: STEPS + 1 }, (_, i) => between(STOPS[theme], i / STEPS));
    const fills = colours.map((rgb) => `rgb(${rgb.join(",")})`);
    const inks = colours.map(inkOn);
    const place = (score) => Math.round(Math.min(1, Math.max(0, score)) * STEPS);
    return { fill: (score) => fills[place(score)], ink: (score) => inks[place(score)] };
  };

  salTree.inkOn = inkOn;
})((globalThis.salTree ??= {}));
