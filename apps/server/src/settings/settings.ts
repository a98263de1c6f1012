/** Reads settings from the environment and an optional file, refusing what it does not know. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { ERROR_CODES, errorSentence, type ErrorCode, type ErrorParams, type Recovery } from '@drydock/contracts';
import { SETTING_TABLE, type SettingKey, type SettingRow, type SettingValues } from './setting-table.js';

/** Injection token of the checked settings. */
export const SETTINGS = Symbol('Settings');

export interface Settings extends SettingValues {
  /** Which settings a person gave, as opposed to defaults: a taken default port is replaced, a given one is an error. */
  readonly given: ReadonlySet<SettingKey>;
}

/** A setting that cannot be used; the sentence names it. */
export class SettingsError extends Error {
  readonly recovery: Recovery;

  constructor(
    readonly code: Extract<ErrorCode, 'settings.unknown' | 'settings.invalid'>,
    readonly params: ErrorParams,
  ) {
    super(errorSentence(code, params) + (params.hint ? ` ${String(params.hint)}` : ''));
    this.name = 'SettingsError';
    this.recovery = ERROR_CODES[code].recovery;
  }
}

const ROWS = Object.entries(SETTING_TABLE) as [SettingKey, SettingRow][];
const BY_ENV = new Map<string, SettingKey>(ROWS.map(([key, row]) => [row.env, key]));

/**
 * Settings of this process.
 * @param environment usually `process.env`; only DRYDOCK_*, DATABASE_URL, REDIS_URL and MQTT_URL are looked at.
 * @param file path of an optional file with NAME=value lines; the environment wins over it.
 * @throws SettingsError naming the setting.
 */
export function readSettings(environment: Record<string, string | undefined>, file?: string): Settings {
  const fromFile = file === undefined ? {} : parseSettingsFile(readFileSync(file, 'utf8'), file);
  const texts: Record<string, string | undefined> = { ...fromFile };
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === '') continue;
    if (BY_ENV.has(name) || name.startsWith('DRYDOCK_')) texts[name] = value;
  }
  for (const name of Object.keys(texts)) {
    if (BY_ENV.has(name)) continue;
    const nearest = nearestSetting(name);
    throw new SettingsError('settings.unknown', { field: name, hint: `Did you mean ${nearest}?` });
  }

  const values: Record<string, unknown> = {};
  const given = new Set<SettingKey>();
  for (const [key, row] of ROWS) {
    const text = texts[row.env];
    if (text !== undefined) given.add(key);
    const source = text ?? row.default;
    if (source === undefined) continue;
    const parsed = row.schema.safeParse(source);
    if (!parsed.success) {
      throw new SettingsError('settings.invalid', { field: row.env, detail: parsed.error.issues[0]!.message });
    }
    values[key] = parsed.data;
  }
  const settings = { ...values, given } as unknown as Settings;
  checkTogether(settings);
  return { ...settings, dataDir: resolve(settings.dataDir) };
}

/** NAME=value lines; `#` starts a comment line; quotes around a value are taken off. */
export function parseSettingsFile(text: string, file: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const match = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(line);
    if (!match) {
      throw new SettingsError('settings.invalid', {
        field: `${file}, line ${index + 1}`,
        detail: 'expected NAME=value',
      });
    }
    found[match[1]!] = match[2]!.replace(/^(["'])(.*)\1$/, '$2');
  }
  return found;
}

/** @returns true for addresses that only this machine reaches. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function checkTogether(settings: Settings): void {
  const invalid = (key: SettingKey, detail: string) =>
    new SettingsError('settings.invalid', { field: SETTING_TABLE[key].env, detail });

  if (Boolean(settings.tlsCert) !== Boolean(settings.tlsKey)) {
    throw invalid(settings.tlsCert ? 'tlsKey' : 'tlsCert', 'certificate and key are set together or not at all');
  }
  const plainAllowed = settings.tlsCert !== undefined || settings.allowPlaintext !== undefined;
  const listeners: SettingKey[] = settings.mqttUrl ? ['httpHost'] : ['httpHost', 'mqttHost'];
  for (const key of listeners) {
    if (!plainAllowed && !isLoopbackHost(String(settings[key]))) {
      throw invalid(
        key,
        `${String(settings[key])} is reachable from elsewhere: set DRYDOCK_TLS_CERT and DRYDOCK_TLS_KEY, ` +
          'or DRYDOCK_ALLOW_PLAINTEXT with the reason',
      );
    }
  }
  if (Boolean(settings.mqttCert) !== Boolean(settings.mqttKey)) {
    throw invalid(settings.mqttCert ? 'mqttKey' : 'mqttCert', 'certificate and key are set together or not at all');
  }
  if (Boolean(settings.gatewayCaCert) !== Boolean(settings.gatewayCaKey)) {
    throw invalid(settings.gatewayCaCert ? 'gatewayCaKey' : 'gatewayCaCert', 'set together or not at all');
  }
  const oidc = [settings.oidcIssuer, settings.oidcClientId, settings.oidcClientSecret];
  if (oidc.some(Boolean) && !oidc.every(Boolean)) {
    throw invalid('oidcIssuer', 'issuer, client id and client secret are set together or not at all');
  }
  if (settings.oidcIssuer?.startsWith('http:') && !isLoopbackHost(new URL(settings.oidcIssuer).hostname)) {
    throw invalid('oidcIssuer', 'a provider elsewhere than on this machine is reached over https');
  }
  if (!settings.passwordSignIn && settings.oidcIssuer === undefined) {
    throw invalid('passwordSignIn', 'without a provider (DRYDOCK_OIDC_ISSUER) nobody could sign in but by token');
  }
  if (Boolean(settings.s3AccessKeyId) !== Boolean(settings.s3SecretAccessKey)) {
    throw invalid(settings.s3AccessKeyId ? 's3SecretAccessKey' : 's3AccessKeyId', 'set together or not at all');
  }
}

/** The known setting whose name needs the fewest edits to become `name`. */
export function nearestSetting(name: string): string {
  let best = ROWS[0]![1].env;
  let bestDistance = Infinity;
  for (const [, row] of ROWS) {
    // People also forget the prefix.
    const bare = editDistance(name.toUpperCase(), row.env.replace(/^DRYDOCK_/, ''));
    const distance = Math.min(editDistance(name.toUpperCase(), row.env), bare + 1);
    if (distance < bestDistance) [best, bestDistance] = [row.env, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, substituted));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** The settings page in Markdown; the file under `docs/` is made from it. */
export function settingsPage(): string {
  const rows = ROWS.map(([, row]) => {
    const fallback = row.default === undefined ? '' : `\`${row.default}\``;
    return `| \`${row.env}\` | ${fallback} | ${row.about}${row.secret ? ' Secret: never shown or logged.' : ''} |`;
  });
  return [
    '# Settings of the server',
    '',
    'Read from the environment, or from a file of `NAME=value` lines given as `--config FILE`; the environment wins.',
    'A name beginning with `DRYDOCK_` that is not in this table is an error at start.',
    '',
    '| setting | default | |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
