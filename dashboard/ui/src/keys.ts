// The keys. They are off while typing, with a modifier, and while a dialog is open.
import { showKeys } from './app';
import { listPath } from './filter';
import { focusFilter } from './filterbox';
import { alertPath } from './format';
import { alerts, cursor, neighbour, open, pause, view } from './page';
import { move, release } from './rows';

const always: Record<string, () => void> = { '?': showKeys };

const inList: Record<string, () => void> = {
  j: () => move(1),
  k: () => move(-1),
  o: () => { if (cursor.value) open(alertPath(cursor.value)); },
  p: pause,
  '.': release,
  '/': focusFilter,
  Escape: () => { if (document.activeElement instanceof HTMLElement) document.activeElement.blur(); },
};

const elsewhere: Record<string, () => void> = {
  j: () => step(1),
  k: () => step(-1),
  u: () => open(listPath(alerts.filter.value)),
};

function step(by: number): void {
  const id = neighbour(by);
  if (id) open(alertPath(id));
}

export function listenToKeys(): void {
  document.addEventListener('keydown', e => {
    const act = always[e.key] ?? (view.value.name === 'live' ? inList : elsewhere)[e.key];
    if (!act || e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]') || e.target instanceof Element && e.target.closest('input, textarea')) return;
    if (e.key !== 'Escape') e.preventDefault();
    act();
  });
}
