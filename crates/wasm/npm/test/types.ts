// Compiled and not run: the declarations say what a program may write.

import { CzipCompressionStream, CzipDecompressionStream, CzipError, CzipWorker, builtinFor, load, type FileInfo } from 'czip-wasm';

const czip = await load({ model: ['fast', new URL('x.czm', 'https://example.org')], wasm: fetch('czip.wasm') });
const file: Uint8Array = czip.compress('text', { level: 9, model: czip.models[0] ?? null, onProgress: ({ done }) => done });
const text: Uint8Array = czip.decompress(file.buffer as ArrayBuffer, { maxMemory: 1 << 28 });
const info: FileInfo = czip.info(text);
const kinds = info.members.map(({ modes }) => modes.net + modes.bytes);
const stream = new Blob([file as Uint8Array<ArrayBuffer>]).stream();
stream.pipeThrough(new CzipDecompressionStream(czip)).pipeThrough(new CzipCompressionStream(czip, { level: 1 }));

const worker = new CzipWorker({ model: null });
worker.addModel(builtinFor(4));
worker.compress(file, { signal: AbortSignal.timeout(1) }).catch((error: unknown) => {
  if (error instanceof CzipError && error.kind === 'truncated') {
    throw error;
  }
});

// @ts-expect-error There is no such level option.
czip.compress('text', { level: 'high' });
// @ts-expect-error Numbers are no data.
czip.decompress(kinds);
