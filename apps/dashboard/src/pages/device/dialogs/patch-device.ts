import { answerOf } from '@drydock/api-client';
import type { DeviceDetail, DevicePatch } from '../../../data/shapes.js';
import { useQueryClient } from '@tanstack/react-query';
import { changing } from '../../../data/api.js';
import type { ConflictField, ConflictSubject } from '../../../pieces/conflict.js';
import { useSeen } from '../../../pieces/use-seen.js';
import { deviceQuery } from '../queries.js';

export interface DeviceDialogProps {
  readonly device: DeviceDetail;
  readonly close: () => void;
}

export interface DeviceChange {
  /** As the person saw it when the dialog opened. */
  readonly before: DeviceDetail;
  /** As it stands since it was renewed last. */
  readonly seen: DeviceDetail;
  /** Path and revision of every change to the device: a change that somebody made meanwhile is refused. */
  readonly params: { readonly path: { readonly id: string }; readonly header: { readonly 'If-Match': string } };
  readonly patch: (body: DevicePatch) => Promise<void>;
  /** Reads everything about the device anew. */
  readonly renew: () => Promise<void>;
  readonly conflict: (fields?: readonly ConflictField[]) => ConflictSubject;
}

export function useDeviceChange(device: DeviceDetail): DeviceChange {
  const client = useQueryClient();
  const {
    seen,
    before,
    renew: see,
  } = useSeen(device, () => client.fetchQuery({ ...deviceQuery(device.id), staleTime: 0 }));
  const params = { path: { id: device.id }, header: { 'If-Match': `"${seen.revision}"` } };
  const renew = async () => {
    await Promise.all([
      client.invalidateQueries({ queryKey: ['device', device.id] }),
      client.invalidateQueries({ queryKey: ['devices'] }),
      client.invalidateQueries({ queryKey: ['audit', 'device', device.id] }),
    ]);
  };
  return {
    before,
    seen,
    params,
    renew,
    patch: async (body) => {
      await answerOf(changing.PATCH('/api/v1/devices/{id}', { params, body }));
      await renew();
    },
    conflict: (fields) => ({ kind: 'device', id: device.id, renew: see, ...(fields && { fields }) }),
  };
}
