// The list of alerts as the page knows it.
import { batch, signal } from '@preact/signals';
import type { Facets, Hour, List, Row } from './api';
import { type Filter, filterOf, matches, queryOf } from './filter';
import { asRefused, get, type Refused } from './http';

const pageSize = 100;
const rowsMax = 1000;  // in the page; older ones are loaded again by "Show older"

export const noFacets: Facets = { severity: {}, rule: {}, key: {}, source: {} };

// Alerts holds the rows, newest first, and those that wait while the list is held.
export class Alerts {
  readonly filter = signal<Filter>(filterOf(''));
  readonly rows = signal<readonly Row[]>([]);
  readonly waiting = signal<readonly Row[]>([]);
  readonly facets = signal(noFacets);
  readonly hour = signal<Hour | null>(null);
  readonly total = signal(0);   // how many match
  readonly kept = signal(0);    // how many the server keeps
  readonly keptMax = signal(0);
  readonly more = signal(false);
  readonly loaded = signal(false);
  readonly error = signal<Refused | null>(null);

  held = () => false;                              // whether new rows wait
  tell: (text: 'new' | 'waiting', n: number) => void = () => {};
  stream = '';                                     // the id after which the stream continues the list
  arrived = new Set<string>();                     // by id: rows that came while the list was looked at
  private seen = new Set<string>();                // by id: rows that are shown or wait
  private meanwhile: Row[] | null = null;          // came by the stream while the list was on its way
  private overflowed = false;                      // more waited than are kept
  private request = 0;
  private timer = 0;

  // load gets the list anew. What the stream brings meanwhile is added to it when it is there.
  async load(): Promise<void> {
    const request = ++this.request;
    this.meanwhile = [];
    try {
      const list = await this.ask(`limit=${pageSize}`);
      if (request !== this.request) return;
      const late = this.meanwhile;
      this.meanwhile = null;
      batch(() => {
        this.replace(list);
        late.forEach(row => this.add(row));
      });
    } catch (thrown) {
      if (request !== this.request) return;
      this.meanwhile = null;
      this.error.value = asRefused(thrown);
    }
  }

  // add takes an alert from the stream.
  add(row: Row): void {
    this.meanwhile?.push(row);
    this.recount();
    if (!matches(this.filter.value, row) || this.seen.has(row.id)) return;
    this.seen.add(row.id);
    this.total.value++; // until the counts are asked for again
    if (!this.held()) {
      this.show([row]);
      return;
    }
    const waiting = [row, ...this.waiting.value];
    this.overflowed ||= waiting.length > rowsMax;
    this.waiting.value = waiting.slice(0, rowsMax);
    this.tell('waiting', this.waiting.value.length);
  }

  // release shows what waits.
  release(): void {
    if (this.overflowed) {
      void this.load();
      return;
    }
    const rows = this.waiting.value;
    if (!rows.length) return;
    batch(() => {
      this.waiting.value = [];
      this.show(rows);
    });
  }

  // older appends the next page.
  async older(): Promise<void> {
    const last = this.rows.value.at(-1), request = this.request;
    if (!last) return;
    try {
      const list = await this.ask(`limit=${pageSize}&before=${last.seq}`);
      if (request !== this.request) return;
      const rows = list.alerts.filter(r => !this.seen.has(r.id));
      rows.forEach(r => this.seen.add(r.id));
      batch(() => {
        this.count(list);
        this.rows.value = [...this.rows.value, ...rows];
        this.more.value = list.more;
      });
    } catch (thrown) {
      this.error.value = asRefused(thrown);
    }
  }

  // recount asks for the counts again, at most every two seconds.
  recount(): void {
    this.timer ||= window.setTimeout(async () => {
      this.timer = 0;
      const request = this.request;
      try {
        const list = await this.ask('limit=0');
        if (request === this.request) this.count(list);
      } catch { /* the stream says that the server is away */ }
    }, 2000);
  }

  private ask(range: string): Promise<List> { return get<List>(`/api/v1/alerts?${range}&${queryOf(this.filter.value)}`); }

  private replace(list: List): void {
    this.count(list);
    this.error.value = null;
    this.rows.value = list.alerts;
    this.waiting.value = [];
    this.more.value = list.more;
    this.loaded.value = true;
    this.stream = list.stream;
    this.seen = new Set(list.alerts.map(r => r.id));
    this.arrived.clear();
    this.overflowed = false;
  }

  private count(list: List): void {
    batch(() => {
      this.facets.value = list.facets;
      this.hour.value = list.hour;
      this.total.value = list.total;
      this.kept.value = list.kept;
      this.keptMax.value = list.kept_max;
    });
  }

  private show(rows: readonly Row[]): void {
    const all = [...rows, ...this.rows.value], gone = all.splice(rowsMax);
    rows.forEach(r => this.arrived.add(r.id));
    for (const r of gone) {
      this.seen.delete(r.id);
      this.arrived.delete(r.id);
    }
    batch(() => {
      if (gone.length) this.more.value = true;
      this.rows.value = all;
    });
    this.tell('new', rows.length);
  }
}
