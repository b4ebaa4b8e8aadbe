// The list of alerts with its filter.
import { dots, el, icon, number, plural, severities, severity, since, stamp, unknown } from './dom.js';
import { facetNames, isEmpty, queryOf } from './model.js';
import { rowBar, surprise } from './operand.js';
import { drawStrip } from './strip.js';

const shown = { severity: 5, rule: 7, key: 5, source: 7 };
const titles = { severity: 'Severity', rule: 'Rule', key: 'Entity', source: 'Source' };

// Live draws the list. page has: alerts, status(), stream, open(path), setFilter(filter), paused and pause().
export class Live {
  constructor(page) {
    this.page = page;
    this.cursor = null; // the id of the row that the keyboard is at
    this.expanded = new Set();
    this.input = el('input', { id: 'q', 'aria-label': 'Filter by any text', placeholder: 'Filter: text, rule:…, key:…, severity:…', autocomplete: 'off', spellcheck: 'false', maxlength: '200' });
    this.filterBox = el('.filter', { id: 'filter' }, icon('search'), this.input, el('kbd.only-wide', null, '/'));
    this.pauseButton = el('button.btn', { id: 'pause', onclick: () => page.pause() });
    this.sheetButton = el('button.btn.only-narrow', { id: 'sheet-open', onclick: () => this.openSheet() }, icon('filter'), 'Filters');
    this.banner = el('.banner', { id: 'banner', role: 'alert', hidden: true });
    this.facets = el('aside.facets', { id: 'facets', 'aria-label': 'Facets' });
    this.newbar = el('button.newbar', { id: 'new', hidden: true, onclick: () => this.release() });
    this.total = el('span', { id: 'total' });
    this.cols = el('.list-cols', { 'aria-hidden': 'true' }, el('span'), this.total, el('span', null, 'Key'), el('span.c-rule', null, 'Rule'), el('span', null, 'Against limit'),
      el('span.num.c-cnt', { title: 'Further alerts held back by suppression' }, 'Held'), el('span.num', null, 'Age'));
    this.rows = el('', { id: 'rows', role: 'list' });
    this.older = el('button.older', { id: 'older', hidden: true, onclick: () => this.loadOlder() }, 'Show older');
    this.strip = el('.chart.strip', { id: 'strip' });
    new ResizeObserver(() => this.drawStrip()).observe(this.strip);
    this.list = el('.list', { role: 'region', 'aria-label': 'Alerts, newest first' }, this.newbar, this.cols, this.rows, this.older);
    this.received = el('span.received');
    this.foot = el('.foot', null, ...[['j', 'k', 'move'], ['o', 'open'], ['/', 'filter'], ['p', 'pause'], ['?', 'all keys']].map(keys => el('span', null, keys.map((k, i) => i < keys.length - 1 ? el('kbd', null, k) : k))), this.received);
    this.root = el('.live-page', null, el('h1.sr', null, 'Live alerts'), el('.bar', null, this.filterBox, this.sheetButton, this.pauseButton), this.banner, this.facets, el('.main', null, this.strip, this.list, this.foot));
    this.listen();
  }

  listen() {
    let typing;
    this.input.addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(() => this.typed(false), 250); });
    this.input.addEventListener('keydown', e => {
      const filter = this.page.alerts.filter;
      if (e.key === 'Enter') { clearTimeout(typing); this.typed(true); }
      if (e.key === 'Escape') this.input.blur();
      const name = facetNames.findLast(n => filter[n].length);
      if (e.key === 'Backspace' && !this.input.value && name) this.page.setFilter({ ...filter, [name]: filter[name].slice(0, -1) });
    });
    this.rows.addEventListener('click', e => {
      const row = e.target.closest('.row');
      if (!row || e.target.closest('a') || getSelection().toString()) return;
      this.page.open('/alerts/' + encodeURIComponent(row.dataset.id));
    });
    this.rows.addEventListener('focusin', e => this.setCursor(e.target.closest('.row')?.dataset.id));
  }

  // typed takes the text as the filter; a finished "rule:x" becomes a chip.
  typed(finished) {
    const filter = { ...this.page.alerts.filter }, words = [];
    for (const word of this.input.value.split(/\s+/)) {
      const [, name, text] = /^(severity|rule|key|source):(.+)$/.exec(word) ?? [];
      if (!name || !finished) words.push(word);
      else if (!filter[name].includes(text)) filter[name] = [...filter[name], text];
    }
    filter.q = words.join(' ').trim();
    if (finished) this.input.value = filter.q;
    if (/^(severity|rule|key|source):/.test(filter.q) && !finished) return;
    if (queryOf(filter) !== queryOf(this.page.alerts.filter)) this.page.setFilter(filter);
  }

  // update draws what changed.
  update(what, rows) {
    const { alerts } = this.page;
    if (what === 'list') this.drawList();
    if (what === 'new') {
      this.rows.prepend(...rows.map(r => this.row(r, 'new')));
      while (this.rows.childElementCount > alerts.rows.length) this.rows.lastElementChild.remove();
      this.drawEmpty();
    }
    if (what === 'older') this.rows.append(...rows.map(r => this.row(r)));
    if (what === 'list' || what === 'counts') { this.drawFacets(); this.drawStrip(); }
    if (what === 'new' && !this.cursor) this.setCursor(alerts.rows[0]?.id);
    this.drawFrame();
  }

  drawList() {
    const { alerts } = this.page;
    this.rows.replaceChildren(...alerts.rows.map(r => this.row(r)));
    if (!alerts.rows.some(r => r.id === this.cursor)) this.cursor = null;
    this.setCursor(this.cursor ?? alerts.rows[0]?.id);
    this.drawEmpty();
    this.drawChips();
  }

  drawStrip() { drawStrip(this.strip, this.page.alerts.hour); }

  // drawFrame draws what stands around the rows.
  drawFrame() {
    const { alerts, paused } = this.page;
    const n = Math.max(alerts.total - alerts.waiting.length, alerts.rows.length);
    this.total.textContent = alerts.loaded ? `${plural(n, 'alert')}, newest first` : 'Loading';
    this.older.hidden = !alerts.more;
    this.pauseButton.replaceChildren(icon(paused ? 'play' : 'pause'), paused ? 'Resume ' : 'Pause ', el('kbd', null, 'p'));
    this.pauseButton.setAttribute('aria-pressed', paused);
    const critical = alerts.waiting.filter(r => r.rule.severity === 'critical').length;
    this.newbar.hidden = !alerts.waiting.length;
    this.newbar.replaceChildren(icon('up'), `${plural(alerts.waiting.length, 'new alert')}${critical ? `, ${number(critical)} of them critical` : ''} `, el('kbd', null, '.'));
    this.received.textContent = alerts.rows.length ? `newest emitted ${stamp(alerts.rows[0].emitted, true)}; the newest ${number(alerts.keptMax)} are kept here` : '';
    this.drawBanner();
  }

  drawBanner() {
    const { stream, alerts } = this.page;
    const banner = (kind, name, text, button, act) => {
      this.banner.className = 'banner ' + kind;
      this.banner.hidden = false;
      if (this.bannerText === text && this.banner.childElementCount) return;
      this.bannerText = text;
      this.banner.replaceChildren(icon(name), el('span', null, ...text.split('**').map((t, i) => i % 2 ? el('b', null, t) : t)), el('button.btn', { onclick: act }, button));
    };
    if (stream.state === 'reconnecting') {
      const away = Math.round((Date.now() - stream.since) / 1000), next = Math.max(0, Math.ceil((stream.next - Date.now()) / 1000));
      banner('', 'plug', `**Disconnected from the server for ${away} s.** The list stops at ${stamp(stream.heard || stream.since)}; nothing is lost, it resumes from there. ${next ? `Next try in ${next} s.` : 'Trying now.'}`, 'Try now', () => stream.retry());
    } else if (stream.state === 'stale') {
      banner('warn', 'warn', '**Nothing was heard from the server for more than 20 s.** What you see may be old; the page reconnects by itself.', 'Reconnect', () => stream.abort.abort(new Error('asked to')));
    } else if (alerts.error) {
      banner('', 'warn', `**The alerts could not be loaded.** ${alerts.error.message}. ${alerts.error.cure ?? ''}`, 'Try again', () => alerts.load());
    } else {
      this.banner.hidden = true;
      this.bannerText = '';
    }
  }

  row(r, className = '') {
    const rule = r.rule.id, path = '/alerts/' + encodeURIComponent(r.id);
    const current = r.id === this.cursor;
    return el(`.row${className && '.' + className}${current ? '.cursor' : ''}`, { role: 'listitem', 'data-id': r.id, 'aria-current': current ? 'true' : null },
      el('span.sevc', null, severity(r.rule.severity)),
      el('a.say.rowlink', { href: path, tabindex: current ? '0' : '-1', title: r.summary }, ...bold(r)),
      el('span.key.trunc', { title: r.key_text }, r.key_text), el('span.rule.trunc', { title: r.rule.title }, rule), rowBar(r.because),
      el('span.cnt', { title: r.suppressed ? `${number(r.suppressed)} held back by suppression` : null }, r.suppressed ? `+${number(r.suppressed)}` : ''),
      since(r.at, '.age'), el('span.meta', null, el('span.trunc', null, r.state === 'firing' ? rule : `${rule}, ${r.state}`), since(r.at)));
  }

  drawEmpty() {
    const { alerts } = this.page, none = alerts.loaded && !alerts.rows.length, calm = none && isEmpty(alerts.filter);
    this.cols.hidden = this.strip.hidden = none;
    this.root.classList.toggle('calm', calm);
    const empty = calm ? this.waitingFor() : none ? this.noMatch() : null;
    if (empty && empty.textContent === this.empty?.textContent) return;
    this.empty?.remove();
    this.empty = empty;
    if (empty) this.list.append(empty);
  }

  noMatch() {
    const { alerts } = this.page;
    return el('.empty', null, dots(true), el('h2', null, 'No alert matches these filters'),
      el('p', null, `None of the ${plural(alerts.kept, 'alert')} kept here matches `, el('b', null, [...facetNames.filter(n => alerts.filter[n].length).map(n => `${n} ${alerts.filter[n].join(' or ')}`), alerts.filter.q].filter(Boolean).join(', ')), '.'),
      el('button.btn', { onclick: () => this.page.setFilter(null) }, 'Remove the filters'));
  }

  // waitingFor tells a first run from a quiet time, and what to do.
  waitingFor() {
    const p = this.page.status()?.pipeline, looked = (p?.rules ?? []).reduce((n, r) => n + r.evaluated, 0);
    if (looked) {
      return el('.empty', null, dots(false), el('h2', null, 'Nothing unusual'),
        el('p', null, `${plural(p.rules.length, 'rule')} looked at events ${number(looked)} times since the start and found none out of place. The next alert appears here by itself.`), el('a.btn', { href: '/pipeline' }, 'See the rules'));
    }
    const topics = [...new Set((p?.partitions ?? []).map(x => x.topic))];
    return el('.empty', null, dots(false), el('h2', null, 'Waiting for the first event'),
      el('p', null, p?.kafka ? `Reading from ${p.kafka}. ` : '', topics.length ? `No rule has seen an event of ${topics.join(', ')} yet. ` : 'No input topic is read yet. ',
        'Producing elsewhere? Check ', el('code', null, 'sources'), ' in insolite.yaml, or try it with made-up events.'),
      el('code.cmd', null, `detector generate payments --brokers ${p?.kafka || 'localhost:9092'} --rate 200`));
  }

  drawChips() {
    const { filter } = this.page.alerts;
    this.filterBox.querySelectorAll('.chip').forEach(c => c.remove());
    for (const name of facetNames) for (const v of filter[name]) {
      const remove = () => this.page.setFilter({ ...filter, [name]: filter[name].filter(x => x !== v) });
      this.input.before(el('span.chip', null, el('span.k', null, name), el('span.trunc', null, v), el('button', { 'aria-label': `Remove filter ${name} ${v}`, onclick: remove }, icon('x'))));
    }
    if (document.activeElement !== this.input) this.input.value = filter.q;
  }

  drawFacets() {
    const focused = document.activeElement?.closest?.('.facet')?.dataset.facet;
    for (const root of [this.facets, document.querySelector('#sheet .body')]) root.replaceChildren(...facetNames.map(n => this.facet(n)).filter(Boolean));
    document.querySelector('#sheet-done').textContent = `Show ${plural(this.page.alerts.total, 'alert')}`;
    if (focused) [...document.querySelectorAll('.facet')].find(f => f.dataset.facet === focused && f.offsetParent)?.focus();
  }

  facet(name) {
    const { facets, filter } = this.page.alerts, counts = facets[name] ?? {};
    let values = [...new Set([...Object.keys(counts), ...filter[name]])].sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || a.localeCompare(b));
    if (name === 'severity') values = [...severities, ...values.filter(v => !severities.includes(v))];
    const all = this.expanded.has(name), more = values.length - shown[name];
    const list = all ? values.slice(0, 100) : values.filter((v, i) => i < shown[name] || filter[name].includes(v));
    const item = v => {
      const on = filter[name].includes(v);
      const toggle = () => this.page.setFilter({ ...filter, [name]: on ? filter[name].filter(x => x !== v) : [...filter[name], v] });
      return el('button.facet' + (counts[v] ? '' : '.zero'), { role: 'checkbox', 'aria-checked': String(on), 'data-facet': `${name}:${v}`, title: v, onclick: toggle },
        el('span.box', null, icon('check')), name === 'severity' ? severity(v, true) : el('span.trunc', null, v || unknown), el('span.n', null, number(counts[v] ?? 0)));
    };
    const fold = () => { all ? this.expanded.delete(name) : this.expanded.add(name); this.drawFacets(); };
    if (!values.length) return null;
    return el('section', null, el('h2', null, titles[name], more > 0 && el('button', { onclick: fold, 'aria-expanded': String(all) }, all ? 'fewer' : `${number(more)} more`)), ...list.map(item));
  }

  openSheet() {
    const sheet = document.querySelector('#sheet');
    document.querySelector('#sheet-done').onclick = () => sheet.close();
    sheet.showModal();
  }

  setCursor(id) {
    if (!id) return;
    const old = this.rows.querySelector('.cursor'), row = this.find(id);
    this.cursor = id;
    if (old === row) return;
    for (const [node, on] of [[old, false], [row, true]]) {
      if (!node) continue;
      node.classList.toggle('cursor', on);
      on ? node.setAttribute('aria-current', 'true') : node.removeAttribute('aria-current');
      node.querySelector('.say').tabIndex = on ? 0 : -1;
    }
  }

  find(id) { return [...this.rows.children].find(r => r.dataset.id === id); }

  // move goes to the next or previous row.
  move(step) {
    const rows = [...this.rows.children], at = rows.findIndex(r => r.dataset.id === this.cursor);
    const row = rows[Math.min(rows.length - 1, Math.max(0, document.activeElement?.closest?.('.row') ? at + step : Math.max(at, 0)))];
    row?.querySelector('.say').focus();
    row?.scrollIntoView({ block: 'nearest' });
  }

  release() {
    scrollTo({ top: 0 });
    document.activeElement?.blur();
    this.page.alerts.release();
  }

  async loadOlder() {
    this.older.disabled = true;
    try { await this.page.alerts.older(); } catch (err) { this.page.alerts.error = err; this.drawFrame(); }
    this.older.disabled = false;
  }
}

// bold returns the sentence with its surprising figure in bold, when it stands there as a word of its own.
function bold(r) {
  for (const figure of surprise(r)) {
    for (let at = r.summary.indexOf(figure); at >= 0; at = r.summary.indexOf(figure, at + 1)) {
      let from = at;
      const end = at + figure.length;
      if (/[€$£]/.test(r.summary[from - 1] ?? '')) from--;
      if (/[\w.,−-]/.test(r.summary[from - 1] ?? '') || /^(\w|[.,]\d)/.test(r.summary.slice(end))) continue;
      return [r.summary.slice(0, from), el('b', null, r.summary.slice(from, end)), r.summary.slice(end)];
    }
  }
  return [r.summary];
}
