// Drives the page in Chromium. The Go test that starts this serves pages and does what is asked at CONTROL.
//   node browser.mjs CONTROL NOW [SHOTS]
// prints one JSON line for each test: {"test", "error", "ms"}. Screenshots go to the folder SHOTS, if one is named. CHROMIUM is the browser's path.
import { chromium } from 'playwright-core';
import { transformWithOxc } from 'vite';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';

const [control, now, shots = ''] = process.argv.slice(2);
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const desktop = { width: 1440, height: 900 }, phone = { width: 375, height: 812 };
const atOnce = 5; // tests: they wait more than they work

async function post(path) {
  const answer = await fetch(control + path, { method: 'POST' }), text = await answer.text();
  assert.equal(answer.status, 200, `${path}: ${text}`);
  return text;
}

// serve starts a server of the test's own, with so many of the samples. ask has it do something.
async function serve(samples) {
  const [id, base] = (await post('/new?samples=' + samples)).split(' ');
  return { base, ask: what => post(`/${id}${what}`) };
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
const tests = [];
let failed = false;

// test has a page and a server of its own, and fails on anything that the browser complains of.
function test(name, run, { viewport = desktop, dark = false, path = '/', offline = false, policy = false, ticking = false, samples = 7 } = {}) {
  tests.push({ name, run: async () => {
    const host = await serve(samples);
    const context = await browser.newContext({ viewport, colorScheme: dark ? 'dark' : 'light', locale: 'en-GB', timezoneId: 'Europe/Paris', reducedMotion: 'reduce' });
    try {
      const page = await context.newPage(), complaints = [];
      await (ticking ? page.clock.install({ time: new Date(now) }) : page.clock.setFixedTime(new Date(now)));
      page.on('console', m => { if (['error', 'warning'].includes(m.type()) && !(policy && /Content Security Policy|TrustedHTML|Trusted Type/.test(m.text())) && !(offline && /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|404|503/.test(m.text()))) complaints.push(m.text()); });
      page.on('pageerror', e => complaints.push(String(e)));
      page.on('dialog', d => { complaints.push('a dialog: ' + d.message()); d.dismiss(); });
      page.on('request', r => { if (!r.url().startsWith(host.base)) complaints.push('a request to ' + r.url()); });
      page.setDefaultTimeout(30_000);
      await page.goto(host.base + path);
      try { await run(page, host); } catch (err) {
        await shot(page, 'failed-' + name.replace(/\W+/g, '-')).catch(() => {});
        throw complaints.length ? new Error(`${err.stack}\ncomplaints: ${complaints.join('; ')}`) : err;
      }
      assert.deepEqual(complaints, []);
    } finally {
      await context.close();
    }
  } });
}

// pure tests a module of the page here, without a browser.
function pure(name, run) { tests.push({ name, run }); }

async function source(file) {
  const url = new URL('../src/' + file, import.meta.url);
  const { code } = await transformWithOxc(readFileSync(url, 'utf8'), url.pathname);
  return import('data:text/javascript,' + encodeURIComponent(code));
}

async function worker() {
  for (let next = tests.shift(); next; next = tests.shift()) {
    const began = performance.now();
    let error = '';
    try { await next.run(); } catch (err) { error = String(err?.stack ?? err); failed = true; }
    console.log(JSON.stringify({ test: next.name, error, ms: Math.round(performance.now() - began) }));
  }
}

const rows = page => page.locator('#rows .row');
const sentences = page => rows(page).locator('.say').allTextContents();
const live = page => page.locator('#state', { hasText: /^Live$/ }).waitFor();
const count = async (page, n) => { await page.waitForFunction(n => document.querySelectorAll('#rows .row').length === n, n); };
const shot = async (page, name, fullPage = false) => { if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage }); };

// accessible lets axe look at the page; at nothing but the colours where these alone are different.
async function accessible(page, onlyColours = false) {
  if (!await page.evaluate(() => 'axe' in window)) await page.evaluate(axeSource);
  const { violations } = await page.evaluate(runOnly => axe.run(document, { runOnly, resultTypes: ['violations'] }), onlyColours ? ['color-contrast'] : ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']);
  assert.deepEqual(violations.map(v => `${v.id}: ${v.nodes.map(n => n.html + ' ' + n.failureSummary).join('\n')}`), []);
}

// fits says that nothing sticks out at the side.
const fits = async page => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the window');

// The longest come first.
for (const [size, viewport] of Object.entries({ desktop, phone })) for (const theme of ['light', 'dark']) {
  test(`every part is sound on a ${size}, ${theme}`, async (page, { base, ask }) => {
    await ask('/publish');
    await page.reload();
    await count(page, 8);
    await live(page);
    await page.locator('#status').waitFor();
    await page.waitForFunction(() => document.querySelector('#rate').textContent !== '–');
    const see = async name => { await accessible(page, theme === 'dark'); await fits(page); await shot(page, `${name}-${size}-${theme}`); };
    await see('live');
    await rows(page).first().locator('.say').click();
    await page.locator('#related, h1.title').first().waitFor();
    await see('alert');
    await shot(page, `alert-full-${size}-${theme}`, true);
    await page.locator('.nav a', { hasText: 'Pipeline' }).click();
    await page.locator('#finding', { hasText: 'One partition is behind: payments / 1, by 24.6 s.' }).waitFor();
    await see('pipeline');
    await shot(page, `pipeline-full-${size}-${theme}`, true);
    if (size === 'phone') {
      await page.locator('.nav a', { hasText: 'Alerts' }).click();
      await page.locator('#sheet-open').click();
      await see('sheet-open');
      await page.locator('#sheet .facet', { hasText: 'Low' }).click();
      await page.locator('#sheet-done', { hasText: 'Show 2 alerts' }).waitFor();
      await see('sheet');
      await page.locator('#sheet-done').click();
      await count(page, 2);
    }
    await page.goto(base + '/no/such/page');
    await see('404');
  }, { viewport, dark: theme === 'dark', offline: true });
}

test('a new alert appears without a reload', async (page, { ask }) => {
  await count(page, 7);
  await live(page);
  await page.evaluate(() => { window.same = true; });
  await ask('/publish');
  await count(page, 8);
  const [first] = await sentences(page);
  assert.equal(first, 'cust-48213 paid €1,284.00, 6.1 times their usual €210.40');
  assert.equal(await rows(page).first().locator('.say b').textContent(), '€1,284.00');
  assert.equal(await rows(page).first().locator('.vs').textContent(), '2.9 ×');
  assert.ok(await page.evaluate(() => window.same));
  await page.locator('#badge', { hasText: '8' }).waitFor();
  await page.locator('#strip svg[aria-label="8 alerts in the last hour, at most 4 in a minute"]').waitFor();
  assert.equal(await page.locator('#rate').textContent(), '2,412');
  assert.equal(await page.locator('#lag').textContent(), '24.6 s');
});

test('the filter works, counts, and is the URL', async (page, { ask }) => {
  await count(page, 7);
  await page.locator('#facets .facet', { hasText: 'Medium' }).click();
  await count(page, 2);
  assert.equal(new URL(page.url()).search, '?severity=medium');
  await page.locator('#facets .facet', { hasText: 'Low' }).click();
  await count(page, 4);
  await page.locator('#q').fill('rule:two-pizzas-one-day ');
  await page.keyboard.press('Enter');
  await count(page, 2);
  assert.deepEqual(await page.locator('.chip').allTextContents(), ['severitymedium', 'severitylow', 'ruletwo-pizzas-one-day']);
  await page.locator('#q').fill('TOMASZ');
  await count(page, 1);
  assert.equal(new URL(page.url()).search, '?severity=medium&severity=low&rule=two-pizzas-one-day&q=TOMASZ');
  await page.reload();
  await count(page, 1);
  assert.equal(await page.locator('#q').inputValue(), 'TOMASZ');
  await ask('/publish'); // does not match
  await page.locator('#q').fill('nobody');
  await page.locator('.empty h2', { hasText: 'No alert matches' }).waitFor();
  assert.ok((await page.locator('.empty p').textContent()).includes('severity medium or low, rule two-pizzas-one-day, nobody'));
  await accessible(page);
  await shot(page, 'nomatch');
  await page.locator('.empty button').click();
  await count(page, 8);
  assert.equal(new URL(page.url()).search, '');
  await page.locator('#q').press('Backspace'); // of nothing does nothing
  await count(page, 8);
});

test('the box is left to the hand that types', async page => {
  await count(page, 7);
  await page.locator('#q').pressSequentially('bought ');
  await count(page, 2);
  await page.waitForFunction(() => location.search === '?q=bought');
  assert.equal(await page.locator('#q').inputValue(), 'bought ');
  await page.keyboard.type('3');
  await count(page, 1);
});

for (const focused of ['cart-abandoned', 'two-pizzas-one-day']) {
  test(`the focus stays with ${focused} when facets move`, async (page, { ask }) => {
    const rules = () => page.locator('#facets .facet', { hasText: /^(two-pizzas|cart-a)/ }).evaluateAll(all => all.map(f => f.title));
    await page.evaluate(() => { delete Element.prototype.moveBefore; }); // not every browser has it
    await count(page, 1);
    await live(page);
    await ask('/publish?guest=1');
    await page.locator('#facets .facet', { hasText: 'two-pizzas-one-day1' }).waitFor();
    await page.locator(`#facets .facet[title=${focused}]`).focus();
    assert.deepEqual(await rules(), ['cart-abandoned', 'two-pizzas-one-day']);
    await ask('/publish?guest=2');
    await page.locator('#facets .facet', { hasText: 'two-pizzas-one-day2' }).waitFor();
    assert.deepEqual(await rules(), ['two-pizzas-one-day', 'cart-abandoned']);
    assert.equal(await page.evaluate(() => document.activeElement.title), focused);
  }, { samples: 1 });
}

test('a filtered list takes only what matches from the stream', async (page, { ask }) => {
  await count(page, 1);
  await live(page);
  await ask('/publish');
  await ask('/publish?guest=1');
  await count(page, 1);
  await page.locator('#total', { hasText: '1 alert,' }).waitFor();
  await ask('/publish?guest=2&severity=critical');
  await count(page, 2);
}, { path: '/?severity=critical' });

test('an alert opens by click and by URL', async (page, { ask }) => {
  await ask('/publish');
  await count(page, 8);
  await rows(page).first().click({ position: { x: 900, y: 18 } });
  const check = async () => {
    await page.locator('h1.title', { hasText: 'cust-48213 paid €1,284.00' }).waitFor();
    assert.deepEqual(await page.locator('.operand .ratio').allTextContents(), ['2.0 ×the limit', '2.9 ×the limit']);
    assert.deepEqual(await page.locator('.operand .t-lim').allTextContents(), ['limit 631.2', 'limit 443']);
    assert.deepEqual(await page.locator('[aria-label=Features] tbody tr').first().locator('td').allTextContents(), ['usual', '210.4', 'avg of amount', '38', '30 d, without this event', '24 Oct 15:31:27 – 14:31:27']);
    const event = await page.locator('pre.json').textContent();
    assert.ok(event.includes('"serial": 9007199254740993') && event.includes('"amount": 1284.00'), event);
    assert.equal(await page.locator('pre.json mark').textContent(), '1284.00');
    assert.ok((await page.locator('main').textContent()).includes('payment / 7 @ 18,442,907'));
    assert.equal(await page.locator('[aria-label=Evidence] tbody tr').count(), 1);
    assert.deepEqual(await page.locator('.kv a').evaluateAll(all => all.map(a => a.href)), ['https://example.org/runbook']);
  };
  await check();
  assert.match(new URL(page.url()).pathname, /^\/alerts\/[0-9a-f]{32}$/);
  assert.match(await page.title(), /^cust-48213 paid/);
  await page.reload();
  await check();
  await page.goBack();
  await count(page, 8);
  await page.goForward();
  await check();
  await page.keyboard.press('j');
  await page.locator('h1.title', { hasText: 'ann bought 2 pizzas' }).waitFor();
  await page.keyboard.press('u');
  await count(page, 8);
  // Whoever goes on before an alert has come does not get it afterwards.
  await page.route('**/api/v1/alerts/*', async route => { await new Promise(done => setTimeout(done, 300)); await route.continue(); });
  await rows(page).first().locator('.say').click();
  await page.goBack();
  await count(page, 8);
  await page.waitForTimeout(600);
  assert.equal(await page.locator('h1.title').count(), 0);
});

test('an alert that is not kept says what to do', async page => {
  await page.locator('h1', { hasText: 'not kept here' }).waitFor();
  assert.ok((await page.locator('.empty').textContent()).includes('alerts topic'));
}, { path: '/alerts/00000000000000000000000000000000', offline: true });

test('the keyboard does all of it', async page => {
  await count(page, 7);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  const all = await sentences(page);
  assert.equal(await focused(), all[0]);
  assert.equal(await page.locator('#rows [tabindex="0"]').count(), 1);
  await page.keyboard.press('j');
  await page.keyboard.press('o');
  await page.locator('h1.title', { hasText: all[1] }).waitFor();
  await page.keyboard.press('u');
  await count(page, 7);
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'q');
  await page.keyboard.type('ann?jk');
  assert.equal(await page.locator('#q').inputValue(), 'ann?jk');
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await page.locator('#keys[open]').waitFor();
  await accessible(page);
});

test('new alerts wait while the list is paused', async (page, { ask }) => {
  await live(page);
  await page.keyboard.press('p');
  await page.locator('#state', { hasText: 'Paused' }).waitFor();
  await ask('/publish?guest=1&severity=critical');
  await ask('/publish?guest=2');
  await page.locator('#new', { hasText: '2 new alerts, 1 of them critical' }).waitFor();
  assert.equal(await rows(page).count(), 7);
  assert.match(await page.title(), /^\(2\)/);
  await accessible(page);
  await shot(page, 'paused');
  await page.locator('#new').click();
  await count(page, 9);
  await page.keyboard.press('p');
  await live(page);
});

test('older alerts are loaded on request', async (page, { ask }) => {
  await ask('/publish?guest=1&count=300');
  await page.reload();
  await count(page, 100);
  for (const n of [200, 300, 307]) {
    await page.locator('#older').click();
    await count(page, n);
  }
  assert.equal(await page.locator('#older').isVisible(), false);
  assert.equal(new Set(await rows(page).evaluateAll(all => all.map(r => r.dataset.id))).size, 307);
});

test('hostile text stays text', async (page, { ask }) => {
  await live(page);
  await ask('/publish?hostile=1');
  await count(page, 8);
  const check = async () => {
    assert.equal(await page.locator('main img, main script, main iframe, main svg[onload], main b[onmouseover]').count(), 0);
    assert.doesNotMatch(await page.title(), /^owned/);
  };
  assert.ok((await sentences(page))[0].startsWith('<b onmouseover=alert(1)>bold</b>'));
  await check();
  await rows(page).first().locator('.say').click();
  await page.locator('h1.title', { hasText: '<b onmouseover' }).waitFor();
  assert.ok((await page.locator('pre.json').textContent()).includes("</pre><script>document.title='owned'</script>"));
  assert.ok((await page.locator('.facts').textContent()).includes('<script>alert(1)</script>'));
  await check();
  await fits(page);
  await shot(page, 'hostile');
});

test('the policy refuses what a mistake would let in', async page => {
  await live(page);
  const refused = await page.evaluate(async () => {
    const violated = [];
    document.addEventListener('securitypolicyviolation', e => violated.push(e.effectiveDirective));
    let markup = 'taken';
    try { document.body.insertAdjacentHTML('beforeend', '<b>x</b>'); } catch { markup = 'refused'; }
    const inline = document.createElement('div');
    inline.setAttribute('style', 'color: red');
    await fetch('https://example.org/').catch(() => {});
    await new Promise(done => setTimeout(done, 200)); // violations are reported a little later
    return { markup, violated };
  });
  assert.equal(refused.markup, 'refused');
  assert.ok(refused.violated.includes('connect-src') && refused.violated.includes('style-src-attr'), String(refused.violated));
}, { policy: true });

test('a restarted server is caught up with', async (page, { ask }) => {
  await count(page, 7);
  await live(page);
  await ask('/stop');
  await page.locator('#state', { hasText: 'Reconnecting' }).waitFor();
  await page.locator('#banner', { hasText: 'Disconnected from the server' }).waitFor();
  await accessible(page);
  assert.equal(await page.locator('#rate').textContent(), '–');
  await shot(page, 'disconnected');
  await ask('/start'); // has the seven, and an eighth that nobody has seen
  await count(page, 8);
  await live(page);
  assert.equal(await page.locator('#banner').isVisible(), false);
  await ask('/publish?guest=5');
  await count(page, 9);
  assert.equal(new Set(await rows(page).evaluateAll(all => all.map(r => r.dataset.id))).size, 9);
}, { offline: true });

test('a connection that is cut goes on where it was', async (page, { ask }) => {
  await count(page, 7);
  await live(page);
  await ask('/cut?guest=1');
  await count(page, 8);
  await live(page);
}, { offline: true });

test('a connection that is silent is stale, and is given up', async (page, { ask }) => {
  await live(page);
  await page.clock.fastForward(21_000);
  await page.locator('#state', { hasText: 'Stale' }).waitFor();
  await page.locator('#banner', { hasText: 'Nothing was heard' }).waitFor();
  await page.clock.fastForward(20_000);
  await live(page);
  await ask('/publish');
  await count(page, 8);
}, { ticking: true });

test('nothing moves under the hand', async (page, { ask }) => {
  await live(page);
  await page.keyboard.press('j'); // the focus is in the list
  await ask('/publish');
  await page.locator('#new', { hasText: '1 new alert' }).waitFor();
  await page.keyboard.press('.');
  await count(page, 8);
  await ask('/publish?guest=1&count=40'); // the focus has left it
  await count(page, 48);
  await page.mouse.wheel(0, 300);
  await page.waitForFunction(() => scrollY > 8);
  await ask('/publish?guest=90');
  await page.locator('#new', { hasText: '1 new alert' }).waitFor();
  assert.equal(await rows(page).count(), 48);
});

pure('the page filters as the server does', async () => {
  const { base, ask } = await serve(7), { matches, filterOf } = await source('filter.ts');
  await ask('/publish?hostile=1');
  const list = async query => (await (await fetch(`${base}/api/v1/alerts?limit=500&${query}`)).json()).alerts;
  const all = await list(''), wrong = [];
  assert.equal(all.length, 8);
  const words = ['', 'PIZZAS TODAY', 'two-pizzas-one', 'in one day', 'critical', 'banana.sold', '<script>', 'demo', 'firing', ' lyon '];
  const facets = [''].concat(...['severity', 'rule', 'source'].map(n => [...new Set(all.map(r => `${n}=${encodeURIComponent(n === 'source' ? r.source : n === 'rule' ? r.rule.id : r.rule.severity)}`))].slice(0, 4)),
    all.slice(0, 3).map(r => 'key=' + encodeURIComponent(r.key_text)), ['severity=low&severity=high', 'key=none', 'severity=low&source=banana.sold']);
  for (const q of words) for (const f of facets) {
    const query = f + '&q=' + encodeURIComponent(q), theirs = (await list(query)).map(r => r.id), ours = all.filter(r => matches(filterOf(query), r)).map(r => r.id);
    if (theirs.join() !== ours.join()) wrong.push(query);
  }
  assert.deepEqual(wrong, []);
});

pure('figures and times are written in one way', async () => {
  const { age, bytes, clock, number, seconds, text } = await source('format.ts');
  const at = +new Date(2026, 10, 23, 8, 5, 9);
  assert.equal(clock(at), '08:05:09');
  assert.match(clock(at, true), /^08:05:09 \S+$/);
  assert.deepEqual([59, 60, 3599, 7200, 864000, -5].map(s => age(at - s * 1000, at)), ['59 s', '1 min', '59 min', '2 h', '10 d', '0 s']);
  assert.deepEqual([null, 0, 24.55, 120, 7200].map(s => seconds(s).join(' ')), ['– ', '0.0 s', '24.6 s', '2 min', '2 h']);
  assert.deepEqual([null, 1023, 1536, 412 * 2 ** 20, 5 * 2 ** 50].map(n => bytes(n).join(' ')), ['– ', '1,023 B', '1.5 KiB', '412 MiB', '5,120 TiB']);
  assert.deepEqual([number(-1284.5, 1), number(undefined), text(0.0000012), text(0.534), text({ a: 1 }), text(null), text('x')], ['−1,284.5', '–', '0.000001', '0.534', '{"a":1}', '–', 'x']);
});

pure('events are read whatever the pieces they come in', async () => {
  const { parser } = await source('events.ts');
  const text = ': hello\n\nid: a-1\nevent: alert\ndata: {"a":1}\n\n: heartbeat\n\ndata:x\r\ndata: y\r\n\r\nid: a-2\rdata\r\revent: lost\nid: a-3\n\n';
  const want = JSON.stringify([['a-1', 'alert', '{"a":1}'], ['a-1', 'message', 'x\ny'], ['a-2', 'message', '']]);
  const wrong = [];
  for (let i = 0; i <= text.length; i++) for (let j = i; j <= text.length; j++) {
    const got = [], feed = parser((...event) => got.push(event));
    [text.slice(0, i), text.slice(i, j), text.slice(j)].forEach(feed);
    if (JSON.stringify(got) !== want) wrong.push([i, j, JSON.stringify(got)]);
  }
  assert.deepEqual(wrong.slice(0, 3), []);
});

test('the first run says what to do', async (page, { ask }) => {
  await page.locator('.empty h2', { hasText: 'Waiting for the first event' }).waitFor();
  assert.equal(await page.locator('.cmd').textContent(), 'detector generate payments --brokers localhost:9092 --rate 200');
  await accessible(page);
  await shot(page, 'firstrun');
  await ask('/publish?guest=1');
  await count(page, 1);
  assert.equal(await page.locator('.empty').count(), 0);
}, { samples: 0 });

await Promise.all(Array.from({ length: atOnce }, worker));
await browser.close();
process.exit(failed ? 1 : 0);
