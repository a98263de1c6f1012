/** `drydock-agent status`: asks the running daemon; where none answers, tells what its state folder shows. */
import { DrydockError } from '@drydock/dfu-core';
import { AgentStatus } from '../status/agent-status.js';
import { askDaemon } from '../status/control-socket.js';
import { describeStatus } from '../status/describe-status.js';
import { statusAtRest } from '../status/status-at-rest.js';
import { EXIT, printJson, printLines, tellError } from './console-output.js';

export interface StatusOptions {
  readonly state: string;
  readonly json?: boolean;
}

const ANSWER_MS = 5000;

/** @returns 0 when the daemon runs, is connected and its journal is well; 1 otherwise. */
export async function status(options: StatusOptions): Promise<number> {
  try {
    const found = await readStatus(options.state);
    if (options.json === true) printJson(found);
    else printLines(describeStatus(found));
    const well = found.running && found.connection.state === 'online' && found.journal.trouble === null;
    return well ? EXIT.proven : EXIT.failed;
  } catch (error) {
    return tellError(error, options.json ?? false);
  }
}

export async function readStatus(stateDir: string): Promise<AgentStatus> {
  let answer: unknown;
  try {
    answer = await askDaemon(stateDir, 'status', ANSWER_MS);
  } catch (error) {
    if (error instanceof DrydockError && error.code === 'gateway.no-link') return statusAtRest(stateDir);
    throw error;
  }
  const parsed = AgentStatus.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new DrydockError('gateway.no-link', {
    detail: `the agent that runs there answers in another form: ${parsed.error.issues[0]?.path.join('.') ?? ''}`,
  });
}
