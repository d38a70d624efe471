/** Why something failed, and so what may help. */
export type ErrorKind =
  /** The compressed file ends early. */
  | 'truncated'
  /** A compressed file or a model breaks a rule of its format, or is damaged. */
  | 'malformed'
  /** Parts that do not belong together, such as a file and a model. */
  | 'mismatch'
  /** The file needs a model that was not loaded. */
  | 'missing-model'
  /** The file asks for more than the limits. */
  | 'limit'
  /** A CZIPv1 file, or a machine without what czip needs. */
  | 'unsupported'
  /** The worker was terminated. */
  | 'stopped'
  /** The module or a model cannot be loaded. */
  | 'load'
  /** A wrong argument, or a call after the end. */
  | 'usage'
  /** Anything else: out of memory, or a fault of czip. */
  | 'other';

/** Every error of this package. What a signal or a callback throws comes through as it was. */
export class CzipError extends Error {
  readonly kind: ErrorKind;
  constructor(message: string, kind: ErrorKind, options?: ErrorOptions);
}

/** Bytes, or a string for its UTF-8. */
export type Data = string | ArrayBuffer | ArrayBufferView;

type Source = ArrayBuffer | ArrayBufferView | Response | URL | string;

/** A model's name, its file, or where that is. `standard` and `fast` come with the package. */
export type ModelSource = 'standard' | 'fast' | Source | Promise<Source>;

export interface LoadOptions {
  /** The module, if it is not beside this file. The first call decides. */
  wasm?: WebAssembly.Module | Source | Promise<WebAssembly.Module | Source>;
  /**
   * Models that files may need; the first also compresses. None if it is null. By default both of the package, 6.9 MB: the
   * level says which of them compresses, as in the program.
   */
  model?: ModelSource | readonly ModelSource[] | null;
}

export interface ModelInfo {
  /** Eight hexadecimal digits, by which files name the model. */
  readonly id: string;
  readonly format: string;
  readonly parameters: number;
  readonly vocabularySize: number;
}

export interface Progress {
  /** Bytes of text that were coded. */
  done: number;
  /** Bytes of text in all, where that is known. */
  total: number | null;
}

export interface WatchOptions {
  onProgress?: (progress: Progress) => void;
  /**
   * Ends the work. Code that runs on this thread keeps others from running, so only `onProgress` can abort it; with
   * `CzipWorker` it takes effect at once.
   */
  signal?: AbortSignal;
}

export interface CompressOptions extends WatchOptions {
  /** 1 to 9; 5 by default. Levels 1 to 3 do not run the net, and are many times as fast. */
  level?: number;
  /**
   * A loaded model, or its id. By default the first that `load` was asked for; if it was asked for none, `fast` at level 4,
   * else `standard`. Everything is coded as bytes if it is null.
   */
  model?: ModelInfo | string | null;
  /** The most bytes of text in a segment; by default the level's. */
  segmentLength?: number;
  /** How every segment is coded, instead of how it promises to be the smallest; or the next simpler way, if this needs a model. */
  mode?: 'stored' | 'bytes' | 'tokens' | 'net';
  /** Whether a file of several segments ends with an index of them; true by default. */
  index?: boolean;
}

export interface DecompressOptions extends WatchOptions {
  /** The longest text in bytes. */
  maxTextLength?: number;
  /** The most bytes of memory that the file can make the decoder use; 16 GiB by default. */
  maxMemory?: number;
}

export interface Member {
  level: number;
  /** The id of the model that it needs. */
  model: string | null;
  textLength: number;
  segments: number;
  /** Numbers of segments by how they are coded. */
  modes: { stored: number; bytes: number; tokens: number; net: number };
}

export interface FileInfo {
  fileLength: number;
  textLength: number;
  members: Member[];
}

/** The model of the package that the program compresses with at a level if none is named. */
export function builtinFor(level: number): 'standard' | 'fast';

/** Loads the module, once, and models. */
export function load(options?: LoadOptions): Promise<Czip>;

/** What `load` gives. It works on the thread that calls it. */
export interface Czip {
  /** The models that were loaded. */
  readonly models: readonly ModelInfo[];
  /** Loads one more. */
  addModel(source: ModelSource): Promise<ModelInfo>;
  /** The file of the format czip v2. The program makes the same with this level and model. */
  compress(text: Data, options?: CompressOptions): Uint8Array<ArrayBuffer>;
  /** The text of a file of the format czip v2, or of several joined. */
  decompress(file: Data, options?: DecompressOptions): Uint8Array<ArrayBuffer>;
  /** What a file says of itself; its text is not decoded. */
  info(file: Data): FileInfo;
}

/** Text in, file out. Text is held until there are 4 MiB of it, or a whole segment where those are longer. */
export class CzipCompressionStream implements GenericTransformStream {
  constructor(czip: Czip, options?: CompressOptions);
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<BufferSource>;
}

/** File in, text out. Text comes once its segment is there and was verified. */
export class CzipDecompressionStream implements GenericTransformStream {
  constructor(czip: Czip, options?: DecompressOptions);
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<BufferSource>;
}

/** The same in a worker, one job after the other. */
export class CzipWorker {
  constructor(options?: LoadOptions);
  /** The models, once they are loaded. */
  readonly ready: Promise<readonly ModelInfo[]>;
  addModel(source: ModelSource): Promise<ModelInfo>;
  compress(text: Data, options?: CompressOptions): Promise<Uint8Array<ArrayBuffer>>;
  decompress(file: Data, options?: DecompressOptions): Promise<Uint8Array<ArrayBuffer>>;
  info(file: Data): Promise<FileInfo>;
  /** Ends the worker. Jobs that are not done fail. */
  terminate(): void;
}
