// The page: what is entered, one worker that compresses and restores, and what comes of it.

import { CzipWorker, builtinFor } from './czip/czip.js';

/** Those beside the page. */
const MODELS = ['standard', 'fast'];

/** What every file of czip v2 begins with. */
const MAGIC = [0xfa, 0x63, 0x7a];

const EXTENSION = '.czip';

/** Text of files longer than this is not shown for editing. */
const MAX_SHOWN_LENGTH = 1 << 18;

const element = (id) => document.getElementById(id);
const text = element('text');
const model = element('model');
const level = element('level');

/** The model that is loaded before it is asked for. */
const first = builtinFor(Number(level.value));
const worker = new CzipWorker({ wasm: module(), model: modelFile(first) });
/** The ids of the models that were loaded, by name. */
const models = new Map();
/** The file that was chosen, or the sample that is shown: its name and bytes, and what is known of it. */
let source = null;
/** What aborts the newest work, until that is done. */
let running = null;
/** The end of the newest work, whatever came of it. */
let ended = Promise.resolve();
/** What was made: a name and bytes, and the text of a compressed file. */
let made = null;

element('compress').addEventListener('click', () => workIfIdle(isCompressed(entered()) ? restoreFile : compress));
element('cancel').addEventListener('click', () => running?.abort());
element('restore').addEventListener('click', () => workIfIdle(compare));
element('choose').addEventListener('change', ({ target }) => {
  take(target.files[0]);
  // So the same file can be chosen again.
  target.value = '';
});
element('file-remove').addEventListener('click', () => {
  enter({ name: 'text.txt', bytes: new Uint8Array() });
  text.focus();
});
text.addEventListener('input', () => {
  source = null;
  nameAction();
});

const drop = element('drop');
let depth = 0;
document.addEventListener('dragenter', (event) => {
  event.preventDefault();
  depth += 1;
  drop.classList.add('over');
});
document.addEventListener('dragleave', () => {
  depth -= 1;
  drop.classList.toggle('over', depth > 0);
});
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  depth = 0;
  drop.classList.remove('over');
  take(event.dataTransfer.files[0]);
});

function take(file) {
  if (file === undefined) {
    return;
  }
  work(async (signal) => {
    const bytes = await file.arrayBuffer().catch((error) => {
      throw new Error(`cannot read ${file.name}: ${error.message}`, { cause: error });
    });
    enter({ name: file.name, bytes: new Uint8Array(bytes) });
    await (isCompressed(entered()) ? restoreFile(signal) : compress(signal));
  });
}

async function showSamples() {
  const samples = await (await fetched('samples/samples.json')).json();
  for (const sample of samples) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = sample.name;
    button.addEventListener('click', () =>
      work(async (signal) => {
        const bytes = new Uint8Array(await (await fetched(`samples/${sample.file}`, { signal })).arrayBuffer());
        enter({ name: sample.file, bytes, brotli: sample.brotli });
        await compress(signal);
      }),
    );
    element('samples').append(button);
  }
}

/** Shows what is to be compressed: as text if it is text. */
function enter(input) {
  const shown = input.bytes.length <= MAX_SHOWN_LENGTH ? decoded(input.bytes) : null;
  text.value = shown ?? '';
  text.setSelectionRange(0, 0);
  text.scrollTop = 0;
  // Text areas change the ends of lines: what is compressed is the file as it is.
  source = shown === null || input.bytes.length > 0 ? input : null;
  text.hidden = shown === null;
  element('file').hidden = shown !== null;
  element('file-name').textContent = input.name;
  element('file-length').textContent = `${number(input.bytes.length)} bytes`;
  nameAction();
}

function nameAction() {
  element('compress').textContent = isCompressed(entered()) ? 'Restore' : 'Compress';
}

function entered() {
  return source ?? { name: 'text.txt', bytes: new TextEncoder().encode(text.value) };
}

/** Whether it is to be restored: a file that is called so is, even if its beginning is damaged. */
function isCompressed({ name, bytes }) {
  return name.endsWith(EXTENSION) || MAGIC.every((byte, at) => bytes[at] === byte);
}

/** Does one thing at a time: the newest, in place of what is being done. */
function work(task) {
  running?.abort();
  const controller = new AbortController();
  running = controller;
  ended = ended.then(() => run(task, controller));
}

function workIfIdle(task) {
  if (running === null) {
    work(task);
  }
}

async function run(task, controller) {
  const isNewest = () => running === controller;
  if (!isNewest()) {
    return;
  }
  setBusy(true);
  say('');
  try {
    await task(controller.signal);
  } catch (error) {
    if (!isNewest()) {
      return;
    }
    if (error.name === 'AbortError') {
      say('Cancelled.');
    } else {
      say(sentence(error.message), true);
    }
  } finally {
    if (isNewest()) {
      running = null;
      setBusy(false);
    }
  }
}

/** The buttons stay where the keyboard is. */
function setBusy(isBusy) {
  for (const id of ['compress', 'restore']) {
    element(id).setAttribute('aria-disabled', isBusy);
  }
  if (!isBusy) {
    if (document.activeElement === element('cancel')) {
      element('compress').focus();
    }
    element('work').hidden = true;
  }
}

async function compress(signal) {
  const { name, bytes, brotli } = entered();
  if (bytes.length === 0) {
    say('There is no text yet.');
    text.focus();
    return;
  }
  element('result').hidden = true;
  const settings = { model: model.value, level: Number(level.value) };
  const id = await loaded(settings.model || builtinFor(settings.level));
  const started = performance.now();
  const file = await worker.compress(bytes, {
    level: settings.level,
    model: id,
    signal,
    onProgress: ({ done }) => tell('Compressing', done, bytes.length),
  });
  const seconds = (performance.now() - started) / 1000;
  const sizes = [
    ['text', bytes.length],
    ['gzip', await sizeWith('gzip', bytes)],
    ['brotli', brotli ?? (await sizeWith('brotli', bytes))],
    ['czip', file.length],
  ];
  showSizes(sizes.filter(([, size]) => size !== null));
  element('result-title').textContent = name;
  // Short texts are over before the module has become fast.
  const pace = bytes.length < 10_000 ? '' : `, ${speed(bytes.length / seconds)}`;
  element('facts').textContent = `${duration(seconds)}${pace}, on one thread.`;
  element('command').hidden = false;
  element('command').querySelector('code').textContent = commandFor(name, settings);
  offer({ name: `${name}${EXTENSION}`, bytes: file, text: bytes });
  say(`${number(bytes.length)} bytes became ${number(file.length)}.`);
}

/** What makes the same file in a shell. */
function commandFor(name, settings) {
  const option = settings.model === '' ? '' : `-m ${settings.model} `;
  const argument = /^[\w./][\w./-]*$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
  return `czip ${option}-${settings.level} ${argument}`;
}

async function restoreFile(signal) {
  const { name, bytes } = entered();
  element('result').hidden = true;
  const started = performance.now();
  const restored = await textOf(bytes, signal).catch((error) => {
    const isCancelled = error.name === 'AbortError';
    throw isCancelled ? error : new Error(`cannot restore ${name}: ${error.message}`, { cause: error });
  });
  const seconds = (performance.now() - started) / 1000;
  showSizes([
    ['czip', bytes.length],
    ['text', restored.length],
  ]);
  element('result-title').textContent = name;
  element('facts').textContent = `Restored in ${duration(seconds)}; its checksum is right.`;
  element('command').hidden = true;
  const shown = name.endsWith(EXTENSION) ? name.slice(0, -EXTENSION.length) : `${name}.txt`;
  enter({ name: shown, bytes: restored });
  offer({ name: shown, bytes: restored, text: null });
  say(`${number(restored.length)} bytes were restored.`);
}

async function compare(signal) {
  const { bytes, text: original } = made;
  const restored = await textOf(bytes, signal);
  const isSame = restored.length === original.length && restored.every((byte, at) => byte === original[at]);
  say(isSame ? 'Restored: every byte is the same.' : 'The restored text differs. Please report this.', !isSame);
}

async function textOf(file, signal) {
  const { textLength } = await worker.info(file);
  const options = { signal, onProgress: ({ done }) => tell('Restoring', done, textLength) };
  try {
    return await worker.decompress(file, options);
  } catch (error) {
    if (error.kind !== 'missing-model' || MODELS.every((name) => models.has(name))) {
      throw error;
    }
  }
  // The file names its model: it may be one that was not needed so far.
  for (const name of MODELS) {
    await loaded(name);
  }
  return worker.decompress(file, options);
}

/** The id of a model, which is loaded if it was not. */
async function loaded(name) {
  if (models.has(name)) {
    return models.get(name);
  }
  busy('Loading the model');
  const [info] = name === first ? await worker.ready : [await worker.addModel(modelFile(name))];
  models.set(name, info.id);
  return info.id;
}

/** The bytes that a codec of the browser makes, or null if it has none of that name. */
async function sizeWith(codec, bytes) {
  let stream;
  try {
    stream = new CompressionStream(codec);
  } catch {
    return null;
  }
  const packed = new Response(new Blob([bytes]).stream().pipeThrough(stream));
  return (await packed.arrayBuffer()).byteLength;
}

function showSizes(sizes) {
  const length = sizes.find(([name]) => name === 'text')[1];
  const rows = sizes.map(([name, size]) => {
    const row = document.createElement('tr');
    row.classList.toggle('ours', name === 'czip');
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = name;
    const bytes = cell(number(size), 'number');
    const share = cell(length === 0 ? '' : `${((100 * size) / length).toFixed(1)} %`, 'number');
    const chart = cell('', '');
    chart.setAttribute('aria-hidden', 'true');
    const bar = document.createElement('div');
    bar.className = 'bar';
    bar.style.width = `${Math.min(100, (100 * size) / Math.max(1, length))}%`;
    chart.append(bar);
    row.append(head, bytes, share, chart);
    return row;
  });
  element('sizes').tBodies[0].replaceChildren(...rows);
}

function cell(content, className) {
  const cell = document.createElement('td');
  cell.textContent = content;
  cell.className = className;
  return cell;
}

function offer(result) {
  const download = element('download');
  URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(new Blob([result.bytes]));
  download.download = result.name;
  download.textContent = `Download ${result.name}`;
  made = result;
  element('restore').hidden = result.text === null;
  element('result').hidden = false;
  element('result').scrollIntoView({ block: 'nearest' });
}

function busy(label) {
  showWork(`${label} …`);
  element('progress').removeAttribute('value');
}

function tell(label, done, total) {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  showWork(`${label}: ${Math.floor(100 * share)} %`);
  element('progress').value = share;
}

function showWork(label) {
  element('cancel').hidden = running === null;
  element('work-label').textContent = label;
  if (element('work').hidden) {
    element('work').hidden = false;
    element('work').scrollIntoView({ block: 'nearest' });
  }
}

function say(message, isError = false) {
  element('status').textContent = message;
  element('status').classList.toggle('error', isError);
}

async function module() {
  const response = await inflated('czip.wasm');
  return WebAssembly.compile(await response.arrayBuffer());
}

function modelFile(name) {
  return inflated(`models/${name}.czm`);
}

/** A large file, which is compressed here and not by the server. */
async function inflated(path) {
  const { body } = await fetched(`${path}.deflate`);
  return new Response(body.pipeThrough(new DecompressionStream('deflate')));
}

async function fetched(path, options) {
  const response = await fetch(path, options);
  if (!response.ok) {
    throw new Error(`cannot load ${path}: ${response.status} ${response.statusText}`);
  }
  return response;
}

/** The text that UTF-8 stands for, or null if the bytes are something else. */
function decoded(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function sentence(message) {
  return `${message[0].toUpperCase()}${message.slice(1)}.`;
}

function number(value) {
  return value.toLocaleString('en');
}

function speed(bytesPerSecond) {
  const digits = bytesPerSecond < 10_000 ? 1 : 0;
  return `${(bytesPerSecond / 1000).toFixed(digits)} kB/s`;
}

function duration(seconds) {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

say('');
try {
  await showSamples();
  await loaded(first);
} catch (error) {
  say(sentence(error.message), true);
}
if (running === null) {
  setBusy(false);
}
