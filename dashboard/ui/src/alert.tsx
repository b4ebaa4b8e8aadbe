// One alert: the sentence, and everything that proves it.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Alert, Found } from './api';
import { OperandLine } from './bars';
import { About, Related } from './beside';
import { listPath } from './filter';
import { alertPath, number, stamp, text, zone } from './format';
import { asRefused, get, type Refused } from './http';
import { EventCard } from './event';
import { alerts, cursor, found, neighbour } from './page';
import { At, Card, Icon, Severity, Since, Table, known } from './parts';

// AlertPage gets the alert. The one before it stays until it has come; whoever goes on meanwhile does not get it afterwards.
export function AlertPage({ id }: { id: string }) {
  const failure = useSignal<Refused | null>(null);
  useEffect(() => {
    let gone = false;
    const show = (f: Found | null, why: Refused | null) => {
      if (gone) return;
      found.value = f;
      failure.value = why;
    };
    get<Found>('/api/v1/alerts/' + encodeURIComponent(id)).then(f => show(f, null), thrown => show(null, asRefused(thrown)));
    return () => { gone = true; };
  }, [id]);
  useEffect(() => () => { found.value = null; }, []);
  return <><Crumbs id={id} />{failure.value ? <NotFound why={failure.value} /> : found.value && <Shown found={found.value} />}</>;
}

function NotFound({ why }: { why: Refused }) {
  return (
    <div class="card empty">
      <h1>{why.status === 404 ? 'This alert is not kept here' : 'The alert could not be loaded'}</h1>
      <p>{why.message}. {why.cure}</p>
      <a class="btn" href={listPath(alerts.filter.value)}>Back to the list</a>
    </div>
  );
}

function Shown({ found: f }: { found: Found }) {
  const a = f.alert;
  return (
    <>
      <h1 class="title">{a.summary}</h1>
      <Facts of={f} />
      <div class="two">
        <div class="alert-grid">
          <div><Why of={a} /></div>
          <div><Features of={a} /><EventCard of={f} key={a.id} /><Evidence of={a} /></div>
        </div>
        <div><About of={f} /><Related id={a.id} keyText={f.key_text} /></div>
      </div>
    </>
  );
}

function Crumbs({ id }: { id: string }) {
  const i = alerts.rows.value.findIndex(r => r.id === cursor.value);
  const up = neighbour(-1), down = neighbour(1);
  return (
    <nav class="crumbs" aria-label="Place">
      <a class="link" href={listPath(alerts.filter.value)}>Alerts</a><span>/</span>
      <span>{i < 0 ? id.slice(0, 8) : `${number(i + 1)} of ${number(Math.max(alerts.total.value, alerts.rows.value.length))}`}</span>
      {i >= 0 && (
        <span class="pager">
          {up && <><kbd class="only-wide">k</kbd><a class="icon-btn" href={alertPath(up)} aria-label="Previous alert" title="Previous alert (k)"><Icon name="up" /></a></>}
          {down && <><a class="icon-btn" href={alertPath(down)} aria-label="Next alert" title="Next alert (j)"><Icon name="down" /></a><kbd class="only-wide">j</kbd></>}
        </span>
      )}
    </nav>
  );
}

function Facts({ of: { alert: a, key_text: key } }: { of: Found }) {
  return (
    <div class="facts">
      <Severity name={a.rule.severity} withWord />
      <span class="tag">{a.state}</span>
      {a.rule.mode !== 'live' && <span class="tag warn">{a.rule.mode}</span>}
      <span title={a.at}>{stamp(a.at, true)}, <span><Since when={a.at} /> ago</span></span>
      <span><span class="label">rule</span><a class="link" href={'/?rule=' + encodeURIComponent(a.rule.id)}>{a.rule.id}</a><span class="mono dim" title="version">{a.rule.version.slice(0, 6)}</span></span>
      {Object.entries(a.key).map(([name, v]) => <span key={name}><span class="label">{name}</span><a class="link" href={'/?key=' + encodeURIComponent(key)}>{text(v)}</a></span>)}
      {a.suppressed > 0 && <span>{number(a.suppressed)} more held back</span>}
    </div>
  );
}

function Why({ of: { condition, rule } }: { of: Alert }) {
  const n = condition.because.length;
  return (
    <Card title="Why it fired" label={n > 1 ? `${n === 2 ? 'both' : `all ${n}`} hold` : ''}>
      <div class={'body s-' + known(rule.severity)} id="why">
        <div class="cond" tabIndex={0}>{condition.text}</div>
        {condition.because.map((o, i) => <OperandLine key={i} of={o} />)}
      </div>
    </Card>
  );
}

const edge = (when: string | null) => when ? stamp(when) : 'open';

function Features({ of: a }: { of: Alert }) {
  const features = Object.entries(a.context);
  if (!features.length) return null;
  return (
    <Card title="Features at that moment">
      <Table name="Features" heads={['Feature', { text: 'Value', num: true }, 'Aggregate', { text: 'Samples', num: true }, 'Window', `From – to (${zone()})`]}>
        {features.map(([name, f]) => (
          <tr key={name}>
            <td class="b">{name}</td><td class="num">{text(f.value)}</td><td class="mid">{f.agg}{f.p !== undefined && ` ${f.p}`}</td><td class="num">{number(f.samples)}</td><td class="mid">{f.window}{f.season && `, ${f.season}`}</td>
            <td class="mid" title={`${f.from ?? 'open'} – ${f.to ?? 'open'}`}>{edge(f.from)} – {edge(f.to)}</td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}

function Evidence({ of: { evidence } }: { of: Alert }) {
  if (!evidence.length) return null;
  return (
    <Card title="Evidence" label={`${evidence.length} contributing ${evidence.length === 1 ? 'event' : 'events'}`}>
      <Table name="Evidence" heads={['Position', `At (${zone()})`]}>
        {evidence.map((e, i) => <tr key={i}><td><At position={e} /></td><td class="mid" title={e.at ?? undefined}>{stamp(e.at)}</td></tr>)}
      </Table>
    </Card>
  );
}
