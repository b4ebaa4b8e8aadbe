// How figures and times are written.
import type { Value } from './api';

type When = string | number | null | undefined;

// Figure is a number as it is written, and its unit.
export type Figure = [figure: string, unit: string];

export const unknown = '–';

// number writes at most so many decimals, with a thousands comma and a true minus.
export function number(n: number | null | undefined, decimals = 0, atLeast = 0): string {
  if (n == null) return unknown;
  return n.toLocaleString('en-GB', { maximumFractionDigits: decimals, minimumFractionDigits: atLeast }).replace('-', '−');
}

// text writes any JSON value; a number keeps what can be told apart.
export function text(v: Value | undefined): string {
  if (v == null) return unknown;
  if (typeof v === 'number') return number(v, Math.abs(v) < 1 ? 6 : 3);
  return typeof v === 'string' ? v : JSON.stringify(v);
}

export function bytes(n: number | null): Figure {
  if (n == null) return [unknown, ''];
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 'B';
  for (; n >= 1024 && units.length; n /= 1024) unit = units.shift()!;
  return [number(n, n < 10 && unit !== 'B' ? 1 : 0), unit];
}

export const plural = (n: number | null | undefined, one: string, many = one + 's') => `${number(n)} ${n === 1 ? one : many}`;

// age writes how long before now it was.
export function age(when: When, now: number): string {
  const s = Math.max(0, Math.floor((now - +new Date(when ?? NaN)) / 1000));
  if (Number.isNaN(s)) return unknown;
  return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 86400 ? `${Math.floor(s / 3600)} h` : `${number(Math.floor(s / 86400))} d`;
}

// seconds writes a duration in the unit that a reader would say.
export function seconds(s: number | null | undefined): Figure {
  if (s == null) return [unknown, ''];
  return s < 120 ? [number(s, 1, 1), 's'] : s < 7200 ? [number(s / 60), 'min'] : s < 172800 ? [number(s / 3600), 'h'] : [number(s / 86400), 'd'];
}

const valid = (when: When): when is string | number => when != null && !Number.isNaN(+new Date(when));

function day(when: string | number): string {
  const date = new Date(when), thisYear = date.getFullYear() === new Date().getFullYear();
  return date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', ...(thisYear ? {} : { year: 'numeric' }) });
}

export function clock(when: When, withZone = false): string {
  const digits = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;
  return valid(when) ? new Date(when).toLocaleTimeString('en-GB', withZone ? { ...digits, timeZoneName: 'short' } : digits) : unknown;
}

// stamp is the clock, with the day when that is not today.
export function stamp(when: When, withZone = false): string {
  if (!valid(when)) return unknown;
  const today = new Date(when).toDateString() === new Date().toDateString();
  return (today ? '' : day(when) + ' ') + clock(when, withZone);
}

export const zone = () => new Date().toLocaleTimeString('en-GB', { timeZoneName: 'short' }).split(' ').pop()!;

export const alertPath = (id: string) => '/alerts/' + encodeURIComponent(id);
