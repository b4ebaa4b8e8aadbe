// The strip above the list: alerts a minute over the last hour, by severity, the worst at the base.
import { clock, plural, severities, svg } from './dom.js';

const pad = { top: 6, bottom: 20, left: 28 };

// drawStrip draws into root at its width.
export function drawStrip(root, hour) {
  const width = root.clientWidth, height = root.clientHeight;
  if (!hour || !width) return;
  const counts = Object.entries(hour.counts), minutes = counts[0]?.[1].length ?? 60;
  const order = ([name]) => severities.includes(name) ? severities.indexOf(name) : severities.length;
  counts.sort((a, b) => order(a) - order(b));
  const totals = Array.from({ length: minutes }, (_, i) => counts.reduce((n, [, c]) => n + c[i], 0)), sum = totals.reduce((a, b) => a + b, 0);
  const top = niceTop(Math.max(...totals));
  const x = i => pad.left + i / minutes * (width - pad.left), y = n => pad.top + (1 - n / top) * (height - pad.top - pad.bottom);
  const parts = [0, top / 2, top].flatMap(n => [
    svg('line', { class: n ? 'grid' : 'axis', x1: pad.left, x2: width, y1: y(n), y2: y(n) }), svg('text', { x: pad.left - 8, y: y(n) + 4, 'text-anchor': 'end' }, n.toLocaleString('en-GB'))]);
  for (let i = 0; i < minutes; i++) {
    let below = 0;
    for (const [name, c] of counts) {
      if (!c[i]) continue;
      const known = severities.includes(name) ? name : 'info', h = y(below) - y(below + c[i]);
      parts.push(svg('rect', { x: x(i) + 1, width: Math.max(1, x(i + 1) - x(i) - 2), y: y(below + c[i]) + (h > 3 ? 0.5 : 0), height: h > 3 ? h - 1 : h, fill: `var(--${known})`, opacity: known === 'low' || known === 'info' ? 0.8 : 1 }));
      below += c[i];
    }
  }
  const every = width > 600 ? 10 : 20, until = +new Date(hour.until);
  for (let i = 0; i <= minutes; i += every) {
    const last = i === minutes, label = last ? 'now' : clock(until - (minutes - i) * 60_000).slice(0, 5);
    parts.push(svg('text', { x: x(i), y: height - 5, 'text-anchor': last ? 'end' : i ? 'middle' : 'start' }, label));
  }
  root.replaceChildren(svg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${plural(sum, 'alert')} in the last hour, at most ${Math.max(...totals)} in a minute` }, ...parts));
}

// niceTop is the least even round number that holds n.
function niceTop(n) {
  for (let unit = 2; ; unit *= 10) for (const step of [1, 2, 5]) if (unit * step >= n) return unit * step;
}
