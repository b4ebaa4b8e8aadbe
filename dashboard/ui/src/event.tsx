// The event as it came, with the values of the condition marked.
import { useSignal } from '@preact/signals';
import type { Found } from './api';
import { text } from './format';
import { At, Icon } from './parts';

export function EventCard({ of: { alert, event_text } }: { of: Found }) {
  const label = useSignal('Copy');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(event_text);
      label.value = 'Copied';
    } catch {
      label.value = 'The browser does not allow it';
    }
  };
  const marked = alert.condition.because.map(o => o.value).filter(v => v !== null && typeof v !== 'boolean').map(text);
  return (
    <section class="card">
      <header><h2>The event</h2><At position={alert.position} /><button class="btn quiet copy" onClick={copy}><Icon name="copy" />{label}</button></header>
      <div class="body"><pre class="json" tabIndex={0}>{tokens(event_text, new Set(marked))}</pre></div>
    </section>
  );
}

// tokens splits JSON text: names, strings, numbers and words, brackets, and what lies between.
function tokens(json: string, marked: ReadonlySet<string>) {
  return [...json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]|[^"{}[\]\s,:]+|[\s,:]+/gs)].map(([all, string, colon], i) => {
    if (string) return colon ? <><span key={i} class="k">{string}</span>{colon}</> : marked.has(string.slice(1, -1)) ? <mark key={i}>{string}</mark> : <span key={i} class="s">{string}</span>;
    if (/^[\s,:]+$/.test(all)) return all;
    if (/^[{}[\]]$/.test(all)) return <span key={i} class="p">{all}</span>;
    return marked.has(text(Number(all))) ? <mark key={i}>{all}</mark> : <span key={i} class="n">{all}</span>;
  });
}
