import { render } from 'preact';
import { App } from './app';
import { listenToKeys } from './keys';
import { start } from './page';

render(<App />, document.getElementById('app')!);
listenToKeys();
await start();
