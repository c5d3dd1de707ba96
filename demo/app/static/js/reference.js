// Reference lines for children. They are drawn by hand for this demo, smooth and believable, and NOT for judging a
// child: they come from no study and from no published table.

const WEIGHT = [[0, 3.4], [1, 4.4], [3, 6.1], [6, 7.7], [9, 8.8], [12, 9.7], [18, 11], [24, 12.2], [36, 14.4], [48, 16.3], [60, 18.3], [84, 23], [108, 28.9], [132, 36.5], [156, 46], [180, 55], [216, 63]];
const HEIGHT = [[0, 50], [3, 61], [6, 67], [9, 71], [12, 75], [18, 81], [24, 87], [36, 95], [48, 102], [60, 109], [84, 121], [108, 133], [132, 144], [156, 157], [180, 166], [216, 170]];
const HEAD = [[0, 34.5], [3, 40.2], [6, 43], [12, 46], [18, 47.3], [24, 48.2], [36, 49.4]];

const LINES = [["high", 1.9], ["", 1], ["middle", 0], ["", -1], ["low", -1.9]];

export const CURVES = {
  weight: { points: WEIGHT, spread: (age) => 0.115 + 0.065 * Math.min(age / 216, 1) },
  height: { points: HEIGHT, spread: () => 0.042 },
  head: { points: HEAD, spread: () => 0.028 },
};

/** Slopes for a smooth curve through the points that never overshoots (Fritsch and Carlson's conditions). */
function slopes(points) {
  const rise = points.slice(1).map(([x, y], i) => (y - points[i][1]) / (x - points[i][0]));
  return points.map((_, i) => {
    const [before, after] = [rise[i - 1] ?? rise[i], rise[i] ?? rise[i - 1]];
    return before * after <= 0 ? 0 : (2 * before * after) / (before + after);
  });
}

/** A function from age in months to the value of the middle line. */
function smooth(points) {
  const slope = slopes(points);
  return (age) => {
    const i = Math.max(0, Math.min(points.length - 2, points.findLastIndex(([x]) => x <= age)));
    const [[x0, y0], [x1, y1]] = [points[i], points[i + 1]];
    const width = x1 - x0;
    const t = Math.max(0, Math.min(1, (age - x0) / width));
    const [t2, t3] = [t * t, t * t * t];
    return (2 * t3 - 3 * t2 + 1) * y0 + (t3 - 2 * t2 + t) * width * slope[i] + (3 * t2 - 2 * t3) * y1 + (t3 - t2) * width * slope[i + 1];
  };
}

/** Five lines over an age range in months, or none where the demo has no idea. */
export function referenceLines(measure, from, to) {
  const curve = CURVES[measure];
  if (!curve) return [];
  const end = Math.min(to, curve.points.at(-1)[0]);
  if (from >= end) return [];
  const middle = smooth(curve.points);
  const ages = Array.from({ length: 49 }, (_, i) => from + ((end - from) * i) / 48);
  return LINES.map(([name, z]) => ({ name, points: ages.map((age) => [age, middle(age) * Math.exp(z * curve.spread(age))]) }));
}
