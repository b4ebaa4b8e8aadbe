// What the page knows, in signals: where it is, the list, the stream, the pipeline's figures, and what follows from them.
import { batch, computed, effect, signal, untracked } from '@preact/signals';
import { Alerts } from './alerts';
import type { Found, Pipeline, Status } from './api';
import { type Filter, filterOf, listPath, queryOf } from './filter';
import { number, plural } from './format';
import { get } from './http';
import { Stream } from './stream';

export const now = signal(Date.now());            // moves on each second
export const nowRoughly = signal(now.value);       // moves on every ten seconds, for what is told in minutes
export const paused = signal(false);
export const cursor = signal<string | null>(null); // the id of the row that the keyboard is at
export const typing = signal('');                  // what is in the filter's box
export const found = signal<Found | null>(null);   // the alert that its page shows
export const said = signal('');                    // for screen readers

export const alerts = new Alerts();
export const stream = new Stream(row => alerts.add(row), () => void alerts.load());

// ── where it is ──

export type View = { name: 'live' } | { name: 'pipeline' } | { name: 'alert'; id: string };

const path = signal(location.pathname);
export const moves = signal(0);          // how often the reader has gone on; the first view takes no focus
let before: View['name'] | null = null;  // the view that was there before this one

export const cameFromAlert = () => before === 'alert';

export const view = computed<View>(() => {
  const [, first, id] = path.value.split('/');
  return first === 'alerts' ? { name: 'alert', id: decoded(id ?? '') } : first === 'pipeline' ? { name: 'pipeline' } : { name: 'live' };
});

function decoded(text: string): string {
  try { return decodeURIComponent(text); } catch { return text; }
}

export function open(to: string): void {
  history.pushState(null, '', to);
  arrive();
}

// arrive reads the URL, after it has changed.
function arrive(): void {
  batch(() => {
    before = view.value.name;
    path.value = location.pathname;
    moves.value++;
    if (view.value.name === 'alert') cursor.value = view.value.id;
    if (view.value.name === 'live') follow(filterOf(location.search));
  });
}

// follow makes the URL's filter the list's.
function follow(filter: Filter): void {
  const changed = queryOf(filter) !== queryOf(alerts.filter.value);
  alerts.filter.value = filter;
  typing.value = filter.q;
  if (changed) void alerts.load();
}

// setFilter puts the filter into the URL, which is where it lives. What is being typed is left to the reader's hand.
export function setFilter(filter: Filter, whileTyping = false): void {
  history.replaceState(null, '', listPath(filter));
  batch(() => {
    alerts.filter.value = filterOf(location.search);
    if (!whileTyping) typing.value = alerts.filter.value.q;
  });
  void alerts.load();
}

// neighbour is the alert so many rows below the one that is shown, if the list has it.
export function neighbour(step: number): string | undefined {
  const rows = alerts.rows.value, at = view.value.name === 'alert' ? rows.findIndex(r => r.id === cursor.value) : -1;
  return at < 0 ? undefined : rows[at + step]?.id;
}

function followLinks(e: MouseEvent): void {
  const a = e.target instanceof Element ? e.target.closest<HTMLAnchorElement>('a[href^="/"]') : null;
  if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey || a.target) return;
  e.preventDefault();
  open(a.getAttribute('href')!);
}

export function pause(): void {
  paused.value = !paused.value;
  if (!paused.value) alerts.release();
}

// ── the pipeline's figures ──

const status = signal<{ at: number; answer: Status } | null>(null);
const behindAfter = 5; // seconds of lag that make a partition behind
const freshFor = 10_000;

// fresh is what the server says of itself, as long as that is true.
export const fresh = computed<Status | null>(() => {
  if (!status.value || stream.state.value === 'reconnecting' || now.value - status.value.at > freshFor) return null;
  return status.value.answer;
});

export function worstLag(p: Pick<Pipeline, 'partitions'> | null | undefined) {
  return (p?.partitions ?? []).reduce((a, b) => (b.lag_seconds ?? -1) > (a?.lag_seconds ?? -1) ? b : a, p?.partitions?.[0]);
}
export const isBehind = (p: { lag_seconds: number | null } | undefined) => (p?.lag_seconds ?? 0) > behindAfter;

async function poll(): Promise<void> {
  try {
    const answer = await get<Status>('/api/v1/status');
    status.value = { at: Date.now(), answer };
  } catch { /* the figures become unknown when they are old */ }
  setTimeout(() => void poll(), document.hidden ? 10_000 : 2000);
}

// ── what the window shows of it ──

const app = computed(() => status.value?.answer.app ?? 'insolite');

function title(): string {
  const v = view.value, waiting = alerts.waiting.value.length;
  if (v.name === 'pipeline') return `Pipeline · ${app.value}`;
  if (v.name === 'live') return `${waiting ? `(${number(waiting)}) ` : ''}Live alerts · ${app.value}`;
  return found.value?.alert.id === v.id ? `${found.value.alert.summary} · ${app.value}` : document.title;
}

let saidAt = 0;
function announce(text: string): void {
  if (Date.now() - saidAt < 5000) return; // a count now and then, never row by row
  saidAt = Date.now();
  said.value = text;
}

function tick(): void {
  batch(() => {
    now.value = Date.now();
    if (now.value - nowRoughly.value >= 10_000) nowRoughly.value = now.value;
  });
}

// start begins everything that goes on by itself.
export async function start(): Promise<void> {
  alerts.tell = (what, n) => announce(plural(n, 'new alert') + (what === 'waiting' ? ' waiting' : ''));
  alerts.filter.value = filterOf(view.value.name === 'live' ? location.search : '');
  typing.value = alerts.filter.value.q;
  if (view.value.name === 'alert') cursor.value = view.value.id;
  effect(() => { document.title = title(); });
  effect(() => { // the keyboard is always at some row
    const rows = alerts.rows.value;
    if (view.value.name === 'live' && !rows.some(r => r.id === cursor.value)) cursor.value = rows[0]?.id ?? null;
  });
  effect(() => { // a list that could not be had is asked for when the server is back
    if (stream.state.value === 'live') untracked(() => { if (alerts.error.value || !alerts.loaded.value) void alerts.load(); });
  });
  addEventListener('popstate', arrive);
  document.addEventListener('click', followLinks);
  setInterval(tick, 1000);
  setInterval(() => { if (!document.hidden) alerts.recount(); }, 30_000); // the last hour moves on without alerts too
  void poll();
  await alerts.load();
  stream.start(() => alerts.stream);
}
