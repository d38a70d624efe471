// The package in Node.js, against the program and the golden vectors.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { czip as library, models, noise, run, source, vector, words } from './common.mjs';

const { CzipCompressionStream, CzipDecompressionStream, CzipError, CzipWorker, builtinFor, load } = library;

const prose = source('docs/demo/letter.txt');
const page = source('docs/architecture.md').subarray(0, 6000);
const same = (made, expected, message) => assert.equal(Buffer.compare(made, expected), 0, message);
const kind = (kind) => (error) => error instanceof CzipError && error.kind === kind;

test('files are those of the program', async () => {
  for (const name of ['fast', 'standard']) {
    const czip = await load({ model: name });
    for (const level of [1, 4, 5, 9]) {
      for (const [text, what] of [[prose, 'prose'], [page, 'page'], [noise(3000), 'noise'], [new Uint8Array(), 'nothing']]) {
        const file = czip.compress(text, { level });
        same(file, run(text, 'compress', '-m', models[name], '-L', level), `${what}, ${name}, level ${level}`);
        same(czip.decompress(file), text, `${what}, ${name}, level ${level}`);
        same(run(file, 'decompress', '-m', models[name]), text, `${what}, ${name}, level ${level}`);
      }
    }
  }
});

test('files are those of the program at every level, if no model is named', async () => {
  const czip = await load();
  const worker = new CzipWorker();
  try {
    assert.deepEqual(await worker.ready, czip.models);
    for (let level = 1; level <= 9; level += 1) {
      const file = czip.compress(prose, { level });
      same(file, run(prose, 'compress', '-L', level), `level ${level}`);
      same(await worker.compress(prose, { level }), file, `level ${level}`);
      same(await through(new CzipCompressionStream(czip, { level }), prose, 1000), file, `level ${level}`);
      same(czip.decompress(file), prose, `level ${level}`);
      const named = await czip.addModel(builtinFor(level));
      same(czip.compress(prose, { level, model: named }), file, `level ${level}`);
      same(run(file, 'decompress'), prose, `level ${level}`);
    }
    same(czip.compress(prose), run(prose, 'compress'));
  } finally {
    worker.terminate();
  }
});

test('files without a model are those of the program', async () => {
  const czip = await load({ model: null });
  assert.deepEqual(czip.models, []);
  for (const level of [1, 5, 9]) {
    const file = czip.compress(page, { level });
    same(file, run(page, 'compress', '-m', 'none', '-L', level), `level ${level}`);
    same(czip.decompress(file), page);
  }
});

test('every golden file is made and restored', async () => {
  const index = JSON.parse(vector('v2.json'));
  const czip = await load({ model: ['model.czm', 'model2.czm', 'model3.czm'].map(vector) });
  assert.deepEqual(czip.models.map(({ id }) => id), Object.values(index.model_ids));
  assert.equal(index.files.length, 71);
  for (const { file, members } of index.files) {
    const bytes = vector(file);
    const texts = members.map(({ text }) => vector(`texts/${text}.txt`));
    same(czip.decompress(bytes), Buffer.concat(texts), file);
    const made = members.map(({ level, model, mode, segment_len, index: hasIndex }, at) => {
      const id = index.model_ids[model];
      return czip.compress(texts[at], { level, model: id, mode, segmentLength: segment_len, index: hasIndex });
    });
    same(Buffer.concat(made), bytes, file);
    const info = czip.info(bytes);
    assert.equal(info.fileLength, bytes.length);
    assert.deepEqual(
      info.members.map(({ level, textLength, segments }) => [level, textLength, segments]),
      members.map(({ level, segments }, at) => [level, texts[at].length, Math.max(1, segments.length)]),
      file,
    );
  }
});

test('segments, index and models are as asked for', async () => {
  const czip = await load({ model: ['fast', 'standard'] });
  const [fast, standard] = czip.models;
  const options = { level: 1, segmentLength: 1024 };
  const file = czip.compress(page, options);
  same(file, run(page, 'compress', '-m', models.fast, '-L', 1, '--segment', '1K'));
  assert.ok(czip.compress(page, { ...options, index: false }).length < file.length);
  assert.deepEqual(czip.info(file).members.map(({ segments, level, model }) => [segments, level, model]), [[6, 1, fast.id]]);
  same(czip.compress(prose, { model: standard }), czip.compress(prose, { model: standard.id }));
  assert.equal(czip.info(czip.compress(prose, { model: standard })).members[0].model, standard.id);
  assert.deepEqual(czip.info(czip.compress(prose)).members[0].modes, { stored: 0, bytes: 0, tokens: 0, net: 1 });
  assert.equal(czip.info(czip.compress(prose, { model: null })).members[0].model, null);
  assert.equal(standard.format, 'czip-model-v2');
  assert.equal(standard.vocabularySize, 2048);
});

test('data come in every kind', async () => {
  const czip = await load({ model: null });
  const file = czip.compress('Größe');
  const utf8 = new TextEncoder().encode('Größe');
  same(czip.compress(utf8.buffer), file);
  same(czip.compress(new DataView(new Uint8Array([1, ...utf8]).buffer, 1)), file);
  assert.throws(() => czip.compress(5), kind('usage'));
});

test('errors have kinds', async () => {
  const czip = await load({ model: 'fast' });
  const file = czip.compress(prose);
  const message = (kind, message) => ({ name: 'CzipError', kind, message });
  assert.throws(() => czip.decompress(file.subarray(0, 20)), message('truncated', 'file ends at byte 20, inside or before a payload'));
  assert.throws(() => czip.decompress(new Uint8Array()), kind('truncated'));
  assert.throws(() => czip.decompress('hello'), message('malformed', 'neither a czip nor a CZIPv1 file: it starts with "hello"'));
  const damaged = Uint8Array.from(file);
  damaged[40] ^= 1;
  assert.throws(() => czip.decompress(damaged), kind('malformed'));
  assert.throws(() => czip.info(file.subarray(0, 6)), kind('truncated'));
  const other = await load({ model: 'standard' });
  assert.throws(
    () => other.decompress(file),
    message('missing-model', `needs the model ${czip.models[0].id}, but the model given is 19f2067c`),
  );
  assert.throws(() => czip.decompress(file, { maxTextLength: 100 }), kind('limit'));
  assert.throws(() => czip.decompress(file, { maxMemory: 100 }), kind('limit'));
  assert.throws(() => czip.decompress('CZIPv1\0\0'), kind('unsupported'));
  assert.throws(() => czip.info('CZIPv1\0\0'), kind('unsupported'));
  for (const level of [0, 10, 1.5, -1, 257]) {
    assert.throws(() => czip.compress(prose, { level }), kind('usage'), `level ${level}`);
  }
  assert.throws(() => czip.compress(prose, { segmentLength: 5 }), kind('usage'));
  assert.throws(() => czip.compress(prose, { mode: 'best' }), kind('usage'));
  assert.throws(() => czip.compress(prose, { model: '01234567' }), kind('usage'));
  await assert.rejects(load({ model: prose }), kind('malformed'));
  await assert.rejects(load({ model: new URL('nothing.czm', import.meta.url) }), kind('load'));
  // All of this leaves it as it was.
  same(czip.decompress(file), prose);
});

test('progress is told and can end the work', async () => {
  const czip = await load({ model: 'fast' });
  const text = words(20_000);
  const told = [];
  const file = czip.compress(text, { level: 4, onProgress: (progress) => told.push(progress) });
  assert.ok(told.length > 50);
  assert.deepEqual(told.at(-1), { done: text.length, total: text.length });
  const restored = [];
  czip.decompress(file, { onProgress: ({ done }) => restored.push(done) });
  assert.equal(restored.at(-1), text.length);

  const controller = new AbortController();
  const reason = new Error('enough');
  const { signal } = controller;
  const abort = () => controller.abort(reason);
  assert.throws(() => czip.compress(text, { onProgress: abort, signal }), reason);
  assert.throws(() => czip.compress(text, { signal }), reason);
  const thrown = new TypeError('of the callback');
  const fail = () => {
    throw thrown;
  };
  assert.throws(() => czip.compress(text, { onProgress: fail }), thrown);
  assert.throws(() => czip.decompress(file, { onProgress: fail }), thrown);
  same(czip.decompress(file), text);
});

async function through(stream, bytes, pieceLength) {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += pieceLength) {
    pieces.push(bytes.subarray(at, at + pieceLength));
  }
  const output = new Blob(pieces).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(output).arrayBuffer());
}

test('streams give the same bytes', async () => {
  const czip = await load({ model: 'fast' });
  const options = { level: 4, segmentLength: 1024 };
  const file = czip.compress(page, options);
  for (const length of [1, 1000, page.length]) {
    same(await through(new CzipCompressionStream(czip, options), page, length), file);
    same(await through(new CzipDecompressionStream(czip), file, length), page);
  }
  await assert.rejects(through(new CzipDecompressionStream(czip), file.subarray(0, 100), 10), kind('truncated'));
  await assert.rejects(through(new CzipDecompressionStream(czip), prose, 10), kind('malformed'));
});

test('text is there before its file has ended', async () => {
  const czip = await load({ model: null });
  const text = noise(4096);
  const file = czip.compress(text, { segmentLength: 1024 });
  const stream = new CzipDecompressionStream(czip);
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  const first = reader.read();
  await writer.write(file.subarray(0, 1100));
  same((await first).value, text.subarray(0, 1024));
  await reader.cancel();
});

test('a worker gives the same bytes', async () => {
  const czip = await load({ model: 'fast' });
  const worker = new CzipWorker({ model: 'fast' });
  try {
    assert.deepEqual(await worker.ready, czip.models);
    const expected = [1, 5].map((level) => czip.compress(prose, { level }));
    const told = [];
    const onProgress = (progress) => told.push(progress);
    const made = await Promise.all([1, 5].map((level) => worker.compress(prose, { level, onProgress })));
    made.forEach((file, at) => same(file, expected[at]));
    assert.deepEqual(told.at(-1), { done: prose.length, total: prose.length });
    same(await worker.decompress(made[0]), prose);
    assert.deepEqual(await worker.info(made[0]), czip.info(made[0]));
    await assert.rejects(worker.decompress(prose), kind('malformed'));

    const standard = await worker.addModel('standard');
    const file = await worker.compress(prose, { model: standard });
    assert.equal((await worker.info(file)).members[0].model, '19f2067c');

    // The job that is being done, and one that waits, are dropped; the next one is done by another worker.
    const controller = new AbortController();
    const { signal } = controller;
    const long = words(1 << 18);
    const reason = new Error('enough');
    const jobs = [
      worker.compress(long, { signal, level: 4, onProgress: () => controller.abort(reason) }),
      worker.compress(long, { signal, level: 4 }),
      worker.decompress(file),
    ];
    await assert.rejects(jobs[0], reason);
    await assert.rejects(jobs[1], reason);
    same(await jobs[2], prose);
    await assert.rejects(worker.compress(long, { signal }), reason);
  } finally {
    worker.terminate();
  }
  await assert.rejects(worker.compress(prose), kind('stopped'));
  const broken = new CzipWorker({ model: new URL('nothing.czm', import.meta.url) });
  await assert.rejects(broken.ready, kind('load'));
  broken.terminate();
});

test('a worker takes models in every form', async () => {
  const bytes = readFileSync(models.fast);
  const file = (await load({ model: 'fast' })).compress(prose);
  const worker = new CzipWorker({ model: Promise.resolve(new Response(bytes)) });
  try {
    const added = worker.addModel(Promise.resolve(readFileSync(models.standard)));
    same(await worker.compress(prose), file);
    assert.equal((await added).id, '19f2067c');
    // So also the worker that takes its place.
    const controller = new AbortController();
    const job = worker.compress(prose, { signal: controller.signal });
    controller.abort();
    await assert.rejects(job, { name: 'AbortError' });
    same(await worker.compress(prose), file);
    assert.deepEqual((await worker.info(await worker.compress(prose, { model: '19f2067c' }))).members[0].model, '19f2067c');
    await assert.rejects(worker.addModel(new Response('', { status: 404 })), kind('load'));
    same(await worker.compress(prose), file);
  } finally {
    worker.terminate();
  }
});
