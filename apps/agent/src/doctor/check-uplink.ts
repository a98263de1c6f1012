/**
 * The way to the server: name, port, TLS, and whether the one that answers is the server this gateway was enrolled at.
 * No login is made: a login beside the running agent would look like a copy of this gateway.
 */
import { lookup } from 'node:dns/promises';
import { RootStatements } from '@drydock/contracts';
import { followRoot, type Enrolment } from '../uplink/agent-state.js';
import { httpOpen, readBody, requireSafeUrl } from '../uplink/http-client.js';
import { brokerUrl } from '../uplink/server-http.js';
import { connects } from './check-links.js';
import { fail, ok, warn, type Finding } from './finding.js';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 1024 * 1024;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883, 'ws:': 80, 'wss:': 443 };

export interface UplinkHealth {
  readonly findings: readonly Finding[];
  /** The server's clock, by its own answer. */
  readonly serverMs?: number;
  readonly boundMs: number;
}

export async function checkUplink(
  serverUrl: string,
  enrolment: Enrolment | undefined,
  allowPlaintext: boolean,
): Promise<UplinkHealth> {
  let url: URL;
  try {
    url = requireSafeUrl(serverUrl, 'server', allowPlaintext);
  } catch (error) {
    const mend = 'use an https address (or, knowing what it means, --allow-plaintext)';
    return { findings: [fail('server', (error as Error).message, mend)], boundMs: 0 };
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const unknown = await lookup(host).then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (unknown !== undefined) {
    return {
      findings: [fail('server', `${host} has no address here: ${unknown}`, `resolvectl query ${host}; ip route`)],
      boundMs: 0,
    };
  }
  const answer = await askServer(url, enrolment);
  const findings = [answer.finding];
  if (enrolment && answer.finding.state === 'ok')
    findings.push(await checkBroker(enrolment, serverUrl, allowPlaintext));
  return { ...answer, findings };
}

async function askServer(
  base: URL,
  enrolment: Enrolment | undefined,
): Promise<{ finding: Finding; serverMs?: number; boundMs: number }> {
  const url = new URL('agent/v1/root?after=0', base.href.endsWith('/') ? base : `${base.href}/`);
  const began = performance.now();
  try {
    const response = await httpOpen({
      method: 'GET',
      url,
      timeoutMs: TIMEOUT_MS,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = (await readBody(response, MAX_BYTES)).toString('utf8');
    const tookMs = Math.round(performance.now() - began);
    const date = Date.parse(response.headers.date ?? '');
    const time = { boundMs: tookMs + 1000, ...(Number.isFinite(date) && { serverMs: date }) };
    if (response.statusCode !== 200) {
      return { finding: fail('server', `${url.host} answers ${response.statusCode}`, `curl -i ${url.href}`), ...time };
    }
    const statements = RootStatements.parse(JSON.parse(text)).rootStatements;
    return { finding: await judgeServer(url, statements, enrolment, tookMs), ...time };
  } catch (error) {
    const said = (error as Error).message;
    const mend = /certificate|self.signed|CERT_/i.test(said)
      ? `openssl s_client -connect ${url.host}${url.port === '' ? ':443' : ''}; a private CA goes into NODE_EXTRA_CA_CERTS`
      : `curl -i ${url.href}`;
    return { finding: fail('server', `${url.host}: ${said}`, mend), boundMs: 0 };
  }
}

/** Whether the root that was pinned at enrolment has signed what this server says. */
async function judgeServer(
  url: URL,
  statements: readonly string[],
  enrolment: Enrolment | undefined,
  tookMs: number,
): Promise<Finding> {
  if (!enrolment) return ok('server', `${url.host} answers within ${tookMs} ms`);
  // From version 0 on at least one statement of our server is newer, if it is ours at all.
  const followed = await followRoot({ ...enrolment.root, version: 0 }, enrolment.server, statements);
  if (followed.version > 0)
    return ok('server', `${url.host} answers within ${tookMs} ms, and is the one of the enrolment`);
  return fail(
    'server',
    `${url.host} is another server than the one of the enrolment`,
    'start the agent with --server and the address where that server is now, or enrol at this one',
  );
}

async function checkBroker(enrolment: Enrolment, serverUrl: string, allowPlaintext: boolean): Promise<Finding> {
  try {
    const url = new URL(brokerUrl(enrolment.broker.url, serverUrl, allowPlaintext));
    const port = url.port === '' ? (DEFAULT_PORTS[url.protocol] ?? 8883) : Number(url.port);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const error = await connects({ host, port });
    if (error === undefined) return ok('broker', `${host}:${port} takes connections`);
    return fail('broker', `${host}:${port}: ${error}`, `nc -vz ${host} ${port}; let the firewall pass it`);
  } catch (error) {
    return warn('broker', (error as Error).message, 'look at DRYDOCK_MQTT settings of the server');
  }
}
