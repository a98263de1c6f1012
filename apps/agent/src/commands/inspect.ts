/** `drydock-agent inspect FILE`: what a file is, as its bytes tell. */
import { describeArtifact, descriptionLines } from '@drydock/dfu-core';
import { printJson, printLines, tellError } from './console-output.js';
import { openArtifactFile, requireSignature } from './read-input.js';

/** With a key: status 2 unless it signed every image of the file. */
export async function inspect(path: string, options: { json?: boolean; key?: string }): Promise<number> {
  const json = options.json ?? false;
  try {
    const file = openArtifactFile(path);
    let found;
    try {
      found = describeArtifact(file);
      if (options.key !== undefined) await requireSignature(file, found.format, options.key);
    } finally {
      file.close();
    }
    if (json) {
      printJson({ ...found, ...(options.key !== undefined && { verifiedBy: options.key }) });
      return 0;
    }
    printLines([
      ...descriptionLines(found),
      ...(options.key === undefined ? [] : [`verified    every image, by ${options.key}`]),
    ]);
    return 0;
  } catch (error) {
    return tellError(error, json);
  }
}
