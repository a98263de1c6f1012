/** `drydock-agent run`: the daemon. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve as resolvePath } from 'node:path';
import { DrydockError } from '@drydock/dfu-core';
import { startAgent } from '../agent.js';
import { realClock, sleep } from '../clock.js';
import { createLogger, RepeatedLine } from '../logger.js';
import { PROTOCOLS } from '../protocols.js';
import { loadLoaderCodec, protocolsWith } from '../site/loader-codec.js';
import { EMPTY_SITE, readSiteFile } from '../site/site-file.js';
import { tellError } from './console-output.js';
import { preferSpeed } from './small-memory.js';

export interface RunOptions {
  readonly state: string;
  readonly site?: string;
  readonly server?: string;
  readonly tokenFile?: string;
  readonly logLevel?: string;
  readonly allowPlaintext?: boolean;
}

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];
const ENROL_RETRY_MS = 1000;
const MAX_ENROL_RETRY_MS = 60_000;

/** @returns the exit status, when a signal ended the daemon or it could not start. */
export async function run(options: RunOptions): Promise<number> {
  const stopping = new AbortController();
  const signalled = new Promise<void>((resolve) => {
    const stop = (): void => {
      if (stopping.signal.aborted) process.exit(130);
      stopping.abort();
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
  try {
    const level = options.logLevel ?? 'info';
    if (!LOG_LEVELS.includes(level)) {
      throw new DrydockError('settings.invalid', { field: '--log-level', detail: `one of ${LOG_LEVELS.join(', ')}` });
    }
    const log = createLogger(level);
    const site = options.site === undefined ? EMPTY_SITE : await readSiteFile(options.site, [...PROTOCOLS.keys()]);
    const codec =
      site.loaderCodec === undefined
        ? undefined
        : await loadLoaderCodec(site.loaderCodec, dirname(resolvePath(options.site ?? '.')));
    if (codec) log.info({ loaderCodec: codec.id, provenance: codec.provenance }, 'loader codec added');
    const lines = new RepeatedLine();
    for (let pauseMs = ENROL_RETRY_MS; !stopping.signal.aborted; pauseMs = Math.min(pauseMs * 2, MAX_ENROL_RETRY_MS)) {
      try {
        const agent = await startAgent({
          stateDir: options.state,
          site,
          siteFile: options.site,
          ...(codec && { protocols: protocolsWith(codec) }),
          serverUrl: options.server,
          token: () => readToken(options.tokenFile),
          log,
          allowPlaintext: options.allowPlaintext ?? false,
          working: preferSpeed,
        });
        await signalled;
        log.info({}, 'stopping at a safe point');
        await agent.stop();
        return 0;
      } catch (error) {
        // The server may come up after its gateways; everything else is for a person.
        if (!(error instanceof DrydockError) || error.code !== 'server.unavailable') throw error;
        lines.say(error.message, (detail, times) => log.warn({ detail, times }, 'not enrolled yet'));
        await sleep(realClock, pauseMs * (0.5 + Math.random() / 2), stopping.signal);
      }
    }
    return 0;
  } catch (error) {
    return tellError(error, false);
  }
}

/** The token comes from a file or the environment: a command line can be read by everybody on the machine. */
async function readToken(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return process.env['DRYDOCK_ENROL_TOKEN']?.trim();
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new DrydockError('settings.invalid', { field: '--token-file', detail: error.message }, { cause: error });
  });
  return text.trim();
}
