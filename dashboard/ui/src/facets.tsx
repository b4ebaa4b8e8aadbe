// The facets beside the list, or in the sheet of a narrow window.
import { signal } from '@preact/signals';
import { createRef, type RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { FacetName } from './api';
import { facetNames, toggled } from './filter';
import { number, plural, unknown } from './format';
import { alerts, setFilter } from './page';
import { Icon, Severity, severities } from './parts';

const shown: Record<FacetName, number> = { severity: 5, rule: 7, key: 5, source: 7 };
const shownMax = 100; // of a facet that was unfolded
const titles: Record<FacetName, string> = { severity: 'Severity', rule: 'Rule', key: 'Entity', source: 'Source' };

const unfolded = signal<ReadonlySet<FacetName>>(new Set());

export function Facets() {
  return facetNames.map(name => <Facet key={name} name={name} />);
}

// A facet's values are sorted by count, so a box may move while it has the focus, which not every browser lets it keep.
function useFocusThatStays(root: RefObject<HTMLElement | null>): void {
  const active = document.activeElement, focused = active instanceof HTMLElement && root.current?.contains(active) ? active : null;
  useLayoutEffect(() => { if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true }); });
}

function Facet({ name }: { name: FacetName }) {
  const root = useRef<HTMLElement>(null);
  useFocusThatStays(root);
  const counts = alerts.facets.value[name], chosen = alerts.filter.value[name], all = unfolded.value.has(name);
  let values = [...new Set([...Object.keys(counts), ...chosen])].toSorted((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || a.localeCompare(b));
  if (name === 'severity') values = [...severities, ...values.filter(v => !severities.includes(v))];
  if (!values.length) return null;
  const more = values.length - shown[name];
  const list = all ? values.slice(0, shownMax) : values.filter((v, i) => i < shown[name] || chosen.includes(v));
  return (
    <section ref={root}>
      <h2>{titles[name]}{more > 0 && <button onClick={() => fold(name)} aria-expanded={all}>{all ? 'fewer' : `${number(more)} more`}</button>}</h2>
      {list.map(v => <FacetValue key={v} name={name} value={v} count={counts[v] ?? 0} on={chosen.includes(v)} />)}
    </section>
  );
}

function fold(name: FacetName): void {
  const next = new Set(unfolded.value);
  if (!next.delete(name)) next.add(name);
  unfolded.value = next;
}

function FacetValue({ name, value, count, on }: { name: FacetName; value: string; count: number; on: boolean }) {
  return (
    <button class={count ? 'facet' : 'facet zero'} role="checkbox" aria-checked={on} title={value} onClick={() => setFilter(toggled(alerts.filter.value, name, value))}>
      <span class="box"><Icon name="check" /></span>
      {name === 'severity' ? <Severity name={value} withWord /> : <span class="trunc">{value || unknown}</span>}
      <span class="n">{number(count)}</span>
    </button>
  );
}

const sheet = createRef<HTMLDialogElement>();
const isOpen = signal(false);

export function openSheet(): void {
  isOpen.value = true;
  sheet.current?.showModal();
}

export function Sheet() {
  return (
    <dialog id="sheet" aria-label="Filters" ref={sheet} onClose={() => { isOpen.value = false; }}>
      <div class="body">{isOpen.value && <Facets />}</div>
      <footer><button class="btn primary" id="sheet-done" onClick={() => sheet.current?.close()}>Show {plural(alerts.total.value, 'alert')}</button></footer>
    </dialog>
  );
}
