// What a reader must know about the list: what is lost, or that nothing is, and what can be done.
import type { ComponentChildren } from 'preact';
import { stamp } from './format';
import { alerts, now, stream } from './page';
import { Icon, type IconName } from './parts';

interface Notice {
  warn?: true;
  icon: IconName;
  text: ComponentChildren;
  button: string;
  act: () => void;
}

export function Banner() {
  const n = notice();
  return <div class={n?.warn ? 'banner warn' : 'banner'} id="banner" role="alert" hidden={!n}>{n && <><Icon name={n.icon} /><span>{n.text}</span><button class="btn" onClick={n.act}>{n.button}</button></>}</div>;
}

function notice(): Notice | null {
  const state = stream.state.value, error = alerts.error.value;
  if (state === 'reconnecting') {
    const away = Math.max(0, Math.round((now.value - stream.since.value) / 1000)), next = Math.max(0, Math.ceil((stream.next.value - now.value) / 1000));
    return {
      icon: 'plug', button: 'Try now', act: () => stream.retry(),
      text: <><b>Disconnected from the server for {away} s.</b> The list stops at {stamp(stream.heard || stream.since.value)}; nothing is lost, it resumes from there. {next ? `Next try in ${next} s.` : 'Trying now.'}</>,
    };
  }
  if (state === 'stale') {
    return {
      warn: true, icon: 'warn', button: 'Reconnect', act: () => stream.reconnect(),
      text: <><b>Nothing was heard from the server for more than 20 s.</b> What you see may be old; the page reconnects by itself.</>,
    };
  }
  if (!error) return null;
  return { icon: 'warn', button: 'Try again', act: () => void alerts.load(), text: <><b>The alerts could not be loaded.</b> {error.message}. {error.cure}</> };
}
