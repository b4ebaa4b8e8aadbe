// The page: its parts, the way between them, and the keys.
import { number, plural, refreshAges, seconds } from './dom.js';
import { Alerts, filterOf, get, queryOf } from './model.js';
import { Stream } from './stream.js';
import { Live } from './live.js';
import { drawAlert } from './alert.js';
import { drawPipeline, isBehind, worstLag } from './pipeline.js';

const $ = id => document.getElementById(id);
const main = $('main');
let status = null, statusAt = 0, view = '', paused = false, app = 'insolite';

const alerts = new Alerts((what, rows) => {
  if (view === 'live') live.update(what, rows);
  $('badge').textContent = number(alerts.total);
  $('badge').hidden = !alerts.loaded || !alerts.total;
  if (what === 'waiting') announce(`${plural(alerts.waiting.length, 'new alert')} waiting`);
  if (what === 'new') announce(plural(rows.length, 'new alert'));
  setTitle();
});

const stream = new Stream({
  onAlert: row => alerts.add(row),
  onReset: () => alerts.load(),
  onState: () => {
    if (stream.state === 'live' && (alerts.error || !alerts.loaded)) alerts.load();
    drawState();
    if (view === 'live') live.drawFrame();
  },
});

const page = {
  alerts, stream, open,
  status: () => status,
  get paused() { return paused; },
  pause() {
    paused = !paused;
    if (!paused) alerts.release();
    drawState();
    live.drawFrame();
  },
  // setFilter puts the filter into the URL, which is where it lives.
  setFilter(filter) {
    history.replaceState(null, '', listPath(filter ?? filterOf('')));
    alerts.filter = filterOf(location.search);
    live.input.value = alerts.filter.q;
    live.drawChips();
    alerts.load();
  },
  listPath: () => listPath(alerts.filter),
};
const live = new Live(page);

// New rows wait while the reader's hand or eye is in the list.
alerts.held = () => paused || view === 'live' && (scrollY > 8 || selected() || live.rows.contains(document.activeElement));
const selected = () => { const s = getSelection(); return !s.isCollapsed && live.rows.contains(s.anchorNode); };

function listPath(filter) {
  const query = queryOf(filter);
  return query ? '/?' + query : '/';
}

// ── the way between the parts ──

function open(path) {
  history.pushState(null, '', path);
  route(true);
}

async function route(moved) {
  const [, first, id] = location.pathname.split('/');
  const was = view;
  view = first === 'alerts' ? 'alert' : first === 'pipeline' ? 'pipeline' : 'live';
  for (const a of document.querySelectorAll('.nav a')) a.dataset.nav === (view === 'alert' ? 'live' : view) ? a.setAttribute('aria-current', 'page') : a.removeAttribute('aria-current');
  main.className = view === 'live' ? '' : 'page';
  setTitle();
  if (view === 'live') showLive(was);
  else if (view === 'pipeline') drawPipeline(main, fresh());
  else await showAlert(decodeURIComponent(id ?? ''));
  if (moved && view !== 'live') { scrollTo(0, 0); main.focus({ preventScroll: true }); }
}

function showLive(was) {
  const filter = filterOf(location.search), changed = queryOf(filter) !== queryOf(alerts.filter);
  alerts.filter = filter;
  if (was !== 'live') main.replaceChildren(live.root);
  live.input.value = filter.q;
  if (changed && alerts.loaded) alerts.load();
  else if (was !== 'live') live.update('list');
  if (was === 'alert') { const row = live.find(live.cursor); row?.scrollIntoView({ block: 'center' }); row?.querySelector('.say').focus({ preventScroll: true }); }
}

async function showAlert(id) {
  live.cursor = id;
  const path = location.pathname;
  const a = await drawAlert(main, id, page, () => location.pathname === path);
  if (a) document.title = `${a.summary} · ${app}`;
}

function setTitle() {
  if (view === 'alert') return;
  const waiting = alerts.waiting.length ? `(${number(alerts.waiting.length)}) ` : '';
  document.title = view === 'pipeline' ? `Pipeline · ${app}` : `${waiting}Live alerts · ${app}`;
}

document.addEventListener('click', e => {
  const a = e.target.closest('a[href^="/"]');
  if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey || a.target) return;
  e.preventDefault();
  open(a.getAttribute('href'));
});
addEventListener('popstate', () => route(true));

// ── the bar ──

const fresh = () => stream.state !== 'reconnecting' && Date.now() - statusAt < 10_000 ? status : null;

function drawState() {
  const [text, pip] = { connecting: ['Connecting', 'off'], live: paused ? ['Paused', 'paused'] : ['Live', ''], stale: ['Stale', 'paused'], reconnecting: ['Reconnecting', 'off'] }[stream.state];
  if ($('state').textContent !== text) $('state').textContent = text;
  $('pip').className = 'pip ' + pip;
  drawFigures();
}

async function poll() {
  try {
    status = await get('/api/v1/status');
    statusAt = Date.now();
    app = status.app;
  } catch { /* the figures become unknown when they are old */ }
  drawFigures();
  if (view === 'pipeline') drawPipeline(main, fresh());
  if (view === 'live') live.drawEmpty();
  setTimeout(poll, document.hidden ? 10_000 : 2000);
}

function drawFigures() {
  const p = fresh()?.pipeline, worst = worstLag(p);
  $('rate').textContent = number(p?.events_per_second);
  $('lag').textContent = seconds(worst?.lag_seconds).join(' ').trim();
  $('lagicon').toggleAttribute('hidden', !isBehind(worst));
}

let said = 0;
function announce(text) {
  if (Date.now() - said < 5000) return; // a count now and then, never row by row
  said = Date.now();
  $('announce').textContent = text;
}

const themes = ['', 'dark', 'light'];
function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
  $('theme').title = `Theme: ${theme || 'follows the system'}`;
  try { localStorage.setItem('theme', theme); } catch { /* private mode */ }
}
$('theme').addEventListener('click', () => setTheme(themes[(themes.indexOf(document.documentElement.dataset.theme ?? '') + 1) % 3]));
try { setTheme(localStorage.getItem('theme') ?? ''); } catch { /* private mode */ }

// ── the keys ──

$('help').addEventListener('click', () => $('keys').showModal());
$('keys-done').addEventListener('click', () => $('keys').close());

const keys = {
  j: () => view === 'live' ? live.move(1) : main.querySelector('[data-step="1"]')?.click(),
  k: () => view === 'live' ? live.move(-1) : main.querySelector('[data-step="-1"]')?.click(),
  o: () => view === 'live' && live.cursor && open('/alerts/' + encodeURIComponent(live.cursor)),
  p: () => view === 'live' && page.pause(),
  u: () => view !== 'live' && open(page.listPath()),
  '.': () => view === 'live' && live.release(),
  '/': () => view === 'live' && live.input.focus(),
  '?': () => $('keys').showModal(),
  Escape: () => view === 'live' && document.activeElement?.blur(),
};
document.addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || !keys[e.key] || document.querySelector('dialog[open]') || e.target.closest?.('input, textarea')) return;
  if (e.key !== 'Escape') e.preventDefault();
  keys[e.key]();
});

setInterval(() => refreshAges(), 1000);
setInterval(() => document.hidden || alerts.recount(), 30_000); // the last hour moves on without alerts too
alerts.filter = filterOf(location.pathname === '/' ? location.search : '');
drawState();
poll();
await alerts.load();
await route(false);
stream.start(alerts.stream ?? '');
