// Lines over time on uPlot, with thresholds, a projection, and the same numbers as a table.
import { html, useEffect, useRef, useState } from "./react.js";
import { Table } from "./ui.js";
import { local } from "./format.js";

const HEIGHT = 170;
const DASHES = { stable: [], canary: [6, 3], other: [10, 3, 2, 3], threshold: [2, 4], projection: [3, 3] };

const missing = (value) => value === null || value === undefined;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A line: {label, values, colour: a CSS variable's name, dash: a name of DASHES, bridged: gaps are not shown}; null values are gaps. `steps`: how far apart the ticks may be. */
export function Chart({ title, times, lines, format, low, high, steps }) {
  const [asTable, setAsTable] = useState(false);
  const empty = !times.length;
  return html`<figure class="chart">
    <figcaption><span>${title}</span>
      <button type="button" class="small" aria-pressed=${asTable} onClick=${() => setAsTable(!asTable)} disabled=${empty}>
        ${asTable ? "Show as chart" : "Show as table"}</button></figcaption>
    <div class="key">${lines.map((line) => html`<span class="entry"><${Sample} line=${line} /> ${line.label}</span>`)}</div>
    ${empty ? html`<p class="quiet">No points yet.</p>` : asTable
      ? html`<${Numbers} title=${title} times=${times} lines=${lines} format=${format} />`
      : html`<${Plot} title=${title} times=${times} lines=${lines} format=${format} low=${low} high=${high} steps=${steps} />`}
  </figure>`;
}

const Sample = ({ line }) => html`
  <svg class="sample" width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" class="stroke-${line.colour}"
    stroke-width="2" stroke-dasharray=${(DASHES[line.dash] || []).join(" ")} /></svg>`;

function Numbers({ title, times, lines, format }) {
  const rows = times.map((time, at) => ({ time, at })).reverse();
  const columns = [
    { name: "Time", cell: (row) => local(row.time * 1000) },
    ...lines.map((line) => ({
      name: line.label,
      number: true,
      cell: (row) => (missing(line.values[row.at]) ? "–" : format(line.values[row.at])),
    })),
  ];
  return html`<div class="tall"><${Table} caption=${title} columns=${columns} rows=${rows} /></div>`;
}

function Plot({ title, times, lines, format, low, high, steps }) {
  const place = useRef(null);
  const plot = useRef(null);
  const [theme, setTheme] = useState(0);
  const shape = JSON.stringify([lines.map(({ label, colour: of, dash }) => [label, of, dash]), low, high, theme]);
  useEffect(() => {
    const drawn = () => setTheme((before) => before + 1);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const watcher = new MutationObserver(drawn);
    watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    dark.addEventListener("change", drawn);
    return () => {
      watcher.disconnect();
      dark.removeEventListener("change", drawn);
    };
  }, []);
  useEffect(() => {
    const node = place.current;
    const made = new uPlot(options(node.clientWidth, { lines, format, low, high, steps }), [times, ...lines.map((line) => line.values)], node);
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: node.clientWidth, height: HEIGHT }));
    resized.observe(node);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData([times, ...lines.map((line) => line.values)]), [times, lines]);
  return html`<div class="plot" ref=${place} role="img" aria-label=${`${title}: ${said(lines, format)}`}></div>`;
}

/** Where a value stands between two gaps: it has no line there, and needs a point. */
const alone = (values) => values.flatMap((value, at) => (!missing(value) && missing(values[at - 1]) && missing(values[at + 1]) ? [at] : []));

/** The newest value of each line, for whoever can't see the picture. */
function said(lines, format) {
  return lines.map((line) => {
    const value = line.values.findLast((each) => !missing(each));
    return `${line.label} ${value === undefined ? "none" : format(value)}`;
  }).join(", ");
}

function options(width, { lines, format, low, high, steps }) {
  const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (_, least, most) => bounds(least, most, low, high) } },
    axes: [
      { ...axis, font: "11px system-ui", size: 28, space: 64, values: (_, ticks, at, space, step) => ticks.map((tick) => clock(tick, step)) },
      { ...axis, font: "11px system-ui", size: 56, values: (_, ticks) => ticks.map(format), ...(steps && { incrs: steps }) },
    ],
    series: [{}, ...lines.map((line) => ({
      label: line.label,
      stroke: colour(line.colour),
      width: 2,
      dash: DASHES[line.dash] || [],
      points: { show: false, filter: (plot, at) => (line.bridged ? null : alone(plot.data[at])) },
      spanGaps: Boolean(line.bridged),
    }))],
  };
}

/** A tick as the person's clock shows it, as fine as the step between ticks (seconds) needs. */
function clock(tick, step) {
  const at = new Date(tick * 1000);
  const day = step >= 86_400 || (step >= 3600 && !at.getHours());
  return day ? at.toLocaleDateString("en-CA").slice(5) : at.toLocaleTimeString("en-GB").slice(0, step < 60 ? 8 : 5);
}

function bounds(least, most, low, high) {
  const bottom = Math.min(low ?? least ?? 0, least ?? low ?? 0);
  const top = Math.max(high ?? most ?? 1, most ?? high ?? 1);
  return bottom === top ? [bottom, top + 1] : [bottom, top];
}
