import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeLogger, redactText } from './logger.js';
import { SETTING_TABLE } from './setting-table.js';
import { nearestSetting, readSettings, SettingsError, settingsPage } from './settings.js';

const refusal = (environment: Record<string, string>): SettingsError => {
  try {
    readSettings(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error;
    throw error;
  }
  throw new Error('was taken');
};

describe('settings', () => {
  it('has a default for everything that is needed', () => {
    const settings = readSettings({ PATH: '/bin', HOME: '/root' });
    expect(settings.httpPort).toBe(3000);
    expect(settings.databaseUrl).toBeUndefined();
    expect(settings.dataDir.endsWith('.drydock')).toBe(true);
    expect(settings.given.size).toBe(0);
  });

  it('remembers which ones a person gave, also when they equal the default', () => {
    const settings = readSettings({ DRYDOCK_HTTP_PORT: '3000' });
    expect([...settings.given]).toEqual(['httpPort']);
  });

  it('refuses an unknown one and names the nearest', () => {
    const error = refusal({ DRYDOCK_HTPP_PORT: '1' });
    expect(error.code).toBe('settings.unknown');
    expect(error.message).toBe('Unknown setting DRYDOCK_HTPP_PORT. Did you mean DRYDOCK_HTTP_PORT?');
    expect(nearestSetting('DRYDOCK_LOGLEVEL')).toBe('DRYDOCK_LOG_LEVEL');
  });

  it.each([
    [{ DRYDOCK_HTTP_PORT: '70000' }, 'DRYDOCK_HTTP_PORT'],
    [{ DRYDOCK_HTTP_PORT: 'web' }, 'DRYDOCK_HTTP_PORT'],
    [{ DATABASE_URL: 'mysql://x' }, 'DATABASE_URL'],
    [{ DRYDOCK_LOG_LEVEL: 'loud' }, 'DRYDOCK_LOG_LEVEL'],
    [{ DRYDOCK_METRICS_TOKEN: 'short' }, 'DRYDOCK_METRICS_TOKEN'],
    [{ DRYDOCK_TLS_CERT: 'a.pem' }, 'DRYDOCK_TLS_KEY'],
    [{ DRYDOCK_S3_ACCESS_KEY_ID: 'a' }, 'DRYDOCK_S3_SECRET_ACCESS_KEY'],
  ])('refuses %j and names the setting', (environment, field) => {
    const error = refusal(environment as Record<string, string>);
    expect(error.code).toBe('settings.invalid');
    expect(error.params.field).toBe(field);
    expect(error.message).toContain(field);
  });

  it('never repeats a secret in its refusal', () => {
    const { message } = refusal({ DATABASE_URL: 'mysql://me:hunter2@db/x' });
    expect(message).not.toContain('hunter2');
  });

  it('opens a plain listener to others only with TLS or a reason', () => {
    expect(refusal({ DRYDOCK_HTTP_HOST: '0.0.0.0' }).params.field).toBe('DRYDOCK_HTTP_HOST');
    expect(refusal({ DRYDOCK_MQTT_HOST: '::' }).params.field).toBe('DRYDOCK_MQTT_HOST');
    expect(refusal({ DRYDOCK_HTTP_HOST: '127.evil.example' }).params.field).toBe('DRYDOCK_HTTP_HOST');
    expect(readSettings({ DRYDOCK_HTTP_HOST: '127.0.0.2' }).httpHost).toBe('127.0.0.2');
    const behindProxy = { DRYDOCK_HTTP_HOST: '0.0.0.0', DRYDOCK_ALLOW_PLAINTEXT: 'TLS ends at the proxy' };
    expect(readSettings(behindProxy).httpHost).toBe('0.0.0.0');
    const tls = { DRYDOCK_HTTP_HOST: '0.0.0.0', DRYDOCK_TLS_CERT: 'c.pem', DRYDOCK_TLS_KEY: 'k.pem' };
    expect(readSettings(tls).tlsKey).toBe('k.pem');
  });

  it('reads a file, lets the environment win, and refuses unknown names in it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'drydock-settings-'));
    try {
      const file = join(folder, 'drydock.env');
      writeFileSync(file, '# ports\nDRYDOCK_HTTP_PORT=4000\nexport DRYDOCK_LOG_LEVEL="warn"\n\n');
      const settings = readSettings({ DRYDOCK_HTTP_PORT: '4001' }, file);
      expect([settings.httpPort, settings.logLevel]).toEqual([4001, 'warn']);
      writeFileSync(file, 'HTTP_PORT=1\n');
      expect(() => readSettings({}, file)).toThrow('Unknown setting HTTP_PORT. Did you mean DRYDOCK_HTTP_PORT?');
      writeFileSync(file, 'DRYDOCK_HTTP_PORT\n');
      expect(() => readSettings({}, file)).toThrow('line 1');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('describes every setting on its page', () => {
    const page = settingsPage();
    for (const row of Object.values(SETTING_TABLE)) expect(page).toContain(`\`${row.env}\``);
  });
});

describe('log', () => {
  const lines: string[] = [];
  const sink = { write: (chunk: string) => lines.push(chunk) } as unknown as NodeJS.WritableStream;

  it('takes secrets out, wherever they stand', () => {
    const log = makeLogger('info', sink);
    const token = `dd_${'a'.repeat(43)}`;
    const jws = 'eyJhbGciOiJFZERTQSJ9.eyJ2IjoxfQ.c2lnbmF0dXJl';
    log.info(
      { token: 'plain', request: { authorization: `Bearer ${token}` }, url: 'postgres://u:hunter2@db/x' },
      `saw ${jws}`,
    );
    log.warn({ err: new Error(`cannot connect to amqp://u:hunter2@db with ${token}`) }, 'failed');
    const text = lines.join('');
    expect(text).toContain('failed');
    for (const secret of ['plain', 'hunter2', token, jws]) expect(text).not.toContain(secret);
    expect(redactText('nothing here')).toBe('nothing here');
  });
});
