import type { Webhook, WebhookDelivery } from '@drydock/contracts';
import type { Look } from '../../pieces/state-mark.js';

export function webhookLook(webhook: Webhook): Look {
  if (!webhook.enabled) return { family: 'person', mark: '‖', label: 'switched off' };
  if (webhook.failingSince !== null) return { family: 'bad', mark: '✕', label: 'failing' };
  return webhook.lastSuccessAt === null
    ? { family: 'waiting', mark: '○', label: 'nothing sent yet' }
    : { family: 'proven', mark: '✓', label: 'heard' };
}

const DELIVERIES: Readonly<Record<WebhookDelivery['state'], Look>> = {
  waiting: { family: 'flight', mark: '▷', label: 'waiting' },
  delivered: { family: 'proven', mark: '✓', label: 'delivered' },
  failed: { family: 'bad', mark: '✕', label: 'failed' },
};
export const deliveryLook = (state: WebhookDelivery['state']): Look => DELIVERIES[state];
