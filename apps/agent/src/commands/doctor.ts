/** `drydock-agent doctor`: what is wrong here, and the command that mends it. */
import { checkUnit, examine, thisMachine, type DoctorOptions } from '../doctor/doctor.js';
import type { Finding } from '../doctor/finding.js';
import { printable } from '../log/log-line.js';
import { EXIT, printJson, printLines, tellError } from './console-output.js';
import { readStatus } from './status.js';

const MARK = { ok: 'ok  ', warn: 'WARN', fail: 'FAIL' } as const;

/** @returns 0 when nothing failed (warnings do not count), 1 otherwise. */
export async function doctor(options: DoctorOptions & { readonly json?: boolean }): Promise<number> {
  try {
    const machine = thisMachine();
    const unit = await checkUnit(machine);
    const findings = [...(await examine(options, machine, await readStatus(options.state))), ...(unit ? [unit] : [])];
    const well = findings.every(({ state }) => state !== 'fail');
    if (options.json === true) printJson({ v: 1, well, findings });
    else printLines(describeFindings(findings));
    return well ? EXIT.proven : EXIT.failed;
  } catch (error) {
    return tellError(error, options.json ?? false);
  }
}

export function describeFindings(findings: readonly Finding[]): string[] {
  const lines = findings.flatMap(({ check, state, found, mend }) => [
    printable(`${MARK[state]} ${check}: ${found}`),
    ...(mend === undefined ? [] : [printable(`       mend: ${mend}`)]),
  ]);
  const count = (state: Finding['state']): number => findings.filter((each) => each.state === state).length;
  return [...lines, '', `failed: ${count('fail')}, warnings: ${count('warn')}, well: ${count('ok')}`];
}
