/**
 * MQTT topics. Agents are given their prefix at enrolment and only append a leaf; servers build and
 * parse them here and nowhere else.
 */
import { z } from 'zod';

export const TOPIC_ROOT = 'drydock/v1';

/** Leaves an agent publishes on, and leaves the server publishes on. */
export const AGENT_LEAVES = ['presence', 'inventory', 'reports', 'progress'] as const;
export const SERVER_LEAVES = ['orders', 'acks'] as const;
export type AgentLeaf = (typeof AGENT_LEAVES)[number];
export type ServerLeaf = (typeof SERVER_LEAVES)[number];
export type TopicLeaf = AgentLeaf | ServerLeaf;

/** QoS and retain flag of each leaf (design, section 4). */
export const TOPIC_RULES: Readonly<Record<TopicLeaf, { qos: 0 | 1; retain: boolean; from: 'agent' | 'server' }>> = {
  presence: { qos: 1, retain: true, from: 'agent' },
  inventory: { qos: 1, retain: false, from: 'agent' },
  orders: { qos: 1, retain: true, from: 'server' },
  reports: { qos: 1, retain: false, from: 'agent' },
  acks: { qos: 1, retain: false, from: 'server' },
  progress: { qos: 0, retain: false, from: 'agent' },
};

/** Largest message on any topic, in bytes. */
export const MAX_MESSAGE_BYTES = 256 * 1024;
/** Largest order, in bytes of the signed text. */
export const MAX_ORDER_BYTES = 64 * 1024;

/** A prefix as given at enrolment: ends in a slash, has no wildcard. */
export const TopicPrefix = z
  .string()
  .max(200)
  .regex(/^(?:[A-Za-z0-9_.-]+\/)+$/);

/** The default prefix of one gateway, ending in a slash. */
export function gatewayTopicPrefix(orgId: string, gatewayId: string): string {
  return `${TOPIC_ROOT}/${orgId}/gateways/${gatewayId}/`;
}

export function topicOf(prefix: string, leaf: TopicLeaf): string {
  return prefix + leaf;
}

/** Filter with which a server listens to one leaf of every gateway (outside brokers). */
export function everyGateway(leaf: AgentLeaf): string {
  return `${TOPIC_ROOT}/+/gateways/+/${leaf}`;
}

const LEAVES: ReadonlySet<string> = new Set<string>([...AGENT_LEAVES, ...SERVER_LEAVES]);

/** @returns undefined for any topic that is not one of ours. */
export function parseTopic(topic: string): { orgId: string; gatewayId: string; leaf: TopicLeaf } | undefined {
  const match = /^drydock\/v1\/([0-9a-f-]{36})\/gateways\/([0-9a-f-]{36})\/([a-z]+)$/.exec(topic);
  if (!match || !LEAVES.has(match[3]!)) return undefined;
  return { orgId: match[1]!, gatewayId: match[2]!, leaf: match[3] as TopicLeaf };
}
