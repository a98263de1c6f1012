import { answerOf } from '@drydock/api-client';
import { useQueryClient } from '@tanstack/react-query';
import { changing } from '../../../data/api.js';
import type { GatewayDetail, GatewayPatch } from '../../../data/shapes.js';

export interface GatewayDialogProps {
  readonly gateway: GatewayDetail;
  readonly close: () => void;
}

/** Path and revision of every change: a change that somebody made meanwhile is refused. */
export const changeOf = (gateway: GatewayDetail) => ({
  path: { id: gateway.id },
  header: { 'If-Match': `"${gateway.revision}"` },
});

/** Reads everything about the gateway anew. */
export function useRenewed(gateway: GatewayDetail): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await Promise.all([
      client.invalidateQueries({ queryKey: ['gateway', gateway.id] }),
      client.invalidateQueries({ queryKey: ['gateways'] }),
      client.invalidateQueries({ queryKey: ['overview'] }),
      client.invalidateQueries({ queryKey: ['audit', 'gateway', gateway.id] }),
    ]);
  };
}

export function usePatchGateway(gateway: GatewayDetail): (body: GatewayPatch) => Promise<void> {
  const renew = useRenewed(gateway);
  return async (body) => {
    await answerOf(changing.PATCH('/api/v1/gateways/{id}', { params: changeOf(gateway), body }));
    await renew();
  };
}
