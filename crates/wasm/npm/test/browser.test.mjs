// The demo page in Chromium: what it makes is what the program makes, and it fits a telephone.

import assert from 'node:assert/strict';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { after, before, test } from 'node:test';

import { models, playwright, run, source, target, words } from './common.mjs';

const prose = source('docs/demo/letter.txt');
const folder = join(target, 'demo');
const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** The most bytes that the page may take to load and to compress. */
const MAX_PAGE_LENGTH = 6_000_000;

let server;
let browser;
let address;
/** Bytes that the server was asked for. */
let sent = 0;

const { chromium } = await playwright();

before(async () => {
  server = createServer((request, response) => {
    const path = normalize(new URL(request.url, 'http://localhost').pathname);
    const file = join(folder, path === '/' ? 'index.html' : path);
    if (!existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' });
    sent += statSync(file).size;
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${server.address().port}/`;
  const executablePath = process.env.CZIP_CHROMIUM ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
});

after(async () => {
  await browser?.close();
  server.close();
});

/** A page that is ready, and what went wrong in it: messages on its console, and requests to other places. */
async function open(options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && faults.push(message.text()));
  context.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !url.startsWith('blob:')) {
      faults.push(url);
    }
  });
  await page.goto(address);
  await page.getByRole('button', { name: 'A letter' }).waitFor();
  return { page, faults, close: () => context.close() };
}

/** What the page offers to download, once it says how its work has ended. */
async function downloaded(page, status) {
  await page.getByRole('status').filter({ hasText: status }).waitFor();
  const waiting = page.waitForEvent('download');
  await page.locator('#download').click();
  const download = await waiting;
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

test('a sample gives the file of the program', async () => {
  sent = 0;
  const { page, faults, close } = await open();
  await page.getByRole('button', { name: 'A letter' }).click();
  await page.getByRole('status').filter({ hasText: /bytes became/ }).waitFor();
  assert.ok(sent > 4_000_000 && sent < MAX_PAGE_LENGTH, `${sent} bytes`);
  const file = await downloaded(page, /bytes became/);
  assert.equal(file.name, 'letter.txt.czip');
  assert.ok(file.bytes.equals(run(prose, 'compress')));
  assert.ok(run(file.bytes, 'decompress').equals(prose));
  assert.equal(await page.locator('#command code').innerText(), 'czip -5 letter.txt');

  const rows = await page.locator('#sizes tbody tr').allInnerTexts();
  const sizes = Object.fromEntries(rows.map((row) => row.split('\t')).map(([name, size]) => [name, Number(size.replace(',', ''))]));
  assert.deepEqual(Object.keys(sizes), ['text', 'gzip', 'brotli', 'czip']);
  assert.equal(sizes.text, prose.length);
  assert.equal(sizes.czip, file.bytes.length);
  assert.ok(sizes.czip < sizes.brotli && sizes.brotli < sizes.gzip);

  await page.getByRole('button', { name: 'Restore and compare' }).click();
  await page.getByRole('status').filter({ hasText: 'every byte is the same' }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test('text that is typed, with another level and model', async () => {
  const { page, faults, close } = await open();
  await page.getByLabel('Text to compress').fill('Integers are the same everywhere.\n'.repeat(3));
  await page.getByLabel('Level', { exact: true }).selectOption('9');
  await page.getByLabel('Model', { exact: true }).selectOption('standard');
  // By the keyboard alone.
  await page.getByRole('button', { name: 'Compress' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('status').filter({ hasText: /bytes became/ }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'compress');
  const file = await downloaded(page, /bytes became/);
  const text = Buffer.from('Integers are the same everywhere.\n'.repeat(3));
  assert.ok(file.bytes.equals(run(text, 'compress', '-m', 'standard', '-L', '9')));
  assert.equal(await page.locator('#command code').innerText(), 'czip -m standard -9 text.txt');
  assert.deepEqual(faults, []);
  await close();
});

test('the level takes the model of the program', async () => {
  const { page, faults, close } = await open();
  await page.getByLabel('Text to compress').fill(prose.toString());
  for (const level of ['1', '4', '5']) {
    await page.getByLabel('Level', { exact: true }).selectOption(level);
    await page.getByRole('button', { name: 'Compress' }).click();
    const expected = run(prose, 'compress', '-L', level);
    const file = await downloaded(page, `became ${expected.length}.`);
    assert.ok(file.bytes.equals(expected), `level ${level}`);
  }
  assert.deepEqual(faults, []);
  await close();
});

test('a file that is dropped is compressed', async () => {
  const { page, faults, close } = await open();
  const dropped = await page.evaluateHandle((text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], "Anna's letter.txt"));
    return data;
  }, prose.toString());
  await page.dispatchEvent('#drop', 'dragenter', { dataTransfer: dropped });
  assert.equal(await page.locator('#drop.over').count(), 1);
  await page.dispatchEvent('#drop', 'drop', { dataTransfer: dropped });
  const file = await downloaded(page, /bytes became/);
  assert.equal(file.name, "Anna's letter.txt.czip");
  assert.ok(file.bytes.equals(run(prose, 'compress')));
  assert.equal(await page.locator('#command code').innerText(), String.raw`czip -5 'Anna'\''s letter.txt'`);
  assert.equal(await page.locator('#drop.over').count(), 0);
  assert.deepEqual(faults, []);
  await close();
});

test('files of the program are restored, whatever their model', async () => {
  const { page, faults, close } = await open();
  for (const model of ['standard', 'fast']) {
    // Not UTF-8, with ends of lines that a text area would change.
    const text = Buffer.concat([prose, Buffer.from([0, 0xff, 13, 10])]);
    const buffer = run(text, 'compress', '-m', models[model]);
    await page.locator('#choose').setInputFiles({ name: `${model}.bin.czip`, mimeType: '', buffer });
    await page.locator('#result-title', { hasText: model }).waitFor();
    const restored = await downloaded(page, /were restored/);
    assert.equal(restored.name, `${model}.bin`);
    assert.ok(restored.bytes.equals(text));
  }
  assert.deepEqual(faults, []);
  await close();
});

test('a damaged file is an error that says so', async () => {
  const { page, faults, close } = await open();
  const buffer = run(prose, 'compress', '-m', models.fast);
  buffer[50] ^= 1;
  await page.locator('#choose').setInputFiles({ name: 'letter.txt.czip', mimeType: '', buffer });
  await page.getByRole('status').filter({ hasText: /^Cannot restore letter.txt.czip: .*the file is damaged/ }).waitFor();
  assert.ok(await page.locator('#result').isHidden());
  assert.deepEqual(faults, []);
  await close();
});

test('work can be cancelled', async () => {
  const { page, faults, close } = await open();
  const long = { name: 'long.txt', mimeType: '', buffer: words(600_000) };
  await page.locator('#choose').setInputFiles(long);
  await page.locator('#work-label', { hasText: /Compressing: [1-9]/ }).waitFor();
  assert.ok((await page.locator('#progress').boundingBox()).width > 100);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('status').filter({ hasText: 'Cancelled.' }).waitFor();
  assert.ok(await page.locator('#work').isHidden());
  assert.equal(await page.evaluate(() => document.activeElement.id), 'compress');
  // What is asked for meanwhile takes its place.
  await page.getByRole('button', { name: 'Compress' }).click();
  await page.locator('#work-label', { hasText: /Compressing: [1-9]/ }).waitFor();
  await page.getByRole('button', { name: 'A letter' }).click();
  await page.getByRole('status').filter({ hasText: /bytes became/ }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

/** Nothing is wider than the window, and what can be pressed is neither too small nor broken into lines. */
async function assertFits(page, viewport) {
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(width, viewport.width);
  for (const control of await page.locator('button:visible, select:visible, a.button:visible').all()) {
    const { x, width, height } = await control.boundingBox();
    const fits = x >= 0 && x + width <= viewport.width && height >= 32 && height <= 44;
    assert.ok(fits, await control.innerText());
  }
}

test('everything fits a telephone, in both themes', async () => {
  for (const colorScheme of ['light', 'dark']) {
    for (const viewport of [{ width: 360, height: 740 }, { width: 1000, height: 900 }]) {
      const { page, faults, close } = await open({ viewport, colorScheme });
      await page.getByRole('button', { name: 'A letter' }).click();
      await page.getByRole('status').filter({ hasText: /bytes became/ }).waitFor();
      await assertFits(page, viewport);
      const contrast = await page.evaluate(() => {
        const style = getComputedStyle(document.body);
        return [style.color, style.backgroundColor];
      });
      assert.equal(contrast[0] === 'rgb(230, 233, 231)', colorScheme === 'dark');
      if (process.env.CZIP_SCREENSHOTS !== undefined) {
        const path = join(process.env.CZIP_SCREENSHOTS, `${colorScheme}-${viewport.width}.png`);
        await page.screenshot({ path, fullPage: true });
      }
      const damaged = { name: 'a-name-that-is-longer-than-a-telephone-is-wide.txt.czip', mimeType: '', buffer: Buffer.from('?') };
      await page.locator('#choose').setInputFiles(damaged);
      await page.locator('#status.error').waitFor();
      await assertFits(page, viewport);
      assert.deepEqual(faults, []);
      await close();
    }
  }
});
