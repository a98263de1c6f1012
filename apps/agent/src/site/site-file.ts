/**
 * The site file: what people know about this gateway's place: devices and their links, models, release
 * keys, limits. YAML; an unknown or wrong field is an error that names its line.
 */
import type { KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { IdentityFact, ModelName, SlugName } from '@drydock/contracts';
import { DrydockError } from '@drydock/dfu-core';
import { z } from 'zod';
import { parseReleaseKey } from '../deployments/release-keys.js';
import type { SecurityPolicy } from '../links/ble/security-policy.js';
import { linkLane, parseLinkName } from '../links/parse-link.js';
import { Downloads, Hooks, Rules } from './site-rules.js';
import { LinkSecurity, linkSecurityOf } from './link-security.js';

const link = z.string().superRefine((text, context) => {
  try {
    parseLinkName(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
  }
});

const Model = z.strictObject({
  /** Protocol of its devices, unless a device names another. */
  protocol: z.string().max(64).optional(),
  /** PEM (SPKI), or the path of a PEM file beside this one. */
  releaseKeys: z.array(z.string().min(1).max(4000)).max(8).default([]),
  /** What the running application calls itself, by the SHA-256 of the artifact. */
  expectVersions: z.record(z.string().regex(/^[0-9a-f]{64}$/), z.string().max(128)).default({}),
  /** Around each update of its devices, unless a device has its own. */
  hooks: Hooks.optional(),
  /** Of the Bluetooth links to its devices. */
  security: LinkSecurity.optional(),
});

const Device = z.strictObject({
  name: z.string().min(1).max(128).optional(),
  model: ModelName,
  link,
  protocol: z.string().max(64).optional(),
  identity: IdentityFact.optional(),
  /** What the unit must say of its hardware, by the names that its protocol gives these facts. */
  hardware: z.record(z.string().max(64), z.union([z.string().max(256), z.number()])).default({}),
  hooks: Hooks.optional(),
  /** Its port may go to the vendor's own tool over the server, when a campaign with `vendorTool` grants it. */
  rawPort: z.boolean().default(false),
  /** Of its Bluetooth link; what is not said here is as for the model. */
  security: LinkSecurity.optional(),
});

const Discover = z.strictObject({
  protocol: z.string().max(64),
  model: ModelName,
  /** Advertised name; `*` stands for anything. */
  name: z.string().min(1).max(64),
});

export const SiteFile = z.strictObject({
  /** What the gateway wants to be called when it enrols. */
  name: SlugName.optional(),
  bluetooth: z
    .strictObject({
      adapter: z.string().max(200).default('hci0'),
      scanSeconds: z.number().min(1).max(60).default(10),
      everySeconds: z.number().min(5).max(86_400).default(300),
    })
    .optional(),
  limits: z
    .strictObject({
      parallel: z.int().min(1).max(64).default(8),
      parallelBluetooth: z.int().min(1).max(32).default(8),
      cacheMiB: z.number().min(1).max(65_536).default(512),
      journalMiB: z.number().min(1).max(256).default(16),
    })
    .prefault({}),
  identifyEverySeconds: z
    .number()
    .min(10)
    .max(7 * 86_400)
    .default(3600),
  models: z.record(ModelName, Model).default({}),
  devices: z.array(Device).max(256).default([]),
  discover: z.array(Discover).max(32).default([]),
  rules: Rules.prefault({}),
  downloads: Downloads.prefault({}),
  /** Module with the loader codec for BC127: a path from here, or a package that is installed here. */
  loaderCodec: z.string().min(1).max(400).optional(),
});
export type SiteFile = z.infer<typeof SiteFile>;

export interface SiteDevice {
  readonly name: string | undefined;
  readonly model: string;
  readonly link: string;
  readonly protocol: string;
  readonly identity: z.infer<typeof IdentityFact> | undefined;
  /** What the unit must say of its hardware. */
  readonly hardware?: Readonly<Record<string, string | number>>;
  readonly hooks?: Hooks;
  /** Its port may go to the vendor's own tool. */
  readonly rawPort?: boolean;
}

export interface Site extends Omit<SiteFile, 'devices' | 'models'> {
  readonly devices: readonly SiteDevice[];
  readonly releaseKeys: ReadonlyMap<string, readonly KeyObject[]>;
  /** @returns what the application calls itself when this artifact runs on the model. */
  expectVersion(model: string, sha256: string): string | undefined;
  /** @returns what is to be called around an update of this model on this link. */
  hooksOf(model: string, link: string): Hooks | undefined;
  /**
   * What is asked of the Bluetooth link to an address; of a device that is not in the file, as its model says.
   * @param address lower case.
   */
  security(address: string, model: string | undefined): SecurityPolicy | undefined;
}

/** @returns what the site calls the device that one of these links leads to. */
export function nameOf({ devices }: Pick<Site, 'devices'>, links: readonly string[]): string | undefined {
  return devices.find(({ link }) => links.includes(link))?.name;
}

/** A gateway without a site file. */
export const EMPTY_SITE: Site = {
  ...SiteFile.parse({}),
  devices: [],
  releaseKeys: new Map(),
  expectVersion: () => undefined,
  hooksOf: () => undefined,
  security: () => undefined,
};

/**
 * @param knownProtocols a protocol that the agent does not speak is an error in the file.
 * @throws DrydockError `settings.invalid` with file, line and field.
 */
export async function readSiteFile(path: string, knownProtocols: readonly string[]): Promise<Site> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new DrydockError('settings.invalid', { field: path, detail: error.message }, { cause: error });
  });
  const { LineCounter, isNode, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const lineOf = (at: readonly PropertyKey[]): number | undefined => {
    for (let depth = at.length; depth > 0; depth -= 1) {
      const node = document.getIn(at.slice(0, depth), true);
      if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
    }
    return undefined;
  };
  const refuse = (at: readonly PropertyKey[], detail: string): never => {
    const line = lineOf(at);
    const field = `${path}${line === undefined ? '' : `:${line}`} ${at.map(String).join('.')}`.trim();
    throw new DrydockError('settings.invalid', { field, detail });
  };
  const [problem] = document.errors;
  if (problem) {
    const { line } = lines.linePos(problem.pos[0]);
    throw new DrydockError('settings.invalid', {
      field: `${path}:${line}`,
      detail: problem.message.split('\n')[0] ?? '',
    });
  }
  const parsed = SiteFile.safeParse(document.toJS() ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse(issue!.path, issue!.message);
  }
  const file = parsed.data;

  const releaseKeys = new Map<string, KeyObject[]>();
  for (const [model, facts] of Object.entries(file.models)) {
    checkProtocol(facts.protocol, knownProtocols, (detail) => refuse(['models', model, 'protocol'], detail));
    const keys: KeyObject[] = [];
    for (const [index, key] of facts.releaseKeys.entries()) {
      const at = ['models', model, 'releaseKeys', index];
      const pem = key.includes('-----BEGIN')
        ? key
        : await readFile(resolve(dirname(path), key), 'utf8').catch((error: Error) => refuse(at, error.message));
      try {
        keys.push(parseReleaseKey(pem, 'key'));
      } catch {
        refuse(at, 'no public key in PEM form');
      }
    }
    releaseKeys.set(model, keys);
  }
  const security = await readSecurity(file, path, refuse);

  const lanes = new Set<string>();
  const devices = file.devices.map((device, index): SiteDevice => {
    const protocol = device.protocol ?? file.models[device.model]?.protocol;
    if (protocol === undefined) return refuse(['devices', index], 'neither the device nor its model names a protocol');
    checkProtocol(protocol, knownProtocols, (detail) => refuse(['devices', index, 'protocol'], detail));
    const lane = linkLane(device.link);
    if (lanes.has(lane)) refuse(['devices', index, 'link'], `${lane} is named twice`);
    lanes.add(lane);
    if (device.rawPort && parseLinkName(device.link).kind !== 'serial') {
      refuse(['devices', index, 'rawPort'], 'only a serial port can be given to a tool');
    }
    const { name, model, link: spelt, identity, hardware, rawPort } = device;
    const hooks = device.hooks ?? file.models[model]?.hooks;
    const known = Object.keys(hardware).length > 0;
    return {
      name,
      model,
      link: spelt,
      protocol,
      identity,
      ...(known && { hardware }),
      ...(hooks && { hooks }),
      ...(rawPort && { rawPort }),
    };
  });
  for (const [index, rule] of file.discover.entries()) {
    checkProtocol(rule.protocol, knownProtocols, (detail) => refuse(['discover', index, 'protocol'], detail));
  }
  return {
    ...file,
    devices,
    releaseKeys,
    expectVersion: (model, sha256) => file.models[model]?.expectVersions[sha256],
    hooksOf: (model, name) => {
      const lane = linkLane(name);
      return devices.find((device) => linkLane(device.link) === lane)?.hooks ?? file.models[model]?.hooks;
    },
    security: (address, model) =>
      security.byLane.has(`ble:${address}`)
        ? security.byLane.get(`ble:${address}`)
        : model === undefined
          ? undefined
          : security.byModel.get(model),
  };
}

async function readSecurity(
  file: SiteFile,
  path: string,
  refuse: (at: readonly PropertyKey[], detail: string) => never,
): Promise<{
  readonly byLane: ReadonlyMap<string, SecurityPolicy | undefined>;
  readonly byModel: ReadonlyMap<string, SecurityPolicy | undefined>;
}> {
  const byModel = new Map<string, SecurityPolicy | undefined>();
  for (const [model, { security }] of Object.entries(file.models)) {
    const at = ['models', model, 'security'];
    const refuseField = (field: string, detail: string): never => refuse([...at, field], detail);
    byModel.set(model, await linkSecurityOf(security, undefined, path, refuseField, false));
  }
  const byLane = new Map<string, SecurityPolicy | undefined>();
  for (const [index, { link, model, security }] of file.devices.entries()) {
    const at = ['devices', index, 'security'];
    const lane = linkLane(link);
    if (!lane.startsWith('ble:')) {
      if (security) refuse(at, 'only Bluetooth links are secured');
      continue;
    }
    const ofModel = file.models[model]?.security;
    byLane.set(lane, await linkSecurityOf(ofModel, security, path, (field, detail) => refuse([...at, field], detail)));
  }
  return { byLane, byModel };
}

function checkProtocol(name: string | undefined, known: readonly string[], refuse: (detail: string) => void): void {
  if (name !== undefined && !known.includes(name))
    refuse(`this agent does not speak ${name}; it speaks ${known.join(', ')}`);
}
