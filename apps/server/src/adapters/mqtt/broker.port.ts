/**
 * The broker as the features see it: a carrier and nothing more. Two implementations: aedes inside the
 * server, and any outside MQTT broker (`MQTT_URL`).
 */
import type { AgentLeaf, ServerLeaf } from '@drydock/contracts';

export interface InboundMessage {
  readonly orgId: string;
  readonly gatewayId: string;
  readonly leaf: AgentLeaf;
  readonly payload: Buffer;
}

/**
 * Resolves when the message may be acknowledged to its sender (committed, or refused and audited).
 * The broker waits for it at most 2 s, then lets go. Never rejects for content.
 */
export type InboundHandler = (message: InboundMessage) => Promise<void>;

export const BROKER = Symbol('Broker');

export interface Broker {
  /** One handler per leaf; set before the broker listens (onModuleInit). */
  onInbound(leaf: AgentLeaf, handler: InboundHandler): void;
  /**
   * Called after a gateway connected to the embedded broker, whose memory of retained orders does not survive a
   * restart: publish the current order again. An outside broker keeps retained messages and never calls it.
   */
  onClientConnected(handler: (gateway: { orgId: string; gatewayId: string }) => Promise<void>): void;
  /** QoS and retain come from `TOPIC_RULES`. Resolves when the broker has taken it. */
  publish(target: { orgId: string; gatewayId: string; leaf: ServerLeaf }, payload: string | Buffer): Promise<void>;
  /** Ends the connections of a gateway (re-enrolment, quarantine of a cloned key). No-op outside. */
  disconnect(gatewayId: string): Promise<void>;
  /** For /health and /metrics. */
  status(): { kind: 'embedded' | 'outside'; connected: boolean; clients?: number };
}
