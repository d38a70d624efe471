// The other side of `CzipWorker`: loads czip, then does one job after the other.

import { load } from './czip.js';

const isNode = typeof process === 'object' && process.versions?.node !== undefined;
const name = 'node:worker_threads';
const port = isNode ? (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)).parentPort : globalThis;

let czip;

async function receive({ options, added, method, args }) {
  if (options !== undefined) {
    czip = start(options, added);
    // The first job reports it.
    czip.catch(() => {});
    return;
  }
  try {
    const loaded = await czip;
    if (method === 'models') {
      port.postMessage({ result: loaded.models });
      return;
    }
    const [first, settings] = args;
    const reports = throttled((progress) => port.postMessage({ progress }));
    const result = await loaded[method](first, { ...settings, onProgress: reports.add });
    reports.end();
    const transfer = result instanceof Uint8Array ? [result.buffer] : [];
    port.postMessage({ result }, transfer);
  } catch (error) {
    port.postMessage({ error: { message: error.message, kind: error.kind ?? 'other' } });
  }
}

async function start(options, added) {
  const loaded = await load(options);
  for (const model of added) {
    await loaded.addModel(model);
  }
  return loaded;
}

/** Passes on what comes, but not more often than anyone can see; and the last of it. */
function throttled(report) {
  const interval = 30;
  let [waiting, next] = [undefined, 0];
  const end = () => {
    if (waiting !== undefined) {
      report(waiting);
      waiting = undefined;
    }
  };
  const add = (progress) => {
    waiting = progress;
    const now = performance.now();
    if (now >= next) {
      next = now + interval;
      end();
    }
  };
  return { add, end };
}

if (isNode) {
  port.on('message', receive);
} else {
  port.addEventListener('message', ({ data }) => receive(data));
}
