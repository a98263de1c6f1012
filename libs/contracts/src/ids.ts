/** Ids that cross a process. All are opaque to their readers; the patterns keep them safe in topics, paths and logs. */
import { z } from 'zod';

const uuid = z.uuid();

export const OrgId = uuid.brand('OrgId');
export const SiteId = uuid.brand('SiteId');
export const GatewayId = uuid.brand('GatewayId');
export const DeviceId = uuid.brand('DeviceId');
export const CampaignId = uuid.brand('CampaignId');
export const DeploymentId = uuid.brand('DeploymentId');
/** Names one installation of the server; made at first start, part of every signature. */
export const ServerId = uuid.brand('ServerId');
/** 128 random bits, new at every start of an agent, lower-case hex. */
export const Epoch = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .brand('Epoch');
/** SHA-256, lower-case hex. */
export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .brand('Sha256');
/** Model (hardware) name as people write it. */
export const ModelName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/);
/** Names of sites, gateways, campaigns for people and command lines. */
export const SlugName = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/);

export type OrgId = z.infer<typeof OrgId>;
export type SiteId = z.infer<typeof SiteId>;
export type GatewayId = z.infer<typeof GatewayId>;
export type DeviceId = z.infer<typeof DeviceId>;
export type CampaignId = z.infer<typeof CampaignId>;
export type DeploymentId = z.infer<typeof DeploymentId>;
export type ServerId = z.infer<typeof ServerId>;
export type Epoch = z.infer<typeof Epoch>;
export type Sha256 = z.infer<typeof Sha256>;
export type ModelName = z.infer<typeof ModelName>;
