// An operand against its limit: a bar in a row, a gauge on the alert's page.
import type { Operand } from './api';
import { text } from './format';
import { type Reading, beyond, describe, reading, times, worst } from './operand';

// RowBar is neutral: pale up to the limit at a quarter, dark beyond, a quarter more for each doubling.
export function RowBar({ because }: { because: readonly Operand[] | null }) {
  const o = worst(because), r = o ? reading(o) : null;
  if (!o || !r?.factor) return <span class="vs"><span class="trunc wide-text" title={o && describe(o)}>{o ? describe(o) : '–'}</span></span>;
  const width = Math.min(100, 25 + Math.log2(Math.max(1, beyond(r))) * 25);
  return <span class="vs" title={`${describe(o)}, limit ${text(o.limit)}`}><i style={{ '--w': `${width}%` }} /><span>{times(r.factor)}</span></span>;
}

// OperandLine is an operand with its name, its gauge and how many times the limit it is.
export function OperandLine({ of: o }: { of: Operand }) {
  const r = reading(o);
  return (
    <div class="operand">
      <div class="name"><span>{o.expr}</span><small>{o.op ? `${o.op} ${text(o.limit)}` : 'holds'}</small></div>
      {r?.drawn ? <Gauge name={o.expr} of={r} /> : <div class="only-text">{o.op ? `${text(o.value)} ${o.op} ${text(o.limit)}` : text(o.value)}</div>}
      <div class="ratio">{r?.drawn && r.factor && <>{times(r.factor)}<small>the limit</small></>}</div>
    </div>
  );
}

function Gauge({ name, of: r }: { name: string; of: Reading }) {
  const scale = Math.max(r.value, r.limit) * 1.09;
  const at = (n: number) => `${(n / scale * 100).toFixed(2)}%`;
  const anchor = (n: number, low: number, high: number) => n / scale < low ? ' start' : n / scale > high ? ' end' : '';
  return (
    <div class={r.below ? 'gauge below' : 'gauge'} style={{ '--val': at(r.value), '--lim': at(r.limit) }} role="img" aria-label={`${name} is ${text(r.value)}, the limit ${text(r.limit)}`}>
      <span class={'t-val' + anchor(r.value, 0.3, 2)}>{name.length > 24 ? 'value' : name} {text(r.value)}</span>
      <i class="track" /><i class="usual" /><i class="val" /><i class="lim" />
      <span class={'t-lim' + anchor(r.limit, 0.12, 0.88)}>limit {text(r.limit)}</span>
    </div>
  );
}
