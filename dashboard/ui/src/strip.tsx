// The strip above the list: alerts a minute over the last hour, by severity, the worst at the base.
import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Hour } from './api';
import { clock, number, plural } from './format';
import { alerts } from './page';
import { known, severities } from './parts';

const pad = { top: 6, bottom: 20, left: 28 };

export function Strip({ hidden }: { hidden: boolean }) {
  const root = useRef<HTMLDivElement>(null), size = useSignal({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const measure = () => {
      const width = root.current!.clientWidth, height = root.current!.clientHeight;
      if (width !== size.value.width || height !== size.value.height) size.value = { width, height };
    };
    const watch = new ResizeObserver(measure);
    watch.observe(root.current!);
    measure();
    return () => watch.disconnect();
  }, []);
  const hour = alerts.hour.value;
  return <div class="chart strip" id="strip" hidden={hidden} ref={root}>{hour && size.value.width > 0 && <Chart hour={hour} {...size.value} />}</div>;
}

// order puts the worst first, and what is not known last.
const order = (severity: string) => severities.includes(severity) ? severities.indexOf(severity) : severities.length;

function Chart({ hour, width, height }: { hour: Hour; width: number; height: number }) {
  const counts = Object.entries(hour.counts).toSorted(([a], [b]) => order(a) - order(b));
  const minutes = counts[0]?.[1].length ?? 60;
  const totals = Array.from({ length: minutes }, (_, i) => counts.reduce((n, [, c]) => n + (c[i] ?? 0), 0));
  const top = niceTop(Math.max(...totals)), until = +new Date(hour.until), every = width > 600 ? 10 : 20;
  const x = (i: number) => pad.left + i / minutes * (width - pad.left);
  const y = (n: number) => pad.top + (1 - n / top) * (height - pad.top - pad.bottom);
  const label = `${plural(totals.reduce((a, b) => a + b, 0), 'alert')} in the last hour, at most ${Math.max(...totals)} in a minute`;
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {[0, top / 2, top].map(n => <Level key={n} n={n} y={y(n)} width={width} />)}
      {totals.map((_, i) => <Minute key={i} of={counts.map(([name, c]) => [name, c[i] ?? 0])} from={x(i)} to={x(i + 1)} y={y} />)}
      {Array.from({ length: Math.floor(minutes / every) + 1 }, (_, n) => n * every).map(i => {
        const last = i === minutes;
        return <text key={i} x={x(i)} y={height - 5} text-anchor={last ? 'end' : i ? 'middle' : 'start'}>{last ? 'now' : clock(until - (minutes - i) * 60_000).slice(0, 5)}</text>;
      })}
    </svg>
  );
}

function Level({ n, y, width }: { n: number; y: number; width: number }) {
  return <><line class={n ? 'grid' : 'axis'} x1={pad.left} x2={width} y1={y} y2={y} /><text x={pad.left - 8} y={y + 4} text-anchor="end">{number(n)}</text></>;
}

// Minute is one column, its severities upon each other.
function Minute({ of, from, to, y }: { of: [severity: string, count: number][]; from: number; to: number; y: (n: number) => number }) {
  let below = 0;
  return <>{of.filter(([, n]) => n > 0).map(([name, n]) => {
    const height = y(below) - y(below + n), gap = height > 3;
    below += n;
    return <rect key={name} x={from + 1} width={Math.max(1, to - from - 2)} y={y(below) + (gap ? 0.5 : 0)} height={gap ? height - 1 : height} fill={`var(--${known(name)})`} opacity={['low', 'info'].includes(known(name)) ? 0.8 : 1} />;
  })}</>;
}

// niceTop is the least even round number that holds n.
function niceTop(n: number): number {
  for (let unit = 2; ; unit *= 10) for (const step of [1, 2, 5]) if (unit * step >= n) return unit * step;
}
