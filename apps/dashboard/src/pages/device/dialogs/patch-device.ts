import { answerOf } from '@drydock/api-client';
import type { DeviceDetail, DevicePatch } from '../../../data/shapes.js';
import { useQueryClient } from '@tanstack/react-query';
import { changing } from '../../../data/api.js';

export interface DeviceDialogProps {
  readonly device: DeviceDetail;
  readonly close: () => void;
}

/** Path and revision of every change to the device: a change that somebody made meanwhile is refused. */
export const changeOf = (device: DeviceDetail) => ({
  path: { id: device.id },
  header: { 'If-Match': `"${device.revision}"` },
});

/** Reads everything about the device anew. */
export function useRenewed(device: DeviceDetail): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await Promise.all([
      client.invalidateQueries({ queryKey: ['device', device.id] }),
      client.invalidateQueries({ queryKey: ['devices'] }),
      client.invalidateQueries({ queryKey: ['audit', 'device', device.id] }),
    ]);
  };
}

export function usePatchDevice(device: DeviceDetail): (body: DevicePatch) => Promise<void> {
  const renew = useRenewed(device);
  return async (body) => {
    await answerOf(changing.PATCH('/api/v1/devices/{id}', { params: changeOf(device), body }));
    await renew();
  };
}
