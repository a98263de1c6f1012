/** A description of a file as a person reads it in a terminal. */
import type { ArtifactDescription } from './description.js';

/** Words first, values from column 13 on. */
export function descriptionLines(found: ArtifactDescription): string[] {
  const hardware = Object.entries(found.hardware).map(([name, value]) => `${name}=${value}`);
  return [
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
    ...(hardware.length > 0 ? [`hardware    ${hardware.join(' ')}`] : []),
    ...found.notes.map((note) => `note        ${note}`),
  ];
}
