// The stream of alerts: read with fetch, because EventSource hides the heartbeat, by which a dead connection is told from a quiet one.
import { batch, signal } from '@preact/signals';
import type { Row } from './api';
import { parser } from './events';
import { asRefused, refusal } from './http';

const staleAfter = 20_000;  // heartbeats come every 15 s
const deadAfter = 40_000;
const retryMax = 10_000;

// connecting, until the first try has ended; stale: nothing is heard; reconnecting: waiting for the next try.
export type StreamState = 'connecting' | 'live' | 'stale' | 'reconnecting';

export class Stream {
  readonly state = signal<StreamState>('connecting');
  readonly since = signal(Date.now()); // when it was lost, or found
  readonly next = signal(0);           // when the next try is due
  heard = 0;                           // when something was last heard
  private last = '';                   // the id seen last
  private after = () => '';
  private abort = new AbortController();
  private wake = () => {};

  constructor(private readonly onAlert: (row: Row) => void, private readonly onReset: () => void) {}

  // start follows the list: after says the id that it gave, empty as long as none is there. It never ends.
  start(after: () => string): void {
    this.after = after;
    setInterval(() => this.watch(), 1000);
    void this.run();
  }

  // retry does not wait for the next try.
  retry(): void { this.wake(); }

  // reconnect gives up the connection that is there.
  reconnect(): void { this.abort.abort(new Error('asked to')); }

  private async run(): Promise<never> {
    for (let failures = 0; ; failures++) {
      this.abort = new AbortController();
      try {
        await this.read(() => { failures = 0; });
      } catch (thrown) {
        console.debug('the stream ended:', asRefused(thrown).message);
      }
      const wait = Math.min(retryMax, 500 * 2 ** failures) * (0.75 + Math.random() / 2);
      this.next.value = Date.now() + wait;
      this.set('reconnecting');
      await new Promise<void>(done => { this.wake = done; setTimeout(done, wait); });
    }
  }

  private async read(connected: () => void): Promise<void> {
    const after = this.last || this.after();
    const answer = await fetch('/api/v1/stream', { headers: after ? { 'Last-Event-ID': after } : {}, signal: this.abort.signal, cache: 'no-store' });
    if (!answer.ok || !answer.body) throw await refusal(answer);
    const feed = parser((id, event, data) => {
      if (id) this.last = id;
      if (event === 'alert') this.onAlert(JSON.parse(data) as Row);
      if (event === 'reset') this.onReset();
    });
    const pieces = answer.body.getReader(), decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await pieces.read();
      if (done) return;
      connected();
      this.heard = Date.now();
      this.set('live');
      batch(() => feed(decoder.decode(value, { stream: true })));
    }
  }

  // watch notices a connection that is open and dead.
  private watch(): void {
    const silent = Date.now() - this.heard;
    if (this.state.value === 'stale' && silent > deadAfter) this.abort.abort(new Error('nothing was heard for 40 s'));
    else if (this.state.value === 'live' && silent > staleAfter) this.set('stale');
  }

  private set(state: StreamState): void {
    const was = this.state.value;
    if (state === was) return;
    batch(() => {
      if (state === 'live' || was === 'live' || was === 'connecting') this.since.value = Date.now();
      this.state.value = state;
    });
  }
}
