/**
 * `/api/v1/artifacts`: immutable uploads, named by their SHA-256.
 *
 * `POST artifacts` is `multipart/form-data`: the fields below, and one file. The same file with the same fields again
 * answers with what is stored already (200 instead of 201).
 */
import { z } from 'zod';
import { ModelName, Sha256 } from '../ids.js';
import { FlatFacts } from '../wire/device-facts.js';
import { PageQuery } from './fleet-api.js';

/** What must run before: kept by the planner, which takes the stepping stone or says why not. */
export const ArtifactRequires = z.strictObject({
  /** Versions from which the update may be made; absent or empty = any. */
  runningVersions: z.array(z.string().min(1).max(128)).max(64).optional(),
  /** Facts the device itself must state: `{ "bootloaderVersion": 4 }`. */
  hardware: FlatFacts.optional(),
});
export type ArtifactRequires = z.infer<typeof ArtifactRequires>;

/** Fields of the upload, as text; `requires` is JSON. */
export const ArtifactFields = z.strictObject({
  model: ModelName,
  /** Needed only where the file does not tell. */
  version: z.string().trim().min(1).max(128).optional(),
  /** What the running application calls itself when this artifact runs, where the file's own version is not it. */
  runningVersion: z.string().trim().min(1).max(128).optional(),
  requires: ArtifactRequires.default({}),
});
export type ArtifactFields = z.infer<typeof ArtifactFields>;

/** Mirrors the core's description of a file. */
export const ArtifactFacts = z.looseObject({
  format: z.string(),
  protocols: z.array(z.string()),
  images: z.array(
    z.looseObject({
      image: z.int(),
      kind: z.string(),
      version: z.string().optional(),
      sizeBytes: z.int(),
      runningHash: z.string().optional(),
      sha256: z.string(),
    }),
  ),
  signatures: z.array(z.looseObject({ scheme: z.string(), covers: z.string(), keyHash: z.string().optional() })),
  hardware: FlatFacts,
  notes: z.array(z.string()),
});

export const Artifact = z.object({
  id: z.uuid(),
  sha256: Sha256,
  sizeBytes: z.int(),
  fileName: z.string(),
  format: z.string(),
  model: z.string(),
  version: z.string(),
  runningVersion: z.string().nullable(),
  runningHashes: z.array(z.string()),
  requires: ArtifactRequires,
  /** `verified`: by a release key of the model; `present`: signed by a key we do not keep. */
  signature: z.enum(['verified', 'present', 'none']),
  description: ArtifactFacts,
  createdAt: z.iso.datetime(),
});
export type Artifact = z.infer<typeof Artifact>;

export const ArtifactQuery = PageQuery.extend({
  /** As campaigns and advisories name it: at most one. */
  id: z.uuid().optional(),
  model: ModelName.optional(),
  version: z.string().max(128).optional(),
  /** First digits of the SHA-256. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{6,64}$/, 'are no 6 to 64 lower-case hex digits')
    .optional(),
});
export type ArtifactQuery = z.infer<typeof ArtifactQuery>;
