// Elements, icons, and how figures and times are written. Text becomes text nodes: what strangers wrote never becomes markup.

const SVG = 'http://www.w3.org/2000/svg';

// el('a.link', {href}, child, …): a tag with classes, attributes, and children that are nodes or text. onclick and such are listeners.
export function el(spec, attributes, ...children) {
  const [tag, ...classes] = spec.split('.');
  const node = document.createElement(tag || 'div');
  if (classes.length) node.className = classes.join(' ');
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value == null) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name.startsWith('--')) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter(c => c != null && c !== false).map(c => c instanceof Node ? c : String(c)));
  return node;
}

// svg makes an element of a drawing, with attributes.
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function use(id, className = '') {
  return svg('svg', { class: className, 'aria-hidden': 'true' }, svg('use', { href: '#' + id }));
}
export const icon = name => use('i-' + name, 'i');

export const severities = ['critical', 'high', 'medium', 'low', 'info'];

// A severity is a shape, then a word, then a colour. An unknown one is drawn as info and keeps its word.
export function severity(name, withWord) {
  const known = severities.includes(name) ? name : 'info';
  const word = name ? name[0].toUpperCase() + name.slice(1) : 'No severity';
  return el('span.sev.' + known, null, use('s-' + known), el(withWord ? 'span' : 'span.sr', null, word));
}

// The mark of an empty state: a grid of dots, one out of place only when a filter hides something.
export function dots(odd) {
  const circles = Array.from({ length: 28 }, (_, i) => {
    const away = odd && i === 18;
    return svg('circle', { cx: 6 + i % 7 * 14 + (away ? 4 : 0), cy: 6 + Math.floor(i / 7) * 14 - (away ? 4 : 0), r: away ? 4 : 2.5, fill: away ? 'var(--accent)' : 'var(--line-2)' });
  });
  return svg('svg', { class: 'dots', viewBox: '0 0 96 56', 'aria-hidden': 'true' }, ...circles);
}

export const unknown = '–';

// number writes at most so many decimals, with a thousands comma and a true minus.
export function number(n, decimals = 0, atLeast = 0) {
  if (n == null) return unknown;
  return n.toLocaleString('en-GB', { maximumFractionDigits: decimals, minimumFractionDigits: atLeast }).replace('-', '−');
}

// value writes any JSON value; a number keeps what can be told apart.
export function value(v) {
  if (v == null) return unknown;
  if (typeof v === 'number') return number(v, Math.abs(v) < 1 ? 6 : 3);
  return typeof v === 'string' ? v : JSON.stringify(v);
}

export function bytes(n) {
  if (n == null) return [unknown, ''];
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return [number(n, n < 10 && i ? 1 : 0), units[i]];
}

export const plural = (n, one, many = one + 's') => `${number(n)} ${n === 1 ? one : many}`;

export function age(when) {
  const s = Math.max(0, Math.floor((Date.now() - new Date(when)) / 1000));
  if (Number.isNaN(s)) return unknown;
  return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 86400 ? `${Math.floor(s / 3600)} h` : `${number(Math.floor(s / 86400))} d`;
}

// seconds writes a duration in the unit that a reader would say.
export function seconds(s) {
  if (s == null) return [unknown, ''];
  return s < 120 ? [number(s, 1, 1), 's'] : s < 7200 ? [number(s / 60), 'min'] : s < 172800 ? [number(s / 3600), 'h'] : [number(s / 86400), 'd'];
}

const day = when => new Date(when).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: new Date(when).getFullYear() === new Date().getFullYear() ? undefined : 'numeric' });
export const valid = when => when != null && !Number.isNaN(+new Date(when));
export const clock = (when, zone) => valid(when) ? new Date(when).toLocaleTimeString('en-GB', { timeZoneName: zone ? 'short' : undefined }) : unknown;
export function stamp(when, zone) {
  if (!valid(when)) return unknown;
  const today = new Date(when).toDateString() === new Date().toDateString();
  return (today ? '' : day(when) + ' ') + clock(when, zone);
}
export const zone = () => new Date().toLocaleTimeString('en-GB', { timeZoneName: 'short' }).split(' ').pop();

// position writes where a record lies: payments / 7 @ 18,442,907.
export function position(p) {
  const dim = text => el('span.dim', null, text);
  return el('span.mono', null, p.topic, dim(' / '), number(p.partition), dim(' @ '), number(p.offset));
}

// A time whose age is kept current by refreshAges.
export const since = (when, className = '') => el('time' + className, { 'data-at': when, datetime: when, title: stamp(when, true) }, age(when));
export function refreshAges(root = document) {
  for (const t of root.querySelectorAll('time[data-at]')) {
    const text = age(t.dataset.at);
    if (t.textContent !== text) t.textContent = text;
  }
}
