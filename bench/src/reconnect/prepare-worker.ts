/** A thread that signs what a part of the gateways will say. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { ReportStream } from '../report-stream.js';
import type { PreparedWords, PrepareTask } from './prepared-returns.js';
import { deploymentsOf } from './returning-fleet.js';

const PRESENCE = {
  online: true,
  connection: 1,
  sequence: 1,
  agentVersion: '0.0.0',
  wire: [1],
  protocols: ['smp'],
  links: [],
  held: { reign: 0, revision: 0 },
};

const { fleet, gateways, from, each, reports, path } = workerData as PrepareTask;
const words: PreparedWords[] = [];
const file = openSync(path, 'w');
let offset = 0;
for (const [index, gateway] of gateways.entries()) {
  const deployments = deploymentsOf(from + index, each);
  const stream = new ReportStream({ ...fleet, gateways: [] }, { ...gateway, deployments });
  await stream.prepare();
  const [batch] = stream.batches(1, reports);
  if (!batch) throw new Error('There is no batch.');
  writeSync(file, batch.bytes);
  words.push({
    login: stream.sign('login', { nonce: '0'.repeat(32) }),
    presence: stream.sign('presence', PRESENCE),
    timeRequest: stream.sign('time-request', { nonce: '1'.repeat(32) }),
    offset,
    length: batch.bytes.length,
    lastSeq: batch.lastSeq,
  });
  offset += batch.bytes.length;
}
closeSync(file);
parentPort?.postMessage(words);
