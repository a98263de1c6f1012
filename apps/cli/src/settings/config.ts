/**
 * What is kept between commands, in `$XDG_CONFIG_HOME/drydock` (else `~/.config/drydock`): `config.yaml` with the contexts,
 * `credentials.yaml` with their tokens. Both are for the person alone.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { EXIT } from '../exit-codes.js';
import { CliError } from '../errors/cli-error.js';
import { readPrivate, readSecret, writePrivate } from './files.js';

export const ContextName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);

const Context = z.object({
  server: z.url({ protocol: /^https?$/ }),
  output: z.enum(['table', 'json']).optional(),
  timeZone: z.string().max(64).optional(),
  /** Speak HTTP without TLS to another machine. */
  allowPlaintext: z.boolean().optional(),
});
export type Context = z.infer<typeof Context>;

const Config = z.object({
  current: z.string().optional(),
  contexts: z.record(z.string(), Context).default({}),
});
export type Config = z.infer<typeof Config>;

const Credential = z.object({
  /** The server that it is for: never sent to another. */
  server: z.string(),
  token: z.string().min(1).max(300),
  /** Of a token that `login` made: `logout` revokes it. */
  tokenId: z.string().optional(),
  person: z.string().optional(),
  expiresAt: z.string().optional(),
});
export type Credential = z.infer<typeof Credential>;
const Credentials = z.object({ contexts: z.record(z.string(), Credential).default({}) });

type Environment = Readonly<Record<string, string | undefined>>;

export function configFolder(env: Environment): string {
  const base = env['XDG_CONFIG_HOME'];
  return join(base !== undefined && base !== '' ? base : join(env['HOME'] ?? homedir(), '.config'), 'drydock');
}

export class ConfigStore {
  readonly configPath: string;
  readonly credentialsPath: string;

  constructor(readonly folder: string) {
    this.configPath = join(folder, 'config.yaml');
    this.credentialsPath = join(folder, 'credentials.yaml');
  }

  /** @throws CliError `settings.invalid` */
  config(): Config {
    return read(this.configPath, readPrivate(this.configPath), Config);
  }

  saveConfig(config: Config): void {
    writePrivate(this.configPath, stringify(config));
  }

  credential(context: string): Credential | undefined {
    return this.#credentials().contexts[context];
  }

  /** @param credential undefined forgets it. */
  saveCredential(context: string, credential: Credential | undefined): void {
    const { [context]: _, ...others } = this.#credentials().contexts;
    writePrivate(
      this.credentialsPath,
      stringify({ contexts: credential === undefined ? others : { ...others, [context]: credential } }),
    );
  }

  #credentials(): z.infer<typeof Credentials> {
    return read(this.credentialsPath, readSecret(this.credentialsPath), Credentials);
  }
}

function read<T extends z.ZodType>(path: string, text: string | undefined, schema: T): z.infer<T> {
  let value: unknown;
  try {
    value = text === undefined ? {} : (parse(text, { logLevel: 'error' }) ?? {});
  } catch (error) {
    throw new CliError('settings.invalid', EXIT.refused, `${path} is no YAML: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const found = schema.safeParse(value);
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  throw new CliError(
    'settings.invalid',
    EXIT.refused,
    `${path} is not valid at ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}.`,
    {
      fix: 'mend it by hand, or remove it and run  drydock login',
    },
  );
}
