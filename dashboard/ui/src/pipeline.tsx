// The pipeline: what comes in, what is behind, what was put aside, what the rules did.
import type { DeadLetter, Partition, Pipeline, RunningRule, Status } from './api';
import { number, plural, seconds, unknown } from './format';
import { fresh, isBehind, worstLag } from './page';
import { Card, Icon, Pair, Severity, Since, Table, Unit } from './parts';
import { Tiles } from './tiles';

export function PipelinePage() {
  const status = fresh.value;
  if (!status) return <Head text="Its figures are not known: the server does not answer. They appear here as soon as it does." />;
  const p = status.pipeline;
  return (
    <>
      <Head text={finding(p)} />
      {p.problems?.map(problem => <div class="banner" key={problem}><Icon name="warn" /><span>{problem}</span></div>)}
      <Tiles of={status} />
      <div class="two">
        <div><Partitions all={p.partitions ?? []} /><Rules all={p.rules ?? []} /></div>
        <div><DeadLetters all={p.dead_letters ?? []} /><ThisPage of={status} /></div>
      </div>
    </>
  );
}

function Head({ text }: { text: string }) {
  return <div class="page-head"><div class="grow"><h1>Pipeline</h1><p id="finding">{text}</p></div></div>;
}

// finding is what matters most, in one sentence.
function finding(p: Pipeline): string {
  const all = p.partitions ?? [], behind = all.filter(isBehind), worst = worstLag(p), known = all.filter(x => x.lag_seconds !== null).length;
  if (worst && behind.length) {
    const many = behind.length > 1;
    return `${many ? `${number(behind.length)} partitions are` : 'One partition is'} behind: ${worst.topic} / ${worst.partition}${many ? ' most' : ''}, by ${seconds(worst.lag_seconds).join(' ')}.`;
  }
  if (!all.length) return 'No input topic is read yet. Check sources in insolite.yaml, and that their topics exist.';
  return known ? `${number(known)} of ${plural(all.length, 'partition')} known, none of them behind.` : 'The lag of no partition is known yet.';
}

const num = (text: string) => ({ text, num: true }) as const;

function Partitions({ all }: { all: readonly Partition[] }) {
  const sorted = [...all].toSorted((a, b) => (b.lag_seconds ?? -1) - (a.lag_seconds ?? -1) || a.topic.localeCompare(b.topic) || a.partition - b.partition);
  const worst = sorted[0]?.lag_seconds || 1;
  return (
    <Card title="Partitions" label={`${number(all.length)}, worst first`}>
      <Table name="Partitions" heads={['Topic / partition', 'Task', num('Events/s'), num('End offset'), num('Lag, records'), num('Lag, time'), num('Watermark delay'), num('Late')]}>
        {sorted.map(x => <PartitionLine key={`${x.topic}/${x.partition}`} of={x} worst={worst} />)}
      </Table>
    </Card>
  );
}

// tags are of phases that are no cause for worry, or for much.
const tags: Record<string, string> = { idle: 'tag', warming: 'tag', refused: 'tag bad' };

const dimZero = (n: number | null) => n === 0 ? 'num dim' : 'num';

function PartitionLine({ of: x, worst }: { of: Partition; worst: number }) {
  const behind = isBehind(x);
  return (
    <tr>
      <td>{x.topic}<span class="dim"> / </span>{number(x.partition)}{x.stage && <> <span class="tag" title="The service's own topic, for rules by another key than the records'">stage</span></>}</td>
      <td class="mid">{x.task || unknown}{x.phase && x.phase !== 'running' && <> <span class={tags[x.phase] ?? 'tag warn'} title={x.why || undefined}>{x.phase}</span></>}</td>
      <td class="num">{number(x.events_per_second)}</td>
      <td class="num">{number(x.end)}</td>
      <td class={dimZero(x.lag)}>{number(x.lag)}</td>
      <td class={behind ? 'num b' : 'num'}>
        {x.lag_seconds !== null && <span class={behind ? 'lagbar s-high' : 'lagbar'} style={{ '--w': `${Math.max(0, x.lag_seconds / Math.max(worst, 5)) * 100}%` }} />}
        <span class="lagn"><Unit of={seconds(x.lag_seconds)} /></span>
      </td>
      <td class="num"><Unit of={seconds(x.watermark_delay_seconds)} /></td>
      <td class={dimZero(x.late)}>{number(x.late)}</td>
    </tr>
  );
}

function Rules({ all }: { all: readonly RunningRule[] }) {
  const sorted = [...all].toSorted((a, b) => b.alerts - a.alerts || a.id.localeCompare(b.id));
  return (
    <Card title="Rules" label={`${number(all.length)}, since the start`}>
      <Table name="Rules" heads={[{ text: 'Severity', hidden: true }, 'Rule', 'Source', num('Evaluated'), num('Alerts'), num('Held back')]}>
        {sorted.map((r, i) => (
          <tr key={`${r.id}/${i}`}>
            <td class="tight"><Severity name={r.severity} /></td>
            <td><a class="link" href={'/?rule=' + encodeURIComponent(r.id)} title={r.title}>{r.id}</a>{r.mode !== 'live' && <> <span class="tag warn">{r.mode}</span></>}</td>
            <td class="mid">{r.source}</td><td class="num">{number(r.evaluated)}</td><td class="num">{number(r.alerts)}</td><td class={dimZero(r.suppressed)}>{number(r.suppressed)}</td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}

function DeadLetters({ all }: { all: readonly DeadLetter[] }) {
  const total = all.reduce((n, d) => n + d.count, 0);
  if (!total) return <Card title="Dead letters" label="none"><div class="body mid">No record had to be put aside since the start.</div></Card>;
  return (
    <Card title="Dead letters" label={number(total)}>
      <Table name="Dead letters" heads={['Reason', 'Topic', num('Count'), num('Last')]}>
        {[...all].toSorted((a, b) => b.count - a.count).map(d => (
          <tr key={`${d.reason}/${d.topic}`}><td>{d.reason}</td><td class="mid">{d.topic}</td><td class="num">{number(d.count)}</td><td class="num"><Since class="mid" when={d.last} /></td></tr>
        ))}
      </Table>
    </Card>
  );
}

function ThisPage({ of: { page, alerts } }: { of: Status }) {
  return (
    <Card title="This page" label="">
      <div class="body">
        <dl class="kv">
          <Pair name="Alerts kept">{number(alerts.kept)} of {number(alerts.kept_max)}</Pair>
          <Pair name="Oldest kept">{alerts.oldest ? <Since when={alerts.oldest} /> : unknown}</Pair>
          <Pair name="Browsers watching">{number(page.clients)}</Pair>
          <Pair name="Dropped, too slow">{number(page.dropped)}</Pair>
          <Pair name="Refused, too many">{number(page.refused)}</Pair>
          <Pair name="Delivered again">{number(page.repeated)}</Pair>
          <Pair name="Not readable">{number(page.malformed)}</Pair>
        </dl>
      </div>
    </Card>
  );
}
