// The page's frame: the bar, the view below it, the help.
import { type ComponentChildren, createRef } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { AlertPage } from './alert';
import { Sheet } from './facets';
import { number, seconds } from './format';
import { Live } from './live';
import { alerts, fresh, isBehind, moves, paused, said, stream, view, worstLag } from './page';
import { Icon, type IconName } from './parts';
import { PipelinePage } from './pipeline';
import { Sprite, Wordmark } from './sprite';
import { nextTheme, theme } from './theme';

export function App() {
  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      <Sprite />
      <header class="top">
        <a href="/" aria-label="insolite, live alerts"><Wordmark /></a>
        <nav class="nav" aria-label="Main">
          <NavLink to="/" icon="alerts" text="Alerts" here={view.value.name !== 'pipeline'}><Badge /></NavLink>
          <NavLink to="/pipeline" icon="pipeline" text="Pipeline" here={view.value.name === 'pipeline'} />
        </nav>
        <Bar />
      </header>
      <Main />
      <p class="sr" role="status" id="announce">{said}</p>
      <Keys />
      <Sheet />
    </>
  );
}

function NavLink({ to, icon, text, here, children }: { to: string; icon: IconName; text: string; here: boolean; children?: ComponentChildren }) {
  return <a href={to} aria-current={here ? 'page' : undefined}><Icon name={icon} /><span>{text}</span>{children}</a>;
}

function Badge() {
  return <span class="badge" id="badge" hidden={!alerts.loaded.value || !alerts.total.value}>{number(alerts.total.value)}</span>;
}

// Main takes the focus when the reader goes on; the list sees to its own.
function Main() {
  const v = view.value, main = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!moves.peek() || v.name === 'live') return;
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [v]);
  return (
    <main id="main" tabIndex={-1} class={v.name === 'live' ? '' : 'page'} ref={main}>
      {v.name === 'live' ? <Live /> : v.name === 'pipeline' ? <PipelinePage /> : <AlertPage id={v.id} />}
    </main>
  );
}

const states = { connecting: ['Connecting', 'pip off'], live: ['Live', 'pip'], stale: ['Stale', 'pip paused'], reconnecting: ['Reconnecting', 'pip off'] } as const;

// Bar tells whether what is seen is true, and the two figures that matter everywhere.
function Bar() {
  const p = fresh.value?.pipeline, worst = worstLag(p);
  const [text, pip] = stream.state.value === 'live' && paused.value ? ['Paused', 'pip paused'] : states[stream.state.value];
  return (
    <div class="status" id="status">
      <span class="live" role="status"><i class={pip} id="pip" /><span id="state">{text}</span></span>
      <span class="sep only-wide" /><span class="only-wide"><span class="v" id="rate">{number(p?.events_per_second)}</span> events/s</span>
      <a class="only-wide wide lagwarn" href="/pipeline">{isBehind(worst) && <Icon name="warn" />}lag <span class="v" id="lag">{seconds(worst?.lag_seconds).join(' ').trim()}</span></a>
      <span class="sep only-wide" />
      <button class="icon-btn" id="theme" aria-label="Switch theme" title={`Theme: ${theme.value || 'follows the system'}`} onClick={nextTheme}><Icon name="theme" /></button>
      <button class="icon-btn only-wide" id="help" aria-label="Keyboard shortcuts" title="Keyboard shortcuts" onClick={showKeys}><kbd>?</kbd></button>
    </div>
  );
}

const keys = createRef<HTMLDialogElement>();

export const showKeys = () => keys.current?.showModal();

function Keys() {
  return (
    <dialog id="keys" aria-labelledby="keys-h" ref={keys}>
      <header><h2 id="keys-h">Keyboard shortcuts</h2></header>
      <div class="body">
        <ul class="keys">
          <li>Next, previous <span><kbd>j</kbd> <kbd>k</kbd></span></li><li>Open <kbd>o</kbd></li><li>Filter <kbd>/</kbd></li><li>Pause the list <kbd>p</kbd></li>
          <li>Show new alerts <kbd>.</kbd></li><li>Back to the list <kbd>u</kbd></li><li>This help <kbd>?</kbd></li>
        </ul>
      </div>
      <footer><button class="btn" id="keys-done" onClick={() => keys.current?.close()}>Done <kbd>Esc</kbd></button></footer>
    </dialog>
  );
}
