// The list of alerts with what stands around it.
import { useSignal } from '@preact/signals';
import { Banner } from './banner';
import { Empty } from './empty';
import { Facets, openSheet } from './facets';
import { FilterBox } from './filterbox';
import { isEmpty } from './filter';
import { number, plural, stamp } from './format';
import { alerts, pause, paused } from './page';
import { Icon } from './parts';
import { Rows, release } from './rows';
import { Strip } from './strip';

export function Live() {
  const none = alerts.loaded.value && !alerts.rows.value.length;
  return (
    <div class={none && isEmpty(alerts.filter.value) ? 'live-page calm' : 'live-page'}>
      <h1 class="sr">Live alerts</h1>
      <div class="bar">
        <FilterBox />
        <button class="btn only-narrow" id="sheet-open" onClick={openSheet}><Icon name="filter" />Filters</button>
        <button class="btn" id="pause" aria-pressed={paused.value} onClick={pause}><Icon name={paused.value ? 'play' : 'pause'} />{paused.value ? 'Resume ' : 'Pause '}<kbd>p</kbd></button>
      </div>
      <Banner />
      <aside class="facets" id="facets" aria-label="Facets"><Facets /></aside>
      <div class="main">
        <Strip hidden={none} />
        <div class="list" role="region" aria-label="Alerts, newest first">
          <NewBar />
          <Columns hidden={none} />
          <Rows />
          <Older />
          {none && <Empty />}
        </div>
        <Foot />
      </div>
    </div>
  );
}

function NewBar() {
  const waiting = alerts.waiting.value, critical = waiting.filter(r => r.rule.severity === 'critical').length;
  return (
    <button class="newbar" id="new" hidden={!waiting.length} onClick={release}>
      <Icon name="up" />{plural(waiting.length, 'new alert')}{critical > 0 && `, ${number(critical)} of them critical`} <kbd>.</kbd>
    </button>
  );
}

function Columns({ hidden }: { hidden: boolean }) {
  const n = Math.max(alerts.total.value - alerts.waiting.value.length, alerts.rows.value.length);
  return (
    <div class="list-cols" aria-hidden="true" hidden={hidden}>
      <span /><span id="total">{alerts.loaded.value ? `${plural(n, 'alert')}, newest first` : 'Loading'}</span><span>Key</span><span class="c-rule">Rule</span><span>Against limit</span>
      <span class="num c-cnt" title="Further alerts held back by suppression">Held</span><span class="num">Age</span>
    </div>
  );
}

function Older() {
  const busy = useSignal(false);
  const load = async () => {
    busy.value = true;
    await alerts.older();
    busy.value = false;
  };
  return <button class="older" id="older" hidden={!alerts.more.value} disabled={busy} onClick={load}>Show older</button>;
}

function Foot() {
  const newest = alerts.rows.value[0];
  return (
    <div class="foot">
      <span><kbd>j</kbd><kbd>k</kbd>move</span><span><kbd>o</kbd>open</span><span><kbd>/</kbd>filter</span><span><kbd>p</kbd>pause</span><span><kbd>?</kbd>all keys</span>
      <span class="received">{newest && `newest emitted ${stamp(newest.emitted, true)}; the newest ${number(alerts.keptMax.value)} are kept here`}</span>
    </div>
  );
}
