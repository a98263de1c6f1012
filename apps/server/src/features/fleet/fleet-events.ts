/**
 * What happened in the fleet, told within this process after commit. Nothing may depend on hearing it: with several
 * servers only the one that handled the message tells, and a crash forgets. The durable mark is `campaigns.dirty`.
 */
import { Injectable, Logger } from '@nestjs/common';

interface GatewayEvent {
  readonly orgId: string;
  readonly siteId: string;
  readonly gatewayId: string;
}

export interface FleetEventMap {
  /** Came online, or started anew while online. `epochChanged`: grants of its earlier epochs are dead. */
  gatewayOnline: GatewayEvent & { readonly epoch: string; readonly epochChanged: boolean };
  gatewayOffline: GatewayEvent & { readonly epoch: string };
  /** A presence message said which order the agent holds; may be newer than ours after a restore of the database. */
  presenceHeld: GatewayEvent & { readonly epoch: string; readonly reign: number; readonly revision: number };
  /** Devices that are new, or whose running image, mode, links or gateway changed. */
  inventoryChanged: GatewayEvent & {
    readonly deviceIds: readonly string[];
    /** One of them was never seen before. */
    readonly appeared: boolean;
  };
  /** Quarantined, released, decommissioned, put on hold, or enrolled again. */
  gatewayChanged: GatewayEvent & { readonly state: 'active' | 'quarantined' | 'decommissioned' };
}

type Handler<K extends keyof FleetEventMap> = (event: FleetEventMap[K]) => void | Promise<void>;

@Injectable()
export class FleetEvents {
  private readonly log = new Logger('FleetEvents');
  private readonly handlers = new Map<keyof FleetEventMap, Set<Handler<never>>>();

  /** @returns a function that ends the subscription. */
  on<K extends keyof FleetEventMap>(name: K, handler: Handler<K>): () => void {
    const handlers = this.handlers.get(name) ?? new Set();
    this.handlers.set(name, handlers.add(handler as Handler<never>));
    return () => handlers.delete(handler as Handler<never>);
  }

  /** Handlers run at once; what they throw is logged and disturbs nobody. */
  emit<K extends keyof FleetEventMap>(name: K, event: FleetEventMap[K]): void {
    for (const handler of this.handlers.get(name) ?? []) {
      void (async () => {
        await (handler as Handler<K>)(event);
      })().catch((error: unknown) => this.log.error(`a handler of ${name} failed: ${String(error)}`));
    }
  }
}
