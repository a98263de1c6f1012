/** Things as the API's own types name them: ids are plain text on this side of the wire. */
import type { components } from '@drydock/api-client';

type Schemas = components['schemas'];
export type Device = Schemas['Device'];
export type DeviceDetail = Schemas['DeviceDetail'];
export type DevicePatch = Schemas['DevicePatch'];
export type Gateway = Schemas['Gateway'];
export type GatewayDetail = Schemas['GatewayDetail'];
export type GatewayPatch = Schemas['GatewayPatch'];
export type Site = Schemas['Site'];
export type SitePatch = Schemas['SitePatch'];
export type Artifact = Schemas['Artifact'];
export type EnrolmentToken = Schemas['EnrolmentToken'];
