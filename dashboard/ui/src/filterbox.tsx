// The box above the list: the filter as chips and text.
import { createRef } from 'preact';
import { facetNames, isHalfTyped, queryOf, toggled, typed } from './filter';
import { alerts, setFilter, typing } from './page';
import { Icon } from './parts';

const input = createRef<HTMLInputElement>();
const pauseOfTyping = 250; // milliseconds without a key, after which the text is searched
let timer = 0;

export const focusFilter = () => input.current?.focus();

// take makes what is typed the filter.
function take(finished: boolean): void {
  clearTimeout(timer);
  const filter = typed(alerts.filter.value, typing.value, finished);
  if (finished) typing.value = filter.q;
  else if (isHalfTyped(filter.q)) return;
  if (queryOf(filter) !== queryOf(alerts.filter.value)) setFilter(filter, true);
}

function changed(e: InputEvent): void {
  typing.value = (e.currentTarget as HTMLInputElement).value;
  clearTimeout(timer);
  timer = window.setTimeout(() => take(false), pauseOfTyping);
}

function pressed(e: KeyboardEvent): void {
  if (e.key === 'Enter') take(true);
  if (e.key === 'Escape') input.current?.blur();
  if (e.key !== 'Backspace' || typing.value) return;
  const filter = alerts.filter.value, name = facetNames.findLast(n => filter[n].length);
  if (name) setFilter({ ...filter, [name]: filter[name].slice(0, -1) }); // of nothing takes the last chip
}

export function FilterBox() {
  const filter = alerts.filter.value;
  return (
    <div class="filter" id="filter">
      <Icon name="search" />
      {facetNames.flatMap(name => filter[name].map(value => (
        <span class="chip" key={`${name}:${value}`}>
          <span class="k">{name}</span><span class="trunc">{value}</span>
          <button aria-label={`Remove filter ${name} ${value}`} onClick={() => setFilter(toggled(filter, name, value))}><Icon name="x" /></button>
        </span>
      )))}
      <input id="q" ref={input} value={typing} onInput={changed} onKeyDown={pressed} aria-label="Filter by any text" placeholder="Filter: text, rule:…, key:…, severity:…" autocomplete="off" spellcheck={false} maxLength={200} />
      <kbd class="only-wide">/</kbd>
    </div>
  );
}
