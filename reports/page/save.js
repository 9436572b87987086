// The curves as they are shown, with their legend, as a file: SVG, or PNG of twice the size.
const salSave = (() => {
  "use strict";
  const { svg, el } = salDom;
  const KEPT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size",
    "font-family", "text-anchor"];
  const KEY = { width: 210, height: 20 };

  // The chart with its style written into it, above a legend of `keys`, buttons of the page.
  function picture(chart, keys) {
    const { width, height } = chart.viewBox.baseVal;
    const columns = Math.max(1, Math.floor(width / KEY.width));
    const tall = height + KEY.height * Math.ceil(keys.length / columns) + 10;
    const copy = chart.cloneNode(true);
    const [shown, written] = [chart, copy].map((root) => [...root.querySelectorAll("*")]);
    shown.forEach((node, i) => {
      const style = getComputedStyle(node);
      for (const name of ["class", "style"]) written[i].removeAttribute(name);
      for (const name of KEPT) written[i].setAttribute(name, style.getPropertyValue(name));
    });
    const { backgroundColor, color, fontFamily } = getComputedStyle(document.body);
    copy.prepend(svg("rect", { width, height: tall, fill: backgroundColor }));
    keys.forEach((key, i) => {
      const x = 12 + (i % columns) * KEY.width;
      const y = height + KEY.height * Math.floor(i / columns) + 10;
      copy.append(
        svg("path", { d: `M${x},${y}h22`, "stroke-width": 2, fill: "none",
          stroke: getComputedStyle(key, "::before").borderTopColor,
          "stroke-dasharray": key.classList.contains("dashed") ? "3 4" : null }),
        svg("text", { x: x + 28, y: y + 4, fill: color, "font-size": 12,
          "font-family": fontFamily }, key.textContent));
    });
    for (const name of ["tabindex", "aria-label", "class"]) copy.removeAttribute(name);
    copy.setAttribute("height", tall);
    copy.setAttribute("viewBox", `0 0 ${width} ${tall}`);
    return { text: new XMLSerializer().serializeToString(copy), width, height: tall };
  }

  async function raster({ text, width, height }) {
    const image = new Image();
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    await image.decode();
    const canvas = el("canvas", { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(image, 0, 0, 2 * width, 2 * height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  async function save(chart, keys, name) {
    const drawn = picture(chart, keys);
    const blob = name.endsWith(".png") ? await raster(drawn)
      : new Blob([drawn.text], { type: "image/svg+xml" });
    const link = el("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  return { save };
})();
