import { answerOf } from '@drydock/api-client';
import { useQueryClient } from '@tanstack/react-query';
import { changing } from '../../../data/api.js';
import type { GatewayDetail, GatewayPatch } from '../../../data/shapes.js';
import type { ConflictField, ConflictSubject } from '../../../pieces/conflict.js';
import { useSeen } from '../../../pieces/use-seen.js';
import { gatewayQuery } from '../queries.js';

export interface GatewayDialogProps {
  readonly gateway: GatewayDetail;
  readonly close: () => void;
}

export interface GatewayChange {
  /** As the person saw it when the dialog opened. */
  readonly before: GatewayDetail;
  /** As it stands since it was renewed last. */
  readonly seen: GatewayDetail;
  /** Path and revision of every change: a change that somebody made meanwhile is refused. */
  readonly params: { readonly path: { readonly id: string }; readonly header: { readonly 'If-Match': string } };
  readonly patch: (body: GatewayPatch) => Promise<void>;
  /** Reads everything about the gateway anew. */
  readonly renew: () => Promise<void>;
  readonly conflict: (fields?: readonly ConflictField[]) => ConflictSubject;
}

export function useGatewayChange(gateway: GatewayDetail): GatewayChange {
  const client = useQueryClient();
  const {
    seen,
    before,
    renew: see,
  } = useSeen(gateway, () => client.fetchQuery({ ...gatewayQuery(gateway.id), staleTime: 0 }));
  const params = { path: { id: gateway.id }, header: { 'If-Match': `"${seen.revision}"` } };
  const renew = async () => {
    await Promise.all([
      client.invalidateQueries({ queryKey: ['gateway', gateway.id] }),
      client.invalidateQueries({ queryKey: ['gateways'] }),
      client.invalidateQueries({ queryKey: ['overview'] }),
      client.invalidateQueries({ queryKey: ['audit', 'gateway', gateway.id] }),
    ]);
  };
  return {
    before,
    seen,
    params,
    renew,
    patch: async (body) => {
      await answerOf(changing.PATCH('/api/v1/gateways/{id}', { params, body }));
      await renew();
    },
    conflict: (fields) => ({ kind: 'gateway', id: gateway.id, renew: see, ...(fields && { fields }) }),
  };
}
