/** Waiting for the answer to the first chunk of an upload, for which the target erases its slot. */
import type { SmpClient, Step } from './client.js';
import type { Message } from './messages.js';

/** The first chunk makes the target erase; single-bank flash takes its time, in recovery that of a whole slot. */
const ERASE_MS = 40_000;
const PATIENT_ERASE_MS = 150_000;
/** After this long without an answer the target is asked something small: is the first chunk lost, or slow? */
const ERASE_PROBE_MS = 6000;

/** Waits through the erase; now and then a small question tells a lost request from slow flash. */
export function* awaitFirstAnswer(client: SmpClient, sent: ReadonlySet<number>): Step<Message | undefined> {
  const probes = new Set<number>();
  // A raw UART drops what comes while it works, and the rest of its message with it.
  const asks = client.transport.settleMs === 0;
  const withinMs = asks ? ERASE_PROBE_MS : ERASE_MS;
  for (let waitedMs = 0, strangers = 0; strangers < 300;) {
    const got = yield* client.receive(withinMs);
    if (got.kind === 'damaged') return undefined;
    if (got.kind === 'timeout') {
      waitedMs += withinMs;
      if (!asks || waitedMs > PATIENT_ERASE_MS) return undefined;
      probes.add(yield* client.send({ kind: 'params' }));
      continue;
    }
    const { header } = got.message;
    if (sent.has(header.sequence) && client.answers(got.message, 'upload-first')) return got.message;
    // Answers come in order: the target has passed the first chunk without seeing it.
    if (probes.has(header.sequence) && client.answers(got.message, 'params')) return undefined;
    strangers++;
  }
  return undefined;
}
