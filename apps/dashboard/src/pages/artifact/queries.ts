import { answerOf, ApiProblemError } from '@drydock/api-client';
import type { ArtifactUse } from '@drydock/contracts';
import type { Artifact } from '../../data/shapes.js';
import { queryOptions } from '@tanstack/react-query';
import { reading } from '../../data/api.js';

/** @param sha what the digest begins with: 6 to 64 hexadecimal digits. */
export const artifactQuery = (sha: string) =>
  queryOptions({
    queryKey: ['artifacts', 'one', sha],
    queryFn: async (): Promise<Artifact> => {
      const { items } = /^[0-9a-f]{6,64}$/.test(sha)
        ? await answerOf(reading.GET('/api/v1/artifacts', { params: { query: { sha256: sha, limit: 2 } } }))
        : { items: [] };
      if (items.length === 1) return items[0]!;
      throw new ApiProblemError({
        type: 'urn:drydock:error:request.not-found',
        title: 'request.not-found',
        status: 404,
        detail:
          items.length === 0
            ? `No artifact begins with ${sha}.`
            : `Several artifacts begin with ${sha}: give more digits.`,
        code: 'request.not-found',
        params: {},
      });
    },
  });

export const artifactUseQuery = (sha256: string) =>
  queryOptions({
    queryKey: ['artifacts', 'use', sha256],
    queryFn: (): Promise<ArtifactUse> =>
      answerOf(reading.GET('/api/v1/artifacts/{sha256}/use', { params: { path: { sha256 } } })),
  });
