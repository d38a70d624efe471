// Where the built package, the program and the golden vectors are.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The top of the repository. */
const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** The target folder, with what `cargo xtask web` has made. */
export const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');

/** The program of this machine. */
const program = process.env.CZIP_PROGRAM ?? join(target, 'debug/czip');

export const czip = await import(pathToFileURL(join(target, 'npm/czip.js')).href);

/** The browser's driver, which is not beside these files. */
export function playwright() {
  return import(pathToFileURL(join(target, 'npm-tools/node_modules/playwright-core/index.mjs')).href);
}

export const models = Object.fromEntries(
  ['fast', 'standard'].map((name) => [name, join(target, `npm/models/${name}.czm`)]),
);

export function vector(name) {
  return readFileSync(join(root, 'crates/vectors/data', name));
}

export function source(path) {
  return readFileSync(join(root, path));
}

/** The environment without what sets a level or a model. */
const { CZIP_LEVEL, CZIP_MODEL, ...env } = process.env;

/** What the program makes of some bytes. */
export function run(input, ...args) {
  const folder = mkdtempSync(join(tmpdir(), 'czip-web-'));
  try {
    const [from, to] = [join(folder, 'in'), join(folder, 'out')];
    writeFileSync(from, input);
    execFileSync(program, [...args, '--quiet', from, '-o', to], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    return readFileSync(to);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Numbers below 256, always the same. */
function* numbers() {
  let state = 1;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state >>> 24;
  }
}

/** Bytes that no model predicts. */
export function noise(length) {
  const all = numbers();
  return Uint8Array.from({ length }, () => all.next().value);
}

/** Words in an order that does not repeat, so that no passage is copied. */
export function words(length) {
  const known = source('docs/demo/letter.txt').toString().split(/\s+/);
  let text = '';
  for (const number of numbers()) {
    if (text.length >= length) {
      break;
    }
    text += `${known[number % known.length]} `;
  }
  return Buffer.from(text.slice(0, length));
}
