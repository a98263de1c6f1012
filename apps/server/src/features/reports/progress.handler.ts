/** `progress`: unsigned, never stored, only handed on to people who watch. */
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ProgressMessage } from '@drydock/contracts';
import { BROKER, type Broker, type InboundMessage } from '../../adapters/mqtt/broker.port.js';

export interface ProgressItem {
  readonly orgId: string;
  readonly gatewayId: string;
  readonly deploymentId: string;
  readonly sentBytes: number;
  readonly totalBytes: number;
}

@Injectable()
export class ProgressHandler implements OnModuleInit {
  private readonly listeners = new Set<(item: ProgressItem) => void>();

  constructor(@Inject(BROKER) private readonly broker: Broker) {}

  onModuleInit(): void {
    this.broker.onInbound('progress', (message) => {
      this.handle(message);
      return Promise.resolve();
    });
  }

  /** @returns a function that ends the subscription. */
  on(listener: (item: ProgressItem) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private handle(message: InboundMessage): void {
    if (this.listeners.size === 0) return;
    let content: unknown;
    try {
      content = JSON.parse(message.payload.toString('utf8'));
    } catch {
      // Not stored, not signed, not believed: rubbish is dropped.
      return;
    }
    const parsed = ProgressMessage.safeParse(content);
    if (!parsed.success) return;
    for (const { ref, sentBytes, totalBytes } of parsed.data.items) {
      const item = {
        orgId: message.orgId,
        gatewayId: message.gatewayId,
        deploymentId: ref.deployment,
        sentBytes,
        totalBytes,
      };
      for (const listener of this.listeners) listener(item);
    }
  }
}
