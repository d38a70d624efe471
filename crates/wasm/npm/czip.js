// Compresses and restores text with czip in WebAssembly, in browsers and in Node.js. See README.md and czip.d.ts.

import init, { Compressor, Decompressor, Models, inspect } from './wasm/czip_wasm.js';

const IS_NODE = typeof process === 'object' && process.versions?.node !== undefined;

/** The models that come with this package. */
const OWN_MODELS = ['standard', 'fast'];

/** Bytes that are handed to WebAssembly at a time, so that it need not hold a copy of a long text. */
const PIECE_LENGTH = 1 << 20;

/** Methods that only this file calls. */
const COMPRESSOR = Symbol('compressor');
const DECOMPRESSOR = Symbol('decompressor');

export class CzipError extends Error {
  constructor(message, kind, options) {
    super(message, options);
    this.name = 'CzipError';
    this.kind = kind;
  }
}

export function builtinFor(level) {
  return level === 4 ? 'fast' : 'standard';
}

let started;

export async function load({ wasm, model } = {}) {
  started ??= start(wasm ?? new URL('wasm/czip_wasm_bg.wasm', import.meta.url));
  try {
    await started;
  } catch (error) {
    started = undefined;
    throw error;
  }
  const czip = new Czip(model === undefined);
  for (const source of listOf(model === undefined ? OWN_MODELS : model)) {
    await czip.addModel(source);
  }
  return czip;
}

async function start(wasm) {
  const source = await wasm;
  let module = source;
  if (!(source instanceof WebAssembly.Module)) {
    const bytes = await read(source);
    try {
      module = await WebAssembly.compile(bytes);
    } catch (error) {
      const message = `czip cannot run here, which takes WebAssembly with 128-bit vectors: ${error.message}`;
      throw new CzipError(message, 'unsupported', { cause: error });
    }
  }
  await init({ module_or_path: module });
}

class Czip {
  #models = new Models();
  #infos = [];
  /** Those that come with this package, by name. */
  #own = new Map();
  /** Whether none was asked for, so that the level decides. */
  #byLevel;

  constructor(byLevel) {
    this.#byLevel = byLevel;
  }

  get models() {
    return [...this.#infos];
  }

  async addModel(source) {
    const isOwn = OWN_MODELS.includes(source);
    const bytes = await read(isOwn ? new URL(`models/${source}.czm`, import.meta.url) : source);
    const info = JSON.parse(call(() => this.#models.add(bytes)));
    if (!this.#infos.some((known) => known.id === info.id)) {
      this.#infos.push(Object.freeze(info));
    }
    if (isOwn) {
      this.#own.set(source, info);
    }
    return info;
  }

  compress(text, options = {}) {
    const bytes = bytesOf(text);
    return whole(this[COMPRESSOR](options), bytes, watchOf(options, bytes.length), options.signal);
  }

  decompress(file, options = {}) {
    return whole(this[DECOMPRESSOR](options), bytesOf(file), watchOf(options), options.signal);
  }

  info(file) {
    const bytes = bytesOf(file);
    const members = JSON.parse(call(() => inspect(bytes)));
    return {
      fileLength: bytes.length,
      textLength: members.reduce((sum, member) => sum + member.textLength, 0),
      members,
    };
  }

  [COMPRESSOR]({ level = 5, model, segmentLength = 0, mode = '', index = true, signal }) {
    signal?.throwIfAborted();
    if (model === undefined) {
      model = (this.#byLevel ? this.#own.get(builtinFor(level)) : this.#infos[0]) ?? null;
    }
    const id = model === null ? '' : (model.id ?? model);
    // WebAssembly would round a number.
    const [levelNumber, length] = [level, segmentLength].map((number) => (Number.isInteger(number) ? number : -1));
    return call(() => new Compressor(this.#models, id, levelNumber, length, mode, index));
  }

  [DECOMPRESSOR]({ maxTextLength, maxMemory, signal }) {
    signal?.throwIfAborted();
    const limit = (bytes) => (bytes === undefined ? undefined : BigInt(bytes));
    return call(() => new Decompressor(this.#models, limit(maxTextLength), limit(maxMemory)));
  }
}

/** Both directions as streams: `coder` makes one piece of its output of one of its input. */
class CzipStream {
  constructor(coder, options) {
    const watch = watchOf(options);
    const give = (controller, output) => {
      if (output.length > 0) {
        controller.enqueue(output);
      }
    };
    const stream = new TransformStream({
      transform(chunk, controller) {
        const bytes = bytesOf(chunk);
        for (let at = 0; at < bytes.length; at += PIECE_LENGTH) {
          const piece = bytes.subarray(at, at + PIECE_LENGTH);
          give(controller, call(() => coder.push(piece, watch), options.signal));
        }
      },
      flush(controller) {
        give(controller, call(() => coder.finish(watch), options.signal));
        coder.free();
      },
    });
    this.readable = stream.readable;
    this.writable = stream.writable;
  }
}

export class CzipCompressionStream extends CzipStream {
  constructor(czip, options = {}) {
    super(czip[COMPRESSOR](options), options);
  }
}

export class CzipDecompressionStream extends CzipStream {
  constructor(czip, options = {}) {
    super(czip[DECOMPRESSOR](options), options);
  }
}

export class CzipWorker {
  #options;
  /** Models that were loaded later. */
  #added = [];
  #worker;
  /** Jobs that are not done; the first is with the worker, if one is running. */
  #jobs = [];
  #ended = false;

  constructor({ wasm, model } = {}) {
    this.#options = sendableOptions(wasm, model);
    // The first job reports it.
    this.#options.catch(() => {});
    this.ready = this.#do('models');
    // Whoever waits for it sees the error; whoever does not sees it with the first job.
    this.ready.catch(() => {});
  }

  compress(text, options = {}) {
    const { level, model, segmentLength, mode, index } = options;
    return this.#do('compress', [bytesOf(text), { level, model, segmentLength, mode, index }], options);
  }

  decompress(file, options = {}) {
    const { maxTextLength, maxMemory } = options;
    return this.#do('decompress', [bytesOf(file), { maxTextLength, maxMemory }], options);
  }

  info(file) {
    return this.#do('info', [bytesOf(file)]);
  }

  async addModel(source) {
    const model = sendable(source);
    // The job reports it.
    model.catch(() => {});
    const info = await this.#do('addModel', [model]);
    // A worker that replaces this one needs it, too.
    this.#added.push(model);
    return info;
  }

  terminate() {
    this.#ended = true;
    this.#stopWorker();
    for (const job of this.#jobs.splice(0)) {
      job.reject(new CzipError('the worker was terminated', 'stopped'));
    }
  }

  #do(method, args = [], { onProgress, signal } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        throw new CzipError('the worker was terminated', 'stopped');
      }
      signal?.throwIfAborted();
      const abort = () => this.#drop(job, signal.reason);
      const settle = (how) => (value) => {
        signal?.removeEventListener('abort', abort);
        how(value);
      };
      const job = { method, args, onProgress, resolve: settle(resolve), reject: settle(reject) };
      signal?.addEventListener('abort', abort);
      this.#jobs.push(job);
      if (this.#jobs.length === 1) {
        this.#next();
      }
    });
  }

  /** Gives the first job to the worker, and starts that if there is none. */
  async #next() {
    const job = this.#jobs[0];
    if (job === undefined) {
      return;
    }
    try {
      const args = await Promise.all(job.args);
      // It may have been dropped meanwhile, here and below.
      if (job !== this.#jobs[0]) {
        return;
      }
      this.#worker ??= newWorker(this.#options, this.#added);
      const worker = await this.#worker;
      if (job === this.#jobs[0]) {
        worker.listen((message) => this.#receive(job, message));
        worker.post({ method: job.method, args });
      }
    } catch (error) {
      if (job === this.#jobs[0]) {
        this.#stopWorker();
        const known = error instanceof CzipError;
        const message = `the worker cannot start: ${error.message}`;
        this.#end(job, 'reject', known ? error : new CzipError(message, 'other', { cause: error }));
      }
    }
  }

  #receive(job, { progress, result, error }) {
    if (job !== this.#jobs[0]) {
      return;
    }
    if (progress !== undefined) {
      job.onProgress?.(progress);
    } else if (error !== undefined) {
      // It may be unusable, or have nothing loaded. All other errors leave it as it was.
      if (error.kind === 'other' || error.kind === 'load') {
        this.#stopWorker();
      }
      this.#end(job, 'reject', new CzipError(error.message, error.kind));
    } else {
      this.#end(job, 'resolve', result);
    }
  }

  #end(job, how, value) {
    this.#jobs.shift();
    job[how](value);
    this.#next();
  }

  /** Nothing reaches a worker that is at work, so a job that is to stop takes it along. */
  #drop(job, reason) {
    const at = this.#jobs.indexOf(job);
    this.#jobs.splice(at, 1);
    job.reject(reason);
    if (at === 0) {
      this.#stopWorker();
      this.#next();
    }
  }

  #stopWorker() {
    const worker = this.#worker;
    this.#worker = undefined;
    worker?.then(
      (worker) => worker.terminate(),
      () => {},
    );
  }
}

async function sendableOptions(wasm, model) {
  const models = model === undefined ? undefined : await Promise.all(listOf(model).map(sendable));
  return { wasm: await sendable(wasm), model: models };
}

/** A worker of the browser or of Node.js, which has been told what to load. */
async function newWorker(options, added) {
  const what = { options: await options, added: await Promise.all(added) };
  const url = new URL('worker.js', import.meta.url);
  let worker;
  let listener = () => {};
  const fail = (message) => listener({ error: { message, kind: 'other' } });
  if (IS_NODE) {
    const name = 'node:worker_threads';
    const { Worker } = await import(/* webpackIgnore: true */ /* @vite-ignore */ name);
    worker = new Worker(url);
    worker.on('message', (message) => listener(message));
    worker.on('error', (error) => fail(error.message));
  } else {
    worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
    worker.addEventListener('message', ({ data }) => listener(data));
    worker.addEventListener('error', (event) => fail(event.message ?? 'the worker cannot be loaded'));
  }
  worker.postMessage(what);
  return {
    listen: (to) => {
      listener = to;
    },
    post: (message) => worker.postMessage(message),
    terminate: () => worker.terminate(),
  };
}

function listOf(models) {
  return models === null ? [] : [models].flat();
}

/** Something to load in the form in which it can be sent to a worker, as often as one is started. */
async function sendable(source) {
  const given = await source;
  if (given instanceof Response) {
    return read(given);
  }
  if (given instanceof URL) {
    return given.href;
  }
  return typeof given === 'string' && !OWN_MODELS.includes(given) ? absolute(given).href : given;
}

function absolute(address) {
  return new URL(address, globalThis.location?.href ?? import.meta.url);
}

/** All that a coder makes of some bytes. */
function whole(coder, bytes, watch, signal) {
  const output = [];
  try {
    for (let at = 0; at < bytes.length; at += PIECE_LENGTH) {
      const piece = bytes.subarray(at, at + PIECE_LENGTH);
      output.push(call(() => coder.push(piece, watch), signal));
    }
    output.push(call(() => coder.finish(watch), signal));
  } finally {
    free(coder);
  }
  return joined(output);
}

function free(coder) {
  try {
    coder.free();
  } catch {
    // After a trap it is still in use, and lost.
  }
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The function that WebAssembly tells how much text was coded. It goes on while the answer is true. */
function watchOf({ onProgress, signal }, total = null) {
  if (onProgress === undefined && signal === undefined) {
    return undefined;
  }
  return (done) => {
    onProgress?.({ done, total });
    return !signal?.aborted;
  };
}

/** Calls WebAssembly, and makes its errors ours. */
function call(work, signal) {
  try {
    return work();
  } catch (error) {
    if (error?.kind === 'stopped' && signal?.aborted) {
      throw signal.reason;
    }
    if (error instanceof WebAssembly.RuntimeError) {
      throw new CzipError(`out of memory, or a fault of czip: ${error.message}`, 'other', { cause: error });
    }
    if (error instanceof Error && error.constructor === Error && typeof error.kind === 'string') {
      throw new CzipError(error.message, error.kind);
    }
    throw error;
  }
}

function bytesOf(data) {
  if (data instanceof Uint8Array) {
    return data;
  }
  if (typeof data === 'string') {
    return new TextEncoder().encode(data);
  }
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (data instanceof ArrayBuffer) {
    return new Uint8Array(data);
  }
  throw new CzipError('data must be a string, an ArrayBuffer or a view of one', 'usage');
}

/** The bytes of something to load. */
async function read(source) {
  const given = await source;
  try {
    if (typeof given === 'string' || given instanceof URL) {
      const url = absolute(given);
      if (IS_NODE && url.protocol === 'file:') {
        const name = 'node:fs/promises';
        const { readFile } = await import(/* webpackIgnore: true */ /* @vite-ignore */ name);
        return await readFile(url);
      }
      return await bodyOf(await fetch(url));
    }
    return given instanceof Response ? await bodyOf(given) : bytesOf(given);
  } catch (error) {
    if (error instanceof CzipError) {
      throw error;
    }
    throw new CzipError(`cannot load ${given.url ?? given}: ${error.message}`, 'load', { cause: error });
  }
}

async function bodyOf(response) {
  if (!response.ok) {
    throw new CzipError(`cannot load ${response.url}: ${response.status} ${response.statusText}`, 'load');
  }
  return new Uint8Array(await response.arrayBuffer());
}
