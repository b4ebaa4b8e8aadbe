// The pipeline: what comes in, what is behind, what was put aside, what the rules did.
import { bytes, el, icon, number, plural, seconds, severity, since, unknown } from './dom.js';

const behindAfter = 5; // seconds of lag that make a partition behind

const card = (title, label, ...body) => el('section.card', null, el('header', null, el('h2', null, title), el('span.label', null, label)), ...body);
const unit = ([n, u]) => u ? [n, ' ', el('span.u', null, u)] : [n];
const cell = (spec, ...c) => el('td' + spec, null, ...c);
const heads = names => el('thead', null, el('tr', null, names.map(h => el(h.endsWith('#') ? 'th.num' : 'th', { scope: 'col' }, h.startsWith('!') ? el('span.sr', null, h.slice(1)) : h.replace('#', '')))));

export const worstLag = p => (p?.partitions ?? []).reduce((a, b) => (b.lag_seconds ?? -1) > (a?.lag_seconds ?? -1) ? b : a, null);
export const isBehind = p => (p?.lag_seconds ?? 0) > behindAfter;

// drawPipeline fills root from /api/v1/status, or says that it is not known.
export function drawPipeline(root, status) {
  if (!status) {
    root.replaceChildren(el('.page-head', null, el('.grow', null, el('h1', null, 'Pipeline'), el('p', null, 'Its figures are not known: the server does not answer. They appear here as soon as it does.'))));
    return;
  }
  const p = status.pipeline, scroll = [...root.querySelectorAll('.tbl')].map(t => t.scrollLeft);
  const focused = [...root.querySelectorAll('.tbl')].indexOf(document.activeElement);
  root.replaceChildren(el('.page-head', null, el('.grow', null, el('h1', null, 'Pipeline'), el('p', { id: 'finding' }, finding(p)))),
    ...(p.problems ?? []).map(text => el('.banner', null, icon('warn'), el('span', null, text))), tiles(status),
    el('.two', null, el('', null, partitions(p.partitions ?? []), rules(p.rules ?? [])), el('', null, deadLetters(p.dead_letters ?? []), page(status))));
  root.querySelectorAll('.tbl').forEach((t, i) => { t.scrollLeft = scroll[i] ?? 0; if (i === focused) t.focus({ preventScroll: true }); });
}

function finding(p) {
  const behind = (p.partitions ?? []).filter(isBehind), worst = worstLag(p), known = (p.partitions ?? []).filter(x => x.lag_seconds != null).length;
  if (behind.length) {
    return `${behind.length === 1 ? 'One partition is' : `${number(behind.length)} partitions are`} behind: ${worst.topic} / ${worst.partition}${behind.length > 1 ? ' most' : ''}, by ${seconds(worst.lag_seconds).join(' ')}.`;
  }
  if (!p.partitions?.length) return 'No input topic is read yet. Check sources in insolite.yaml, and that their topics exist.';
  return known ? `${number(known)} of ${plural(p.partitions.length, 'partition')} known, none of them behind.` : 'The lag of no partition is known yet.';
}

function tiles(status) {
  const p = status.pipeline, parts = p.partitions ?? [], worst = worstLag(p), s = p.state ?? {};
  const sum = (list, f) => list.some(x => f(x) != null) ? list.reduce((n, x) => n + (f(x) ?? 0), 0) : null;
  const most = f => parts.reduce((n, x) => f(x) == null ? n : Math.max(n ?? 0, f(x)), null);
  const tile = (label, [n, u], sub) => el('.tile', { role: 'listitem' }, el('span.label', null, label), el('span.big', null, n, u ? [' ', el('small', null, u)] : ''), el('span.sub', null, sub ?? ''));
  const late = sum(parts, x => x.late), dead = (p.dead_letters ?? []).reduce((n, d) => n + d.count, 0), lag = sum(parts, x => x.lag);
  const lagText = lag == null ? unknown : plural(lag, 'record');
  return el('.tiles', { role: 'list' },
    tile('Events in', [number(p.events_per_second), p.events_per_second == null ? '' : '/s'], plural(new Set(parts.map(x => x.topic)).size, 'topic')),
    tile('Lag', seconds(worst?.lag_seconds), isBehind(worst) ? el('span.warned', null, icon('warn'), lagText) : lagText),
    tile('Watermark delay', seconds(most(x => x.watermark_delay_seconds)), 'the slowest task'),
    tile('Late', [number(late), ''], 'since the start'),
    tile('Dead letters', [number(dead), ''], 'since the start'),
    tile('State', bytes(s.bytes), s.bytes != null && s.bytes_max ? `${number(s.bytes / s.bytes_max * 100)} % of ${bytes(s.bytes_max).join(' ')}` : plural(s.keys, 'key')),
    tile('Checkpoint age', seconds(s.checkpoint_age_seconds), s.keys == null ? '' : plural(s.keys, 'key')),
    tile('Alerts', [number(status.page.published), ''], 'since the start'));
}

function partitions(parts) {
  const worst = worstLag({ partitions: parts })?.lag_seconds || 1;
  const sorted = [...parts].sort((a, b) => (b.lag_seconds ?? -1) - (a.lag_seconds ?? -1) || a.topic.localeCompare(b.topic) || a.partition - b.partition);
  const zero = n => n === 0 ? '.num.dim' : '.num';
  const rows = sorted.map(x => {
    const behind = isBehind(x);
    const bar = el('span.lagbar' + (behind ? '.s-high' : ''), { '--w': x.lag_seconds == null ? '0%' : `${Math.max(0, x.lag_seconds / Math.max(worst, behindAfter)) * 100}%` });
    return el('tr', null, cell('', x.topic, el('span.dim', null, ' / '), number(x.partition)), cell('.mid', x.task || unknown, x.phase && x.phase !== 'running' && [' ', el('span.tag' + (x.phase === 'idle' ? '' : '.warn'), null, x.phase)]),
      cell('.num', number(x.events_per_second, 0)), cell('.num', number(x.end)), cell(zero(x.lag), number(x.lag)), cell(behind ? '.num.b' : '.num', x.lag_seconds != null && bar, el('span.lagn', null, unit(seconds(x.lag_seconds)))),
      cell('.num', ...unit(seconds(x.watermark_delay_seconds))), cell(zero(x.late), number(x.late)));
  });
  return card('Partitions', `${number(parts.length)}, worst first`, el('.tbl', { tabindex: '0', role: 'region', 'aria-label': 'Partitions' },
    el('table', null, heads(['Topic / partition', 'Task', 'Events/s#', 'End offset#', 'Lag, records#', 'Lag, time#', 'Watermark delay#', 'Late#']), el('tbody', null, rows))));
}

function rules(list) {
  const rows = [...list].sort((a, b) => b.alerts - a.alerts || a.id.localeCompare(b.id)).map(r => el('tr', null, cell('.tight', severity(r.severity)), cell('', el('a.link', { href: '/?rule=' + encodeURIComponent(r.id), title: r.title }, r.id), r.mode !== 'live' && [' ', el('span.tag.warn', null, r.mode)]),
    cell('.mid', r.source), cell('.num', number(r.evaluated)), cell('.num', number(r.alerts)), cell(r.suppressed ? '.num' : '.num.dim', number(r.suppressed))));
  return card('Rules', `${number(list.length)}, since the start`, el('.tbl', { tabindex: '0', role: 'region', 'aria-label': 'Rules' },
    el('table', null, heads(['!Severity', 'Rule', 'Source', 'Evaluated#', 'Alerts#', 'Held back#']), el('tbody', null, rows))));
}

function deadLetters(list) {
  const total = list.reduce((n, d) => n + d.count, 0);
  if (!total) return card('Dead letters', 'none', el('.body.mid', null, 'No record had to be put aside since the start.'));
  const rows = [...list].sort((a, b) => b.count - a.count).map(d => el('tr', null, cell('', d.reason), cell('.mid', d.topic), cell('.num', number(d.count)), cell('.num', since(d.last, '.mid'))));
  return card('Dead letters', number(total), el('.tbl', { tabindex: '0', role: 'region', 'aria-label': 'Dead letters' }, el('table', null, heads(['Reason', 'Topic', 'Count#', 'Last#']), el('tbody', null, rows))));
}

function page({ page, alerts }) {
  const kv = (name, ...v) => [el('dt', null, name), el('dd', null, ...v)];
  return card('This page', '', el('.body', null, el('dl.kv', null, kv('Alerts kept', `${number(alerts.kept)} of ${number(alerts.kept_max)}`), kv('Oldest kept', alerts.oldest ? since(alerts.oldest) : unknown), kv('Browsers watching', number(page.clients)),
    kv('Dropped, too slow', number(page.dropped)), kv('Refused, too many', number(page.refused)), kv('Delivered again', number(page.repeated)), kv('Not readable', number(page.malformed)))));
}
