// A series of ratios with their intervals, and lines where changes were found: drawn by uPlot, loaded when needed first.
import { el } from "./dom.js";

let library = null;

function uPlot() {
  library ??= new Promise((resolve, reject) => {
    document.head.append(el("script", { src: "uplot/uPlot.iife.min.js", onload: () => resolve(window.uPlot),
      onerror: () => { library = null; reject(new Error("The charting library could not be loaded.")); } }));
  });
  return library;
}

/**
 * Draw into `root` and return what ends it: `labels` of the points, `values`, `low` and `high` (NaN where there is
 * none), `changes` as [before, after] places, `title` of the axis.
 */
export function chart(root, { labels, values, low, high, changes, title }) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let plot = null, isOver = false;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function bars(self) {
    const { ctx } = self, { top, height } = self.bbox;
    ctx.save();
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.strokeStyle = colour("--tone-blue");
    values.forEach((value, place) => {
      if (Number.isNaN(value) || Number.isNaN(low[place]) || Number.isNaN(high[place])) return;
      const x = self.valToPos(place, "x", true);
      ctx.beginPath();
      ctx.moveTo(x, Math.min(self.valToPos(low[place], "y", true), top + height));
      ctx.lineTo(x, Math.max(self.valToPos(high[place], "y", true), top));
      ctx.stroke();
    });
    ctx.strokeStyle = colour("--tone-vermillion");
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const [before, after] of changes) {
      const x = self.valToPos((before + after) / 2, "x", true);
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
    }
    ctx.restore();
  }

  async function draw() {
    const made = await uPlot();
    if (isOver || !root.isConnected) return;
    plot?.destroy();
    const width = root.clientWidth, axis = { stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--grid") } };
    const every = Math.max(1, Math.ceil(labels.length / Math.max(Math.floor(width / 110), 1)));
    const known = [...values, ...low, ...high].filter((value) => Number.isFinite(value));
    const bottom = Math.min(...known), top = Math.max(...known), margin = (top - bottom || top * 0.1 || 1) * 0.12;
    plot = new made({
      width, height: width < 500 ? 260 : 320, padding: [12, 12, 0, 0], legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      scales: { x: { time: false, range: [-0.5, labels.length - 0.5] }, y: { range: [Math.max(bottom - margin, 0), top + margin] } },
      axes: [
        { ...axis, splits: labels.map((_, place) => place).filter((place) => place % every === 0), values: (_, places) => places.map((place) => labels[place]) },
        { ...axis, size: 56, label: title, labelSize: 18 },
      ],
      series: [{}, { stroke: colour("--tone-blue"), width: 1, points: { show: true, size: 9, fill: colour("--paper"), width: 2 } }],
      hooks: { draw: [bars] },
    }, [labels.map((_, place) => place), values.map((value) => (Number.isNaN(value) ? null : value))], root);
  }

  const life = new AbortController(), again = () => draw().catch(fail);
  function fail(error) {
    root.replaceChildren(el("p", { class: "warning" }, error.message));
  }
  dark.addEventListener("change", again, { signal: life.signal });
  addEventListener("resize", again, { signal: life.signal });
  again();
  return () => { isOver = true; life.abort(); plot?.destroy(); };
}
