// The growth chart: one measure over age, as a picture and as a table.

import { draw, make } from "./dom.js";
import { hasCode } from "./fhir.js";
import { referenceLines } from "./reference.js";

const MONTH = 30.4375 * 24 * 3600 * 1000; // milliseconds
const ADULT = 20 * 12; // months
const MARGIN = { left: 44, right: 62, top: 26, bottom: 40 };

export const MEASURES = {
  weight: { name: "Weight", code: "29463-7", unit: "kg" },
  height: { name: "Height", code: "8302-2", unit: "cm" },
  head: { name: "Head", code: "9843-4", unit: "cm" },
  bmi: { name: "BMI", code: "39156-5", unit: "kg/m²" },
};

/** Points [age in months, value, date] of one measure, oldest first. */
export function course(measure, observations, birthDate) {
  const born = Date.parse(birthDate);
  return observations
    .filter((o) => hasCode(o, MEASURES[measure].code) && typeof o.valueQuantity?.value === "number" && o.effectiveDateTime)
    .map((o) => ({ age: Math.max(0, (Date.parse(o.effectiveDateTime) - born) / MONTH), value: o.valueQuantity.value, day: o.effectiveDateTime.slice(0, 10), id: o.id }))
    .sort((a, b) => a.age - b.age);
}

export function ageInWords(months) {
  if (months < 0.5) return "birth";
  if (months < 24) return `${Math.round(months)} months`;
  const years = Math.floor(months / 12);
  const rest = Math.round(months - years * 12);
  return rest && years < 10 ? `${years} y ${rest} m` : `${years} years`;
}

function niceStep(range, wanted) {
  const rough = range / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= rough);
}

function ageSpan(points) {
  const [first, last] = [points[0].age, points.at(-1).age];
  if (first > ADULT) return [first - 6, last + 6];
  return [0, Math.max(6, last * 1.12)];
}

function ageTicks([from, to]) {
  const range = to - from;
  const step = range <= 8 ? 1 : range <= 14 ? 2 : range <= 30 ? 3 : range <= 50 ? 6 : range <= 110 ? 12 : 24;
  const ticks = [];
  for (let age = Math.ceil(from / step) * step; age <= to; age += step) ticks.push(age);
  return { ticks, label: (age) => (range <= 30 && from === 0 ? String(age) : String(Math.round((age / 12) * 10) / 10)), unit: range <= 30 && from === 0 ? "months" : "years" };
}

/** For an adult: the weights that go with a body mass index of 18.5 to 25 at the last known height. */
function adultBand(measure, points, heights) {
  const height = heights.at(-1)?.value;
  if (measure !== "weight" || points[0].age < ADULT || !height) return null;
  const square = (height / 100) ** 2;
  return { low: 18.5 * square, high: 25 * square, words: `The band is a body mass index of 18.5 to 25 at ${height} cm.` };
}

function picture(measure, points, { lines, band, fresh, width }) {
  const height = Math.max(250, Math.min(430, width * 0.56));
  const span = ageSpan(points);
  const values = [...points.map((p) => p.value), ...lines.flatMap((l) => l.points.map((p) => p[1])), ...(band ? [band.low, band.high] : [])];
  const step = niceStep(Math.max(...values) - Math.min(...values) || 10, height > 300 ? 8 : 5);
  const [low, high] = [Math.floor(Math.min(...values) / step) * step, Math.ceil(Math.max(...values) / step) * step];
  const x = (age) => MARGIN.left + ((age - span[0]) / (span[1] - span[0])) * (width - MARGIN.left - MARGIN.right);
  const y = (value) => height - MARGIN.bottom - ((value - low) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);
  const path = (list) => list.map(([age, value], i) => `${i ? "L" : "M"}${x(age).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const last = points.at(-1);
  const { unit } = MEASURES[measure];
  const svg = draw("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": inWords(measure, points) });

  const right = width - MARGIN.right;
  for (let value = low; value <= high + step / 2; value += step) {
    svg.append(
      draw("line", { class: "gridline", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }),
      draw("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, String(Math.round(value * 10) / 10)),
    );
  }
  const { ticks, label, unit: ageUnit } = ageTicks(span);
  for (const age of ticks) svg.append(draw("text", { x: x(age), y: height - MARGIN.bottom + 18, "text-anchor": "middle" }, label(age)));
  svg.append(
    draw("text", { x: (MARGIN.left + right) / 2, y: height - 4, "text-anchor": "middle" }, `age in ${ageUnit}`),
    draw("text", { x: 4, y: 10 }, unit),
  );

  if (band) svg.append(draw("rect", { class: "band", x: MARGIN.left, width: right - MARGIN.left, y: y(band.high), height: y(band.low) - y(band.high) }));
  if (lines.length) {
    const outline = [...lines[0].points, ...lines.at(-1).points.toReversed()];
    svg.append(draw("path", { class: "band", d: `${path(outline)}Z` }));
  }
  for (const line of lines) {
    svg.append(draw("path", { class: `reference ${line.name}`, d: path(line.points) }));
    const [age, value] = line.points.at(-1);
    if (line.name) svg.append(draw("text", { x: x(age) + 6, y: y(value) + 4 }, line.name));
  }
  svg.append(draw("path", { class: "course", d: path(points.map((p) => [p.age, p.value])) }));
  for (const point of points) {
    const kind = point.id === fresh ? "point fresh" : point === last ? "point last" : "point";
    svg.append(draw("circle", { class: kind, cx: x(point.age), cy: y(point.value), r: point === last ? 5.5 : 4 }, draw("title", {}, `${point.value} ${unit} at ${ageInWords(point.age)}, ${point.day}`)));
  }
  const near = x(last.age) > right - 70 && !band ? -12 : 10;
  svg.append(draw("text", { class: "value", x: x(last.age) + near, y: y(last.value) - 10, "text-anchor": near < 0 ? "end" : "start" }, `${last.value} ${unit}`));
  return svg;
}

function inWords(measure, points) {
  const { name, unit } = MEASURES[measure];
  const [first, last] = [points[0], points.at(-1)];
  if (points.length === 1) return `${name}: ${last.value} ${unit} at ${ageInWords(last.age)}.`;
  return `${name} over age: from ${first.value} ${unit} at ${ageInWords(first.age)} to ${last.value} ${unit} at ${ageInWords(last.age)}, ${points.length} measurements.`;
}

function table(measure, points) {
  const { name, unit } = MEASURES[measure];
  const row = (point) => make("tr", {}, make("td", {}, point.day), make("td", {}, ageInWords(point.age)), make("td", {}, `${point.value} ${unit}`));
  const head = make("tr", {}, make("th", {}, "Day"), make("th", {}, "Age"), make("th", {}, name));
  return make("details", {}, make("summary", {}, "Show the numbers"), make("table", {}, make("thead", {}, head), make("tbody", {}, points.toReversed().map(row))));
}

/** Fill the place with the chart of one measure; `fresh` is the id of a value that was just recorded. */
export function showChart(place, measure, observations, { birthDate, fresh }) {
  const points = course(measure, observations, birthDate);
  if (!points.length) {
    place.replaceChildren(make("p", { class: "quiet" }, "Nothing of this kind has been measured yet."));
    return;
  }
  const lines = points[0].age < ADULT ? referenceLines(measure, ...ageSpan(points)) : [];
  const band = adultBand(measure, points, course("height", observations, birthDate));
  const note = lines.length
    ? "Reference lines are illustrative, drawn for this demo: not for judging a child."
    : (band?.words ?? "");
  const width = Math.max(300, Math.round(place.clientWidth));
  const caption = note ? [make("p", { class: "caption" }, note)] : [];
  const open = place.querySelector("details")?.open ?? false;
  const numbers = table(measure, points);
  numbers.open = open;
  place.replaceChildren(picture(measure, points, { lines, band, fresh, width }), ...caption, numbers);
}
