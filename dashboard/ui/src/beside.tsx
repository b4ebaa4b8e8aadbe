// What stands beside an alert: what is known about it, and what else its key had.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Found, List, Row } from './api';
import { alertPath, clock, number, unknown } from './format';
import { get } from './http';
import { Card, Pair, Severity, Since } from './parts';

export function About({ of: f }: { of: Found }) {
  const a = f.alert, tags = a.rule.tags.join(', ') || unknown, at = `${number(f.partition)} @ ${number(f.offset)}`;
  return (
    <Card title="About">
      <div class="body">
        <dl class="kv">
          <Pair name="Rule" trunc title={a.rule.title || a.rule.id}>{a.rule.title || a.rule.id}</Pair>
          <Pair name="Version" trunc><span class="mono">{a.rule.version}</span></Pair>
          <Pair name="Mode" trunc title={a.rule.mode}>{a.rule.mode}</Pair>
          <Pair name="Tags" trunc title={tags}>{tags}</Pair>
          <Pair name="Source" trunc title={a.source}>{a.source}</Pair>
          <Pair name="Emitted" trunc><span title={f.emitted}>{clock(f.emitted, true)}</span></Pair>
          <Pair name="Held back" trunc title={number(a.suppressed)}>{number(a.suppressed)}</Pair>
          <Pair name="On the alerts topic" trunc title={at}>{at}</Pair>
          <Pair name="Id" trunc><span class="mono" title={a.id}>{a.id}</span></Pair>
          {Object.entries(a.links).map(([name, url]) => <Pair key={name} name="Link" trunc><Link name={name} url={url} /></Pair>)}
        </dl>
      </div>
    </Card>
  );
}

// Link goes to the web only; what a rule made of an event may be anything.
function Link({ name, url }: { name: string; url: string }) {
  return isWeb(url) ? <a class="link" href={url} rel="noopener noreferrer" target="_blank">{name}</a> : <span title={`${name}: ${url}`}>{name}: {url}</span>;
}

function isWeb(url: string): boolean {
  try { return ['https:', 'http:'].includes(new URL(url).protocol); } catch { return false; }
}

// Related lists other alerts of the same key. It stays away when there are none, or when they cannot be had: they prove nothing.
export function Related({ id, keyText }: { id: string; keyText: string }) {
  const rows = useSignal<Row[]>([]);
  useEffect(() => {
    let gone = false;
    get<List>(`/api/v1/alerts?limit=7&key=${encodeURIComponent(keyText)}`).then(list => {
      if (!gone) rows.value = list.alerts.filter(r => r.id !== id).slice(0, 6);
    }, () => { rows.value = []; });
    return () => { gone = true; };
  }, [id, keyText]);
  if (!rows.value.length) return null;
  return (
    <Card title="Related" label="same key, newest first" id="related">
      <div class="body">
        <ul class="mini">
          {rows.value.map(r => (
            <li key={r.id}>
              <Severity name={r.rule.severity} />
              <span><a class="rowlink" href={alertPath(r.id)}>{r.summary}</a><small>{r.rule.id}</small></span>
              <Since class="dim" when={r.at} />
            </li>
          ))}
        </ul>
      </div>
    </Card>
  );
}
