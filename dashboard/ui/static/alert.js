// One alert: the sentence, and everything that proves it.
import { clock, el, icon, number, position, severity, since, stamp, unknown, value, zone } from './dom.js';
import { get } from './model.js';
import { gaugeRow } from './operand.js';

const card = (title, label, ...body) => el('section.card', null, el('header', null, el('h2', null, title), label && el('span.label', null, label)), ...body);
const table = (name, heads, rows) => el('.tbl', { tabindex: '0', role: 'region', 'aria-label': name }, el('table', null,
  el('thead', null, el('tr', null, heads.map(h => el(h.endsWith('#') ? 'th.num' : 'th', { scope: 'col' }, h.replace('#', ''))))), el('tbody', null, rows)));

// drawAlert gets the alert and fills root with it, its neighbours in the list and what else its key had; unless the reader has gone on
// meanwhile, which current tells.
export async function drawAlert(root, id, page, current) {
  let found;
  try {
    found = await get('/api/v1/alerts/' + encodeURIComponent(id));
  } catch (err) {
    if (!current()) return null;
    root.replaceChildren(crumbs(id, page), el('.card.empty', null, el('h1', null, err.status === 404 ? 'This alert is not kept here' : 'The alert could not be loaded'),
      el('p', null, `${err.message}. ${err.cure ?? ''}`), el('a.btn', { href: page.listPath() }, 'Back to the list')));
    return null;
  }
  if (!current()) return null;
  const a = found.alert, at = a.rule.severity;
  root.replaceChildren(crumbs(id, page), el('h1.title', null, a.summary), facts(a, found),
    el('.two', null,
      el('.alert-grid', null, el('', null, why(a)), el('', null, features(a), theEvent(a, found), evidence(a))),
      el('', null, about(a, found), el('section.card', { id: 'related', hidden: true }))));
  root.querySelector('#why').classList.add('s-' + (['critical', 'high', 'medium', 'low'].includes(at) ? at : 'info'));
  related(root.querySelector('#related'), a, found.key_text);
  return a;
}

function crumbs(id, page) {
  const rows = page.alerts.rows, i = rows.findIndex(r => r.id === id);
  const step = (by, label, name, key) => el('a.icon-btn', { href: rows[i + by] ? '/alerts/' + encodeURIComponent(rows[i + by].id) : null, 'aria-label': label, title: `${label} (${key})`, 'data-step': by }, icon(name));
  return el('nav.crumbs', { 'aria-label': 'Place' }, el('a.link', { href: page.listPath(), 'data-up': true }, 'Alerts'), el('span', null, '/'), el('span', null, i < 0 ? id.slice(0, 8) : `${number(i + 1)} of ${number(Math.max(page.alerts.total, rows.length))}`),
    i >= 0 && el('span.pager', null, i > 0 && [el('kbd.only-wide', null, 'k'), step(-1, 'Previous alert', 'up', 'k')], i < rows.length - 1 && [step(1, 'Next alert', 'down', 'j'), el('kbd.only-wide', null, 'j')]));
}

function facts(a, found) {
  const key = Object.entries(a.key);
  return el('.facts', null, severity(a.rule.severity, true), el('span.tag', null, a.state), a.rule.mode !== 'live' && el('span.tag.warn', null, a.rule.mode),
    el('span', { title: a.at }, `${stamp(a.at, true)}, `, el('span', null, since(a.at), ' ago')),
    el('span', null, el('span.label', null, 'rule'), el('a.link', { href: '/?rule=' + encodeURIComponent(a.rule.id) }, a.rule.id), el('span.mono.dim', { title: 'version' }, a.rule.version.slice(0, 6))),
    key.map(([name, v]) => el('span', null, el('span.label', null, name), el('a.link', { href: '/?key=' + encodeURIComponent(found.key_text) }, value(v)))),
    a.suppressed > 0 && el('span', null, `${number(a.suppressed)} more held back`));
}

function why(a) {
  const because = a.condition.because ?? [];
  const label = because.length > 1 ? `${because.length === 2 ? 'both' : `all ${because.length}`} hold` : '';
  const section = card('Why it fired', label, el('.body', { id: 'why' }, el('.cond', { tabindex: '0' }, a.condition.text), because.map(gaugeRow)));
  return section;
}

function features(a) {
  const rows = Object.entries(a.context ?? {}).map(([name, f]) => el('tr', null, el('td.b', null, name), el('td.num', null, value(f.value)), el('td.mid', null, f.agg), el('td.num', null, number(f.samples)),
    el('td.mid', null, f.window), el('td.mid', { title: `${f.from ?? 'open'} – ${f.to ?? 'open'}` }, `${edge(f.from)} – ${edge(f.to)}`)));
  if (!rows.length) return null;
  return card('Features at that moment', '', table('Features', ['Feature', 'Value#', 'Aggregate', 'Samples#', 'Window', `From – to (${zone()})`], rows));
}
const edge = when => when ? stamp(when) : 'open';

function theEvent(a, found) {
  const copy = el('button.btn.quiet.copy', { onclick: async () => {
    try { await navigator.clipboard.writeText(found.event_text); say('Copied'); } catch { say('The browser does not allow it'); }
  } }, icon('copy'), 'Copy');
  const say = text => copy.replaceChildren(icon('copy'), text);
  return el('section.card', null, el('header', null, el('h2', null, 'The event'), position(a.position), copy), el('.body', null, el('pre.json', { tabindex: '0' }, ...coloured(found.event_text, a))));
}

// coloured splits JSON text into tokens; a value of the condition is marked.
function coloured(text, a) {
  const marks = new Set((a.condition.because ?? []).filter(o => typeof o.value !== 'boolean' && o.value != null).map(o => value(o.value)));
  const kind = { '"': 's', '{': 'p', '}': 'p', '[': 'p', ']': 'p' };
  return [...text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]|[^"{}[\]\s,:]+|[\s,:]+/gs)].flatMap(([all, string, colon]) => {
    if (string) return colon ? [el('span.k', null, string), colon] : [el(marks.has(string.slice(1, -1)) ? 'mark' : 'span.s', null, string)];
    if (/^[\s,:]+$/.test(all)) return [all];
    if (kind[all]) return [el('span.p', null, all)];
    return [marks.has(value(Number(all))) ? el('mark', null, all) : el('span.n', null, all)];
  });
}

function evidence(a) {
  const rows = (a.evidence ?? []).map(e => el('tr', null, el('td', null, position(e)), el('td.mid', { title: e.at }, stamp(e.at))));
  return rows.length ? card('Evidence', `${rows.length} contributing ${rows.length === 1 ? 'event' : 'events'}`, table('Evidence', ['Position', `At (${zone()})`], rows)) : null;
}

function about(a, found) {
  const kv = (name, ...v) => [el('dt', null, name), el('dd.trunc', { title: v.every(x => typeof x === 'string') ? v.join('') : null }, ...v)];
  const links = Object.entries(a.links ?? {}).map(([name, url]) => kv('Link', safe(url) ? el('a.link', { href: url, rel: 'noopener noreferrer', target: '_blank' }, name) : `${name}: ${value(url)}`));
  return card('About', '', el('.body', null, el('dl.kv', null, kv('Rule', a.rule.title || a.rule.id), kv('Version', el('span.mono', null, a.rule.version)), kv('Mode', a.rule.mode), kv('Tags', (a.rule.tags ?? []).join(', ') || unknown), kv('Source', a.source),
    kv('Emitted', el('span', { title: found.emitted }, clock(found.emitted, true))), kv('Held back', number(a.suppressed)), kv('On the alerts topic', `${number(found.partition)} @ ${number(found.offset)}`), kv('Id', el('span.mono', { title: a.id }, a.id)), links)));
}

const safe = url => { try { return ['https:', 'http:'].includes(new URL(url).protocol); } catch { return false; } };

async function related(root, a, key) {
  let list;
  try { list = await get(`/api/v1/alerts?limit=7&key=${encodeURIComponent(key)}`); } catch { return; }
  const others = list.alerts.filter(r => r.id !== a.id).slice(0, 6);
  if (!others.length) return;
  root.replaceChildren(el('header', null, el('h2', null, 'Related'), el('span.label', null, 'same key, newest first')), el('.body', null, el('ul.mini', null, others.map(r => el('li', null, severity(r.rule.severity),
    el('span', null, el('a.rowlink', { href: '/alerts/' + encodeURIComponent(r.id) }, r.summary), el('small', null, r.rule.id)), since(r.at, '.dim'))))));
  root.hidden = false;
}
