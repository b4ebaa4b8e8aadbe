// How far an operand is beyond its limit: a bar in a row, a gauge on the alert's page.
import { el, number, value } from './dom.js';

const above = ['>', '>='], below = ['<', '<='];

// reading tells what can be drawn: the factor between value and limit, and in which direction the limit was passed.
export function reading(operand) {
  const { op, value: v, limit } = operand;
  if (typeof v !== 'number' || typeof limit !== 'number' || ![...above, ...below].includes(op)) return null;
  return { below: below.includes(op), factor: v > 0 && limit > 0 ? v / limit : null, drawn: v >= 0 && limit >= 0 && v + limit > 0 };
}

const times = f => `${number(f, f >= 10 ? 0 : f >= 0.1 ? 1 : 2, f >= 10 ? 0 : 1)} ×`;

// worst returns the operand that is farthest beyond its limit, as far as that can be said.
function worst(because) {
  const far = o => { const r = reading(o); return r?.factor ? (r.below ? 1 / r.factor : r.factor) : 0; };
  return (because ?? []).reduce((a, b) => !a || far(b) > far(a) ? b : a, null);
}

// rowBar is neutral: pale up to the limit at a quarter, dark beyond, a quarter more for each doubling.
export function rowBar(because) {
  const o = worst(because), r = o && reading(o);
  if (!r?.factor) return el('span.vs', null, el('span.trunc.wide-text', { title: o ? describe(o) : null }, o ? describe(o) : '–'));
  const far = r.below ? 1 / r.factor : r.factor;
  return el('span.vs', { title: `${describe(o)}, limit ${value(o.limit)}` }, el('i', { '--w': `${Math.min(100, 25 + Math.log2(Math.max(1, far)) * 25)}%` }), el('span', null, times(r.factor)));
}

// describe says in words what held: pizzas >= 2, or the plain expression.
const describe = o => o.op ? `${o.expr} ${o.op} ${value(o.limit)}` : o.expr;

// surprise is the figure to make bold in the sentence: as it may be written there.
export function surprise(row) {
  const o = worst(row.because);
  if (!o || typeof o.value === 'boolean' || o.value == null) return [];
  const n = o.value;
  if (typeof n !== 'number') return [String(n)];
  return [number(n, 2, 2), number(n, 3), String(n), n.toFixed(2), n.toFixed(1)].map(t => t.replace('-', '−')).concat(String(n));
}

// gaugeRow is an operand on the alert's page.
export function gaugeRow(o) {
  const r = reading(o);
  const name = el('.name', null, el('span', null, o.expr), el('small', null, o.op ? `${o.op} ${value(o.limit)}` : 'holds'));
  if (!r?.drawn) {
    return el('.operand', null, name, el('.only-text', null, o.op ? `${value(o.value)} ${o.op} ${value(o.limit)}` : value(o.value)), el('.ratio'));
  }
  const scale = Math.max(o.value, o.limit) * 1.09, at = n => `${(n / scale * 100).toFixed(2)}%`;
  const anchor = (n, low, high) => n / scale < low ? '.start' : n / scale > high ? '.end' : '';
  const gauge = el('.gauge' + (r.below ? '.below' : ''), { '--val': at(o.value), '--lim': at(o.limit), role: 'img', 'aria-label': `${o.expr} is ${value(o.value)}, the limit ${value(o.limit)}` },
    el('span.t-val' + anchor(o.value, 0.3, 2), null, `${o.expr.length > 24 ? 'value' : o.expr} ${value(o.value)}`), el('i.track'), el('i.usual'), el('i.val'), el('i.lim'),
    el('span.t-lim' + anchor(o.limit, 0.12, 0.88), null, `limit ${value(o.limit)}`));
  return el('.operand', null, name, gauge, el('.ratio', null, r.factor ? [times(r.factor), el('small', null, 'the limit')] : ''));
}
