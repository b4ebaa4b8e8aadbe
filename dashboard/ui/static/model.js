// The list of alerts as the page knows it, and the filter that the URL holds.

export const facetNames = ['severity', 'rule', 'key', 'source'];
const pageSize = 100;
const rowsMax = 1000;  // in the page; older ones are loaded again by "Show older"

export async function get(path) {
  const answer = await fetch(path, { cache: 'no-store' });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(body.error?.message ?? `the server answered ${answer.status}`), { cure: body.error?.cure, status: answer.status });
  return body;
}

// A filter is {severity: […], rule: […], key: […], source: […], q: ''}.
export function filterOf(search) {
  const query = new URLSearchParams(search);
  const filter = { q: query.get('q') ?? '' };
  for (const name of facetNames) filter[name] = [...new Set(query.getAll(name).filter(Boolean))];
  return filter;
}

export function queryOf(filter) {
  const pairs = facetNames.flatMap(name => filter[name].map(v => [name, v]));
  if (filter.q) pairs.push(['q', filter.q]);
  return new URLSearchParams(pairs).toString();
}

export const isEmpty = filter => queryOf(filter) === '';

// matches decides as the server does, for alerts that come by the stream.
export function matches(filter, row) {
  const facets = { severity: [row.rule.severity], rule: [row.rule.id], key: [row.key_text, ...Object.values(row.key).map(v => typeof v === 'string' ? v : JSON.stringify(v))], source: [row.source] };
  if (!facetNames.every(name => !filter[name].length || filter[name].some(v => facets[name].includes(v)))) return false;
  const q = filter.q.trim().toLowerCase();
  return !q || [row.summary, row.rule.id, row.rule.title, row.rule.severity, row.key_text, row.source, row.state, ...(row.rule.tags ?? [])].join('\n').toLowerCase().includes(q);
}

// Alerts holds the rows, newest first, and those that wait while the list is held. It calls changed(what) with "list" when everything may
// be different, "new" with the rows that came on top, "older" with those that came below, "waiting" or "counts".
export class Alerts {
  constructor(changed) {
    Object.assign(this, { changed, filter: filterOf(''), rows: [], waiting: [], facets: {}, hour: null, total: 0, kept: 0, keptMax: 0, more: false, loaded: false, overflowed: false, error: null, held: () => false });
    this.seen = new Set();
    this.request = 0;
  }

  // load gets the list anew. What the stream brings meanwhile is added to it when it is there.
  async load() {
    const request = ++this.request;
    this.meanwhile = [];
    try {
      const list = await get(`/api/v1/alerts?limit=${pageSize}&${queryOf(this.filter)}`);
      if (request !== this.request) return;
      this.error = null;
      this.take(list);
      this.rows = list.alerts;
      this.seen = new Set(this.rows.map(r => r.id));
      this.waiting = [];
      this.overflowed = false;
      this.more = list.more;
      this.loaded = true;
      this.stream = list.stream;
      const late = this.meanwhile;
      this.meanwhile = null;
      this.changed('list');
      late.forEach(row => this.add(row));
    } catch (err) {
      if (request !== this.request) return;
      this.meanwhile = null;
      this.error = err;
      this.changed('list');
    }
  }

  take(list) {
    Object.assign(this, { facets: list.facets, hour: list.hour, total: list.total, kept: list.kept, keptMax: list.kept_max });
  }

  // add takes an alert from the stream.
  add(row) {
    this.meanwhile?.push(row);
    this.recount();
    if (!matches(this.filter, row) || this.seen.has(row.id)) return;
    this.seen.add(row.id);
    this.total++; // until the counts are asked for again
    if (this.held()) {
      this.waiting.unshift(row);
      if (this.waiting.length > rowsMax) { this.waiting.pop(); this.overflowed = true; }
      this.changed('waiting');
      return;
    }
    this.show([row]);
  }

  show(rows) {
    this.rows.unshift(...rows);
    for (const gone of this.rows.splice(rowsMax)) { this.seen.delete(gone.id); this.more = true; }
    this.changed('new', rows);
  }

  // release shows what waits.
  release() {
    if (this.overflowed) return this.load();
    const rows = this.waiting;
    this.waiting = [];
    if (rows.length) this.show(rows);
  }

  async older() {
    const last = this.rows.at(-1), request = this.request;
    const list = await get(`/api/v1/alerts?limit=${pageSize}&before=${last.seq}&${queryOf(this.filter)}`);
    if (request !== this.request) return;
    this.take(list);
    const rows = list.alerts.filter(r => !this.seen.has(r.id));
    rows.forEach(r => this.seen.add(r.id));
    this.rows.push(...rows);
    this.more = list.more;
    this.changed('older', rows);
  }

  // recount asks for the counts again, at most every two seconds.
  recount() {
    this.timer ??= setTimeout(async () => {
      this.timer = null;
      const request = this.request;
      try {
        const list = await get(`/api/v1/alerts?limit=0&${queryOf(this.filter)}`);
        if (request === this.request) { this.take(list); this.changed('counts'); }
      } catch { /* the stream says that the server is away */ }
    }, 2000);
  }
}
