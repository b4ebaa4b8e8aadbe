// How far an operand is beyond its limit.
import type { Operand, Row } from './api';
import { number, text } from './format';

const above = ['>', '>='], below = ['<', '<='];

// Reading is an operand with numbers: in which direction the limit was passed, by which factor, and whether both can be drawn from 0.
export interface Reading {
  value: number;
  limit: number;
  below: boolean;
  factor: number | null;
  drawn: boolean;
}

export function reading(o: Operand): Reading | null {
  const { op = '', value, limit } = o;
  if (typeof value !== 'number' || typeof limit !== 'number' || ![...above, ...below].includes(op)) return null;
  return { value, limit, below: below.includes(op), factor: value > 0 && limit > 0 ? value / limit : null, drawn: value >= 0 && limit >= 0 && value + limit > 0 };
}

// beyond is how many times the limit was passed, whatever the direction; 0: not known.
export function beyond(r: Reading | null): number {
  if (!r?.factor) return 0;
  return r.below ? 1 / r.factor : r.factor;
}

export const times = (f: number) => `${number(f, f >= 10 ? 0 : f >= 0.1 ? 1 : 2, f >= 10 ? 0 : 1)} ×`;

// worst returns the operand that is farthest beyond its limit, as far as that can be said.
export function worst(because: readonly Operand[] | null): Operand | undefined {
  return because?.reduce((a, b) => beyond(reading(b)) > beyond(reading(a)) ? b : a, because[0]!);
}

// describe says in words what held: pizzas >= 2, or the plain expression.
export const describe = (o: Operand) => o.op ? `${o.expr} ${o.op} ${text(o.value)}` : o.expr;

// boldParts splits the sentence around its surprising figure, when it stands there as a word of its own.
export function boldParts(r: Row): [before: string, figure: string, after: string] {
  for (const figure of figures(worst(r.because))) {
    for (let at = r.summary.indexOf(figure); at >= 0; at = r.summary.indexOf(figure, at + 1)) {
      const end = at + figure.length, from = /[€$£]/.test(r.summary[at - 1] ?? '') ? at - 1 : at;
      if (/[\w.,−-]/.test(r.summary[from - 1] ?? '') || /^(\w|[.,]\d)/.test(r.summary.slice(end))) continue;
      return [r.summary.slice(0, from), r.summary.slice(from, end), r.summary.slice(end)];
    }
  }
  return [r.summary, '', ''];
}

// figures are the ways in which a rule's author may have written the value.
function figures(o: Operand | undefined): string[] {
  const n = o?.value;
  if (n == null || typeof n === 'boolean' || typeof n === 'object') return [];
  if (typeof n === 'string') return n ? [n] : [];
  return [number(n, 2, 2), number(n, 3), String(n), n.toFixed(2), n.toFixed(1)].map(t => t.replace('-', '−')).concat(String(n));
}
