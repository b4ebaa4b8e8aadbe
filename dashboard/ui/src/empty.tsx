// A list without alerts: because of the filter, because nothing is unusual, or because nothing has come yet.
import { facetNames, filterOf, isEmpty } from './filter';
import { number, plural } from './format';
import { alerts, fresh, setFilter } from './page';
import { Dots } from './parts';

export function Empty() {
  if (!isEmpty(alerts.filter.value)) return <NoMatch />;
  const looked = fresh.value?.pipeline.rules?.reduce((n, r) => n + r.evaluated, 0) ?? 0;
  return looked ? <Quiet looked={looked} /> : <FirstRun />;
}

function NoMatch() {
  const filter = alerts.filter.value;
  const words = [...facetNames.filter(n => filter[n].length).map(n => `${n} ${filter[n].join(' or ')}`), filter.q].filter(Boolean).join(', ');
  return (
    <div class="empty">
      <Dots odd />
      <h2>No alert matches these filters</h2>
      <p>None of the {plural(alerts.kept.value, 'alert')} kept here matches <b>{words}</b>.</p>
      <button class="btn" onClick={() => setFilter(filterOf(''))}>Remove the filters</button>
    </div>
  );
}

function Quiet({ looked }: { looked: number }) {
  return (
    <div class="empty">
      <Dots odd={false} />
      <h2>Nothing unusual</h2>
      <p>{plural(fresh.value?.pipeline.rules?.length, 'rule')} looked at events {number(looked)} times since the start and found none out of place. The next alert appears here by itself.</p>
      <a class="btn" href="/pipeline">See the rules</a>
    </div>
  );
}

function FirstRun() {
  const p = fresh.value?.pipeline, topics = [...new Set(p?.partitions?.map(x => x.topic))];
  return (
    <div class="empty">
      <Dots odd={false} />
      <h2>Waiting for the first event</h2>
      <p>
        {p?.kafka && `Reading from ${p.kafka}. `}
        {topics.length ? `No rule has seen an event of ${topics.join(', ')} yet. ` : 'No input topic is read yet. '}
        Producing elsewhere? Check <code>sources</code> in insolite.yaml, or try it with made-up events.
      </p>
      <code class="cmd">detector generate payments --brokers {p?.kafka || 'localhost:9092'} --rate 200</code>
    </div>
  );
}
