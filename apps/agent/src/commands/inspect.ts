/** `drydock-agent inspect FILE`: what a file is, as its bytes tell. */
import { describeArtifact } from '@drydock/dfu-core';
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
    const hardware = Object.entries(found.hardware).map(([name, value]) => `${name}=${value}`);
    printLines([
      `format      ${found.format} (${found.protocols.join(', ')})`,
      `size        ${found.sizeBytes} bytes`,
      `sha256      ${found.sha256}`,
      ...found.images.flatMap((image) => [
        `image ${image.image}     ${image.kind}${image.slot === undefined ? '' : ` for slot ${image.slot}`}${image.version === undefined ? '' : ` ${image.version}`}, ${image.sizeBytes} bytes${image.member === undefined ? '' : `, ${image.member}`}`,
        ...(image.runningHash === undefined ? [] : [`  runs as   ${image.runningHash}`]),
      ]),
      ...found.signatures.map(
        (signature) =>
          `signed      ${signature.scheme} over ${signature.covers}${signature.keyHash === undefined ? '' : `, key ${signature.keyHash}`}`,
      ),
      ...(found.signatures.length === 0 ? ['signed      no'] : []),
      ...(options.key === undefined ? [] : [`verified    every image, by ${options.key}`]),
      ...(hardware.length > 0 ? [`hardware    ${hardware.join(' ')}`] : []),
      ...found.notes.map((note) => `note        ${note}`),
    ]);
    return 0;
  } catch (error) {
    return tellError(error, json);
  }
}
