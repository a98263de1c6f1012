/** What people and scripts at the gateway get to see: results on stdout, everything else on stderr. */
import { DrydockError, type RunningImage } from '@drydock/dfu-core';
import type { HeldOutcome } from './hold-to-proof.js';

/** Exit status of every command. */
export const EXIT = { proven: 0, failed: 1, refused: 2, unproven: 3 } as const;

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function printLines(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

/** @returns 2 when what the person gave cannot be used, else 1. */
export function exitStatusOf(code: string): number {
  const refused = ['artifact.', 'settings.', 'request.', 'enrolment.'].some((family) => code.startsWith(family));
  return refused || code === 'gateway.no-protocol' || code === 'gateway.no-release-key' || code === 'gateway.no-link'
    ? EXIT.refused
    : EXIT.failed;
}

/**
 * @param touched whether the unit may have been changed: what it then refuses itself (another hardware, a foreign
 * signature) is a failure, as it is perhaps no longer what it was.
 */
export function exitStatusOfOutcome(outcome: HeldOutcome, touched: boolean): number {
  switch (outcome.outcome) {
    case 'proven':
    case 'skipped':
      return EXIT.proven;
    case 'unproven':
      return EXIT.unproven;
    case 'failed':
      return touched ? EXIT.failed : exitStatusOf(outcome.code);
    default:
      return EXIT.failed;
  }
}

/** Tells an error in one line, or as JSON. @returns the exit status. */
export function tellError(error: unknown, json: boolean, extra: Readonly<Record<string, unknown>> = {}): number {
  const said =
    error instanceof DrydockError
      ? error
      : new DrydockError('internal.invariant', {
          detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
  const status = exitStatusOf(said.code);
  if (json)
    printJson({
      ...extra,
      outcome: status === EXIT.refused ? 'refused' : 'failed',
      code: said.code,
      detail: said.message,
    });
  else process.stderr.write(`${said.message} [${said.code}]\n`);
  return status;
}

/** One image in a word: its version, or its hash where it has none. */
export function imageInAWord(images: readonly RunningImage[] | undefined): string | null {
  const image = images?.find(({ image: number }) => number === 0) ?? images?.[0];
  return image?.version ?? image?.hash ?? null;
}
