// The page: what is entered, one worker that compresses and restores, and what comes of it.

import { CzipWorker } from './czip/czip.js';

const MAGIC = [0xfa, 0x63, 0x7a];

/** Text of files longer than this is not shown for editing. */
const MAX_SHOWN_LENGTH = 1 << 18;

const element = (id) => document.getElementById(id);
const text = element('text');
const model = element('model');
const level = element('level');

const worker = new CzipWorker({ wasm: await module(), model: 'fast' });
/** The ids of the models that were loaded, by name. */
const models = new Map();
/** The file that was chosen, or the sample that is shown: its name and bytes, and what is known of it. */
let source = null;
/** What aborts the work that is being done. */
let running = null;
/** What was made: a name and bytes, and the text of a compressed file. */
let made = null;

const samples = await (await fetch('samples/samples.json')).json();
for (const sample of samples) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = sample.name;
  button.addEventListener('click', async () => {
    const bytes = new Uint8Array(await (await fetch(`samples/${sample.file}`)).arrayBuffer());
    enter({ name: sample.file, bytes, brotli: sample.brotli });
    work(compress);
  });
  element('samples').append(button);
}

element('compress').addEventListener('click', () => work(isCompressed(entered().bytes) ? restoreFile : compress));
element('cancel').addEventListener('click', () => running?.abort());
element('restore').addEventListener('click', () => work(compare));
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

async function take(file) {
  if (file === undefined) {
    return;
  }
  try {
    enter({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) });
  } catch (error) {
    say(`${file.name} cannot be read: ${error.message}`, true);
    return;
  }
  work(isCompressed(source.bytes) ? restoreFile : compress);
}

/** Shows what is to be compressed: as text if it is text. */
function enter(entered) {
  const shown = entered.bytes.length <= MAX_SHOWN_LENGTH ? decoded(entered.bytes) : null;
  text.value = shown ?? '';
  // Text areas change the ends of lines: what is compressed is the file as it is.
  source = shown === null || entered.bytes.length > 0 ? entered : null;
  text.hidden = shown === null;
  element('file').hidden = shown !== null;
  element('file-name').textContent = entered.name;
  element('file-length').textContent = `${number(entered.bytes.length)} bytes`;
}

function entered() {
  return source ?? { name: 'text.txt', bytes: new TextEncoder().encode(text.value) };
}

function isCompressed(bytes) {
  return MAGIC.every((byte, at) => bytes[at] === byte);
}

/** Does one thing at a time. */
async function work(task) {
  if (running !== null) {
    return;
  }
  running = new AbortController();
  element('compress').disabled = true;
  element('restore').disabled = true;
  say('');
  try {
    await task(running.signal);
  } catch (error) {
    if (error.name === 'AbortError') {
      say('Cancelled.');
    } else {
      say(`${error.message[0].toUpperCase()}${error.message.slice(1)}.`, true);
    }
  } finally {
    running = null;
    element('work').hidden = true;
    element('compress').disabled = false;
    element('restore').disabled = false;
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
  const [settings, id] = [{ model: model.value, level: Number(level.value) }, await loaded(model.value)];
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
  element('command').querySelector('code').textContent = `czip compress -m ${settings.model}.czm -L ${settings.level} ${name}`;
  offer({ name: `${name}.czip`, bytes: file, text: bytes });
  say(`${number(bytes.length)} bytes became ${number(file.length)}.`);
}

async function restoreFile(signal) {
  const { name, bytes } = entered();
  element('result').hidden = true;
  const started = performance.now();
  const restored = await textOf(bytes, signal);
  const seconds = (performance.now() - started) / 1000;
  showSizes([
    ['czip', bytes.length],
    ['text', restored.length],
  ]);
  element('result-title').textContent = name;
  element('facts').textContent = `Restored in ${duration(seconds)}; its checksum is right.`;
  element('command').hidden = true;
  const shown = name.endsWith('.czip') ? name.slice(0, -'.czip'.length) : `${name}.txt`;
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
    if (error.kind !== 'missing-model' || models.size === model.options.length) {
      throw error;
    }
  }
  // The file names its model: it may be one that was not needed so far.
  for (const { value } of model.options) {
    await loaded(value);
  }
  return worker.decompress(file, options);
}

/** The id of a model, which is loaded if it was not. */
async function loaded(name) {
  if (models.has(name)) {
    return models.get(name);
  }
  busy('Loading the model');
  const [info] = name === 'fast' ? await worker.ready : [await worker.addModel(name)];
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
}

function busy(label) {
  element('work').hidden = false;
  element('work-label').textContent = `${label} …`;
  element('progress').removeAttribute('value');
}

function tell(label, done, total) {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  element('work').hidden = false;
  element('work-label').textContent = `${label}: ${Math.floor(100 * share)} %`;
  element('progress').value = share;
}

function say(message, isError = false) {
  element('status').textContent = message;
  element('status').classList.toggle('error', isError);
}

/** The module, which is compressed here and not by the server. */
async function module() {
  const { body } = await fetch('czip.wasm.deflate');
  const response = new Response(body.pipeThrough(new DecompressionStream('deflate')));
  return WebAssembly.compile(await response.arrayBuffer());
}

/** The text that UTF-8 stands for, or null if the bytes are something else. */
function decoded(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
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

loaded('fast').then(
  () => {
    if (running === null) {
      element('work').hidden = true;
    }
  },
  (error) => say(`The model cannot be loaded: ${error.message}.`, true),
);
