// The pipeline's figures at a glance.
import type { ComponentChildren } from 'preact';
import type { Status } from './api';
import { type Figure, bytes, number, plural, seconds, unknown } from './format';
import { isBehind, worstLag } from './page';
import { Icon } from './parts';

// sum and most are null when no part is known.
const sum = (all: (number | null)[]) => all.reduce((a, b) => b === null ? a : (a ?? 0) + b, null);
const most = (all: (number | null)[]) => all.reduce((a, b) => b === null ? a : Math.max(a ?? 0, b), null);

export function Tiles({ of: { pipeline: p, page } }: { of: Status }) {
  const parts = p.partitions ?? [], worst = worstLag(p), state = p.state, lag = sum(parts.map(x => x.lag));
  const lagText = lag === null ? unknown : plural(lag, 'record');
  const share = state.bytes !== null && state.bytes_max ? `${number(state.bytes / state.bytes_max * 100)} % of ${bytes(state.bytes_max).join(' ')}` : plural(state.keys, 'key');
  return (
    <div class="tiles" role="list">
      <Tile label="Events in" of={[number(p.events_per_second), p.events_per_second === null ? '' : '/s']}>{plural(new Set(parts.filter(x => !x.stage).map(x => x.topic)).size, 'topic')}</Tile>
      <Tile label="Lag" of={seconds(worst?.lag_seconds)}>{isBehind(worst) ? <span class="warned"><Icon name="warn" />{lagText}</span> : lagText}</Tile>
      <Tile label="Watermark delay" of={seconds(most(parts.map(x => x.watermark_delay_seconds)))}>the slowest task</Tile>
      <Tile label="Late" of={[number(sum(parts.map(x => x.late))), '']}>since the start</Tile>
      <Tile label="Dead letters" of={[number(sum((p.dead_letters ?? []).map(d => d.count)) ?? 0), '']}>since the start</Tile>
      <Tile label="State" of={bytes(state.bytes)}>{share}</Tile>
      <Tile label="Checkpoint age" of={seconds(state.checkpoint_age_seconds)}>{state.keys !== null && plural(state.keys, 'key')}</Tile>
      <Tile label="Alerts" of={[number(page.published), '']}>since the start</Tile>
    </div>
  );
}

function Tile({ label, of: [figure, unit], children }: { label: string; of: Figure; children: ComponentChildren }) {
  return <div class="tile" role="listitem"><span class="label">{label}</span><span class="big">{figure}{unit && ' '}{unit && <small>{unit}</small>}</span><span class="sub">{children}</span></div>;
}
