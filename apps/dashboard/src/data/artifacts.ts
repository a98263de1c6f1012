/** Artifacts by whatever names them: the API's own address is the digest. */
import { answerOf, type components } from '@drydock/api-client';
import { reading } from './api.js';

/** As the API's types have it: a digest is plain text on this side of the wire. */
export type Artifact = components['schemas']['Artifact'];

/** @throws Error with a sentence where there is none */
export async function artifactById(id: string): Promise<Artifact> {
  const [found] = (await answerOf(reading.GET('/api/v1/artifacts', { params: { query: { id, limit: 1 } } }))).items;
  if (!found) throw new Error('There is no such artifact any more.');
  return found;
}

/** @param prefix the beginning of a digest, perhaps after `sha256:`. @throws Error with a sentence where none or several begin so */
export async function findArtifact(prefix: string): Promise<Artifact> {
  const sha256 = prefix.replace(/^sha256:/, '').toLowerCase();
  const page = await answerOf(reading.GET('/api/v1/artifacts', { params: { query: { sha256, limit: 2 } } }));
  const [first, second] = page.items;
  if (!first) throw new Error(`No artifact’s digest begins with ${sha256}. Upload it first.`);
  if (second) throw new Error(`Several artifacts’ digests begin with ${sha256}. Give more of its digits.`);
  return first;
}
