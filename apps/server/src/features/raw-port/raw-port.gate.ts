/**
 * Where the two ends of a raw port meet: a person's tool comes first and waits, the agent brings the port. Both must reach
 * the same server; an agent that finds nobody is told so, and comes again.
 *
 * Who came, from where, for how long and how many bytes went is in the audit trail.
 */
import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  MAX_RAW_PORT_MESSAGE_BYTES,
  parseRawPortPath,
  type AttemptRef,
  type RawPortEnd,
  type RawPortWord,
} from '@drydock/contracts';
import { DataSource } from 'typeorm';
import { WebSocketServer, type WebSocket } from 'ws';
import { ProblemError } from '../../http/problem-error.js';
import { toBody } from '../../http/problem-filter.js';
import { mayAct } from '../access/access.guard.js';
import type { Actor } from '../access/actor.js';
import { isCredentialLive, SignIn } from '../access/sign-in.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { LoginService } from '../fleet/login.service.js';
import { addressOf, type TrustProxy } from './client-address.js';
import { isStillGranted, requireForAgent, requireForTool, type RawPortFacts } from './grants.js';
import { keepAlive, Relay, sayGoodbye } from './relay.js';

/** How long a tool waits for its gateway. */
const WAIT_MS = 30 * 60_000;
/** What was true when an end came is looked at again this often. */
const CHECK_MS = 5_000;
const MAX_ENDS = 64;

interface Waiting {
  readonly socket: WebSocket;
  readonly actor: Actor;
  readonly timers: readonly NodeJS.Timeout[];
  /** Undefined while nobody has brought the port. */
  relay?: Relay;
  /** Reserved by an agent whose checks are under way. */
  isTaken: boolean;
}

@Injectable()
export class RawPortGate implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = new Logger('RawPort');
  private readonly sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_RAW_PORT_MESSAGE_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
  });
  private readonly tools = new Map<string, Waiting>();
  private readonly closing = new Set<Promise<unknown>>();
  private isStopped = false;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly source: DataSource,
    private readonly signIn: SignIn,
    private readonly logins: LoginService,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  onApplicationBootstrap(): void {
    const server = this.host.httpAdapter.getHttpServer() as Server;
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => undefined);
      this.welcome(request, socket, head).catch((error: unknown) => this.refuse(socket, error));
    });
  }

  async onModuleDestroy(): Promise<void> {
    this.isStopped = true;
    for (const tool of this.tools.values()) this.letGo(tool, 'stopped');
    await Promise.allSettled([...this.closing]);
  }

  private async welcome(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const path = parseRawPortPath(new URL(request.url ?? '/', 'http://server').pathname);
    if (!path) throw new ProblemError('request.not-found', { what: 'route', id: 'for an upgrade' });
    if (path.end === 'tool') await this.toolCame(path.deployment, request, socket, head);
    else await this.agentCame(path.ref, request, socket, head);
  }

  private async toolCame(deployment: string, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const trust = (this.host.httpAdapter.getInstance() as { get(name: string): unknown }).get('trust proxy fn');
    const ip = addressOf(request, trust as TrustProxy);
    const actor = await this.signIn.person(request.headers.authorization, { ip, requestId: randomUUID() });
    if (!mayAct(actor.roles, ['admin'])) throw new ProblemError('request.forbidden', { role: 'admin' });
    const facts = await requireForTool(this.source.manager, deployment, actor.orgId);
    if (this.isStopped || this.tools.size >= MAX_ENDS)
      throw new ProblemError('server.overloaded', { retryAfterMs: 5_000 });
    if (this.tools.has(deployment)) {
      throw new ProblemError('request.conflict', { detail: 'another tool waits for this port or has it' });
    }
    this.sockets.handleUpgrade(request, socket, head, (ws) => {
      const tool: Waiting = {
        socket: ws,
        actor,
        isTaken: false,
        timers: [
          keepAlive(ws),
          setTimeout(() => !tool.relay && this.letGo(tool, 'idle'), WAIT_MS),
          setInterval(() => void this.lookAgain(deployment, tool), CHECK_MS),
        ],
      };
      this.tools.set(deployment, tool);
      ws.on('error', () => undefined);
      ws.once('close', () => {
        for (const timer of tool.timers) clearInterval(timer);
        this.tools.delete(deployment);
      });
      say(ws, { say: 'waiting' });
      this.note(this.record(actor, 'raw-port.awaited', deployment, facts, {}));
    });
  }

  private async agentCame(ref: AttemptRef, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { gatewayId } = await this.logins.requireGateway(request.headers.authorization);
    const facts = await requireForAgent(this.source.manager, ref, gatewayId);
    const tool = this.tools.get(ref.deployment);
    if (!tool || tool.isTaken || tool.actor.orgId !== facts.orgId) {
      throw new ProblemError('request.not-found', { what: 'tool that waits for deployment', id: ref.deployment });
    }
    tool.isTaken = true;
    // Bytes of the tool wait in its own machine until there is somebody to take them.
    this.sockets.handleUpgrade(request, socket, head, (ws) => {
      ws.on('error', () => undefined);
      const limitMs = Math.min(facts.limitMs, facts.leftMs);
      const relay = new Relay(tool.socket, ws, { limitMs });
      tool.relay = relay;
      for (const end of [tool.socket, ws]) say(end, { say: 'joined', gateway: facts.gateway, withinMs: limitMs });
      const check = setInterval(() => {
        isStillGranted(this.source.manager, ref).then(
          (isGood) => isGood || relay.end('withdrawn'),
          () => relay.end('withdrawn'),
        );
      }, CHECK_MS);
      const began = performance.now();
      this.note(this.record(tool.actor, 'raw-port.opened', ref.deployment, facts, { attempt: ref.attempt, limitMs }));
      this.note(
        relay.ended.then(({ by, toDevice, toTool }) => {
          clearInterval(check);
          const heldMs = Math.round(performance.now() - began);
          const params = { attempt: ref.attempt, by, toDevice, toTool, heldMs };
          return this.record(tool.actor, 'raw-port.closed', ref.deployment, facts, params);
        }),
      );
    });
  }

  /** The person may have lost the right since, or the deployment its need. */
  private async lookAgain(deployment: string, tool: Waiting): Promise<void> {
    try {
      const rights = await this.source.query(
        `select 1 from people where id = $1 and disabled_at is null and 'admin' = any(roles)`,
        [tool.actor.personId],
      );
      const isAllowed =
        (rights as unknown[]).length > 0 && (await isCredentialLive(this.source, tool.actor.credential));
      if (!isAllowed) return this.letGo(tool, 'withdrawn');
      if (!tool.relay) await requireForTool(this.source.manager, deployment, tool.actor.orgId);
    } catch {
      // What cannot be looked up is not trusted either.
      this.letGo(tool, 'withdrawn');
    }
  }

  private letGo(tool: Waiting, by: RawPortEnd): void {
    if (tool.relay) tool.relay.end(by);
    else sayGoodbye(tool.socket, { say: 'ended', by, toDevice: 0, toTool: 0 });
  }

  private record(
    actor: Actor,
    action: string,
    deployment: string,
    facts: RawPortFacts,
    params: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    return this.audit.record(this.source.manager, {
      orgId: facts.orgId,
      actor,
      action,
      target: { kind: 'deployment', id: deployment },
      params: { campaign: facts.campaignId, device: facts.deviceId, gateway: facts.gatewayId, ...params },
    });
  }

  /** What must be written before the server is gone. */
  private note(work: Promise<void>): void {
    const noted = work.catch((error: unknown) => this.log.error(`the audit of a raw port failed: ${String(error)}`));
    this.closing.add(noted);
    void noted.then(() => this.closing.delete(noted));
  }

  private refuse(socket: Duplex, error: unknown): void {
    if (!(error instanceof ProblemError)) this.log.error(`an upgrade failed: ${String(error)}`);
    const requestId = randomUUID();
    const problem =
      error instanceof ProblemError
        ? error
        : new ProblemError('internal.invariant', { detail: `see the log for request ${requestId}` });
    const body = JSON.stringify(toBody(problem, { requestId }));
    socket.end(
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\nConnection: close\r\n` +
        `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }
}

function say(socket: WebSocket, word: RawPortWord): void {
  socket.send(JSON.stringify(word));
}
