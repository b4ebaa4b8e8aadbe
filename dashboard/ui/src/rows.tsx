// The rows of the list, and the keyboard's way through them.
import { useComputed } from '@preact/signals';
import { createRef } from 'preact';
import { useLayoutEffect } from 'preact/hooks';
import type { Row } from './api';
import { RowBar } from './bars';
import { alertPath, number } from './format';
import { boldParts } from './operand';
import { alerts, cameFromAlert, cursor, open, paused, view } from './page';
import { Severity, Since } from './parts';

const list = createRef<HTMLDivElement>();

// New rows wait while the reader's hand or eye is in the list.
alerts.held = () => paused.value || view.value.name === 'live' && (scrollY > 8 || isSelected() || !!list.current?.contains(document.activeElement));

function isSelected(): boolean {
  const selection = getSelection();
  return !!selection && !selection.isCollapsed && !!list.current?.contains(selection.anchorNode);
}

const rowOf = (e: Event) => e.target instanceof Element ? e.target.closest<HTMLElement>('.row') : null;
const rowAt = (id: string | null) => [...list.current?.querySelectorAll<HTMLElement>('.row') ?? []].find(r => r.dataset.id === id);

export function Rows() {
  useLayoutEffect(() => {
    if (cameFromAlert()) {
      const row = rowAt(cursor.value);
      row?.scrollIntoView({ block: 'center' });
      row?.querySelector<HTMLElement>('.say')?.focus({ preventScroll: true });
    }
    return () => alerts.arrived.clear();
  }, []);
  return <div id="rows" role="list" ref={list} onClick={opened} onFocusIn={e => { cursor.value = rowOf(e)?.dataset.id ?? cursor.value; }}>{alerts.rows.value.map(r => <Line key={r.id} of={r} />)}</div>;
}

function opened(e: MouseEvent): void {
  const id = rowOf(e)?.dataset.id;
  if (!id || e.target instanceof Element && e.target.closest('a') || getSelection()?.toString()) return;
  open(alertPath(id));
}

function Line({ of: r }: { of: Row }) {
  const current = useComputed(() => cursor.value === r.id).value;
  const [before, figure, after] = boldParts(r), rule = r.rule.id;
  return (
    <div class={'row' + (alerts.arrived.has(r.id) ? ' new' : '') + (current ? ' cursor' : '')} role="listitem" data-id={r.id} aria-current={current ? 'true' : undefined}>
      <span class="sevc"><Severity name={r.rule.severity} /></span>
      <a class="say rowlink" href={alertPath(r.id)} tabIndex={current ? 0 : -1} title={r.summary}>{before}{figure && <b>{figure}</b>}{after}</a>
      <span class="key trunc" title={r.key_text}>{r.key_text}</span>
      <span class="rule trunc" title={r.rule.title}>{rule}</span>
      <RowBar because={r.because} />
      <span class="cnt" title={r.suppressed ? `${number(r.suppressed)} held back by suppression` : undefined}>{r.suppressed ? `+${number(r.suppressed)}` : ''}</span>
      <Since class="age" when={r.at} />
      <span class="meta"><span class="trunc">{r.state === 'firing' ? rule : `${rule}, ${r.state}`}</span><Since when={r.at} /></span>
    </div>
  );
}

// move goes to the next or previous row; into the list first, where the keyboard was.
export function move(step: number): void {
  const rows = alerts.rows.value, at = rows.findIndex(r => r.id === cursor.value), inside = document.activeElement?.closest('.row');
  const to = rows[Math.min(rows.length - 1, Math.max(0, inside ? at + step : at))];
  const row = to && rowAt(to.id);
  row?.querySelector<HTMLElement>('.say')?.focus();
  row?.scrollIntoView({ block: 'nearest' });
}

// release shows what waits, where it can be seen.
export function release(): void {
  scrollTo({ top: 0 });
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  alerts.release();
}
