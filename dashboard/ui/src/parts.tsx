// What every view is made of: icons, severities, times, cards and tables.
import { useComputed } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { Position } from './api';
import { type Figure, age, number, stamp } from './format';
import { now, nowRoughly } from './page';

export type IconName = 'alerts' | 'pipeline' | 'search' | 'x' | 'check' | 'up' | 'down' | 'pause' | 'play' | 'theme' | 'warn' | 'plug' | 'copy' | 'filter';

export function Icon({ name }: { name: IconName }) {
  return <svg class="i" aria-hidden="true"><use href={'#i-' + name} /></svg>;
}

export const severities = ['critical', 'high', 'medium', 'low', 'info'];
// known is the severity to draw: an unknown one is drawn as info and keeps its word.
export const known = (severity: string) => severities.includes(severity) ? severity : 'info';

// A severity is a shape, then a word, then a colour.
export function Severity({ name, withWord = false }: { name: string; withWord?: boolean }) {
  const word = name ? name.charAt(0).toUpperCase() + name.slice(1) : 'No severity';
  return <span class={'sev ' + known(name)}><svg aria-hidden="true"><use href={'#s-' + known(name)} /></svg><span class={withWord ? undefined : 'sr'}>{word}</span></span>;
}

// Since is an age that is kept current. One told in minutes does not ask for each second: there may be two thousand of them.
export function Since({ when, class: className }: { when: string; class?: string }) {
  const text = useComputed(() => age(when, nowRoughly.value - Date.parse(when) > 120_000 ? nowRoughly.value : now.value));
  return <time class={className} dateTime={when} title={stamp(when, true)}>{text}</time>;
}

// Dots is the mark of an empty state: a grid, one dot out of place only when a filter hides something.
export function Dots({ odd }: { odd: boolean }) {
  const circles = Array.from({ length: 28 }, (_, i) => {
    const away = odd && i === 18 ? 4 : 0;
    return <circle key={i} cx={6 + i % 7 * 14 + away} cy={6 + Math.floor(i / 7) * 14 - away} r={away || 2.5} fill={away ? 'var(--accent)' : 'var(--line-2)'} />;
  });
  return <svg class="dots" viewBox="0 0 96 56" aria-hidden="true">{circles}</svg>;
}

// At writes where a record lies: payments / 7 @ 18,442,907.
export function At({ position: p }: { position: Position }) {
  return <span class="mono">{p.topic}<span class="dim"> / </span>{number(p.partition)}<span class="dim"> @ </span>{number(p.offset)}</span>;
}

export function Card({ title, label, children, ...rest }: { title: string; label?: string; id?: string; children: ComponentChildren }) {
  return <section class="card" {...rest}><header><h2>{title}</h2>{label && <span class="label">{label}</span>}</header>{children}</section>;
}

// Heading of a column. A number's is at the right, a hidden one is for screen readers only.
export type Heading = string | { text: string; num?: true; hidden?: true };

// Table scrolls at the side, so it is a region that the keyboard reaches.
export function Table({ name, heads, children }: { name: string; heads: Heading[]; children: ComponentChildren }) {
  const columns = heads.map(h => typeof h === 'string' ? { text: h } : h);
  return (
    <div class="tbl" tabIndex={0} role="region" aria-label={name}>
      <table>
        <thead><tr>{columns.map(h => <th key={h.text} class={h.num && 'num'} scope="col">{h.hidden ? <span class="sr">{h.text}</span> : h.text}</th>)}</tr></thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

// Unit writes a figure whose unit is grey.
export function Unit({ of: [figure, unit] }: { of: Figure }) {
  return <>{figure}{unit && ' '}{unit && <span class="u">{unit}</span>}</>;
}

// Pair is a line of a list of names and values.
export function Pair({ name, title, trunc, children }: { name: string; title?: string | undefined; trunc?: boolean; children: ComponentChildren }) {
  return <><dt>{name}</dt><dd class={trunc ? 'trunc' : undefined} title={title}>{children}</dd></>;
}
