/** What an upload must satisfy beside being readable: it must fit its model, and its fields must fit the file. */

/** The part of the core's description that the rules look at. */
export interface UploadedFile {
  readonly format: string;
  readonly images: readonly { readonly kind: string; readonly version?: string; readonly runningHash?: string }[];
  readonly signed: boolean;
  readonly hardware: Readonly<Record<string, string | number>>;
}

export interface UploadFields {
  readonly model: string;
  readonly version?: string | undefined;
  readonly runningVersion?: string | undefined;
}

/** What is kept about the model; the defaults when nobody described it yet. */
export interface UploadModel {
  readonly requiresSignature: boolean;
  readonly hardware: Readonly<Record<string, string | number>>;
  readonly formats: readonly string[];
}

export type UploadVerdict =
  | {
      readonly ok: true;
      readonly version: string;
      /** What the running application will call itself; null where only hashes, or nothing, tell. */
      readonly runningVersion: string | null;
      readonly runningHashes: readonly string[];
    }
  | {
      readonly ok: false;
      readonly code: 'artifact.wrong-model' | 'artifact.wrong-hardware' | 'artifact.unsigned' | 'request.invalid';
      readonly params: Readonly<Record<string, string>>;
    };

/** Judges a file that the core could read. Signatures are verified elsewhere: here only whether there is one. */
export function judgeUpload(file: UploadedFile, fields: UploadFields, model: UploadModel): UploadVerdict {
  if (model.formats.length > 0 && !model.formats.includes(file.format)) {
    const expected = `${fields.model} (${model.formats.join(', ')})`;
    return { ok: false, code: 'artifact.wrong-model', params: { field: 'format', actual: file.format, expected } };
  }
  for (const [fact, expected] of Object.entries(model.hardware)) {
    const actual = file.hardware[fact];
    if (actual === undefined || String(actual) === String(expected)) continue;
    const params = { field: fact, actual: `${fact} ${actual}`, expected: `${fact} ${expected}` };
    return { ok: false, code: 'artifact.wrong-hardware', params };
  }
  if (model.requiresSignature && !file.signed) {
    return { ok: false, code: 'artifact.unsigned', params: { model: fields.model, field: 'signature' } };
  }

  const main = file.images.find(({ kind }) => kind === 'application') ?? file.images[0];
  const told = main?.version;
  // An image that a running device names by its hash is also named by the file's own version: another would be a lie.
  if (
    told !== undefined &&
    main?.runningHash !== undefined &&
    fields.version !== undefined &&
    fields.version !== told
  ) {
    const detail = `version ${fields.version} was given, the file says ${told}`;
    return { ok: false, code: 'request.invalid', params: { field: 'version', detail } };
  }
  const version = fields.version ?? told;
  if (version === undefined) {
    const detail = 'the file does not tell its version: give the field version';
    return { ok: false, code: 'request.invalid', params: { field: 'version', detail } };
  }
  return {
    ok: true,
    version,
    runningVersion: fields.runningVersion ?? null,
    runningHashes: file.images.flatMap(({ runningHash }) => (runningHash === undefined ? [] : [runningHash])),
  };
}

/** A file name for people: the last part of whatever a client called it, without anything that is not plain text. */
export function plainFileName(given: string | undefined): string {
  const last = (given ?? '').split(/[\\/]/).at(-1) ?? '';
  const plain = [...last].filter((char) => char >= ' ' && char !== '\u007f').join('');
  const short = plain.replace(/^\.+/, '').slice(0, 200).trim();
  return short === '' ? 'artifact' : short;
}
