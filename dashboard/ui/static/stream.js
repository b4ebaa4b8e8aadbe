// The stream of alerts: read with fetch, because EventSource hides the heartbeat, by which a dead connection is told from a quiet one.

const staleAfter = 20_000;  // heartbeats come every 15 s
const deadAfter = 40_000;
const retryMax = 10_000;

// parser returns a function that takes pieces of text and calls on(id, event, data) for each event, as the specification says.
export function parser(on) {
  let rest = '', id = '', event = '', data = [];
  return piece => {
    const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (data.length) on(id, event || 'message', data.join('\n'));
        event = ''; data = [];
        continue;
      }
      const [, name, text] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === 'data') data.push(text);
      else if (name === 'event') event = text;
      else if (name === 'id') id = text;
    }
  };
}

// Stream keeps a connection and its state: connecting, live, stale (nothing heard), reconnecting (with cause, since, next).
export class Stream {
  constructor({ onAlert, onReset, onState }) {
    Object.assign(this, { onAlert, onReset, onState, last: '', state: 'connecting', since: Date.now(), next: 0, cause: '', heard: 0 });
  }

  start(after) {
    this.last = after;
    setInterval(() => this.watch(), 1000);
    this.run();
  }

  // retry does not wait for the next try.
  retry() { this.wake?.(); }

  async run() {
    for (let failures = 0; ; failures++) {
      this.abort = new AbortController();
      try {
        await this.read(() => { failures = 0; });
        this.cause = 'the server ended the stream';
      } catch (err) {
        this.cause = err.message;
      }
      const wait = Math.min(retryMax, 500 * 2 ** failures) * (0.75 + Math.random() / 2);
      this.next = Date.now() + wait;
      this.set('reconnecting');
      await new Promise(done => { this.wake = done; setTimeout(done, wait); });
    }
  }

  async read(connected) {
    const answer = await fetch('/api/v1/stream', { headers: this.last ? { 'Last-Event-ID': this.last } : {}, signal: this.abort.signal, cache: 'no-store' });
    if (!answer.ok) throw new Error((await answer.json()).error?.message ?? `the server answered ${answer.status}`);
    const feed = parser((id, event, data) => {
      if (id) this.last = id;
      if (event === 'alert') this.onAlert(JSON.parse(data));
      if (event === 'reset') this.onReset();
    });
    const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await text.read();
      if (done) return;
      connected();
      this.heard = Date.now();
      this.set('live');
      feed(value);
    }
  }

  // watch notices a connection that is open and dead.
  watch() {
    const silent = Date.now() - this.heard;
    if (this.state === 'stale' && silent > deadAfter) this.abort.abort(new Error('nothing was heard for 40 s'));
    else if (this.state === 'live' && silent > staleAfter) this.set('stale');
    else if (this.state === 'reconnecting') this.onState(this);
  }

  set(state) {
    if (state === this.state) return;
    if (state === 'live' || this.state === 'live' || this.state === 'connecting') this.since = Date.now();
    this.state = state;
    this.onState(this);
  }
}
