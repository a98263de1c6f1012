/** Where this server is reached; ports are known once the listeners are bound. */
import { readFileSync } from 'node:fs';
import type { BrokerAccess } from '@drydock/contracts';
import { isLoopbackHost, type Settings } from '../settings/settings.js';

export const ADDRESSES = Symbol('Addresses');

export class Addresses {
  private httpPort = 0;
  private mqttPort = 0;

  constructor(
    private readonly settings: Pick<
      Settings,
      'httpHost' | 'mqttHost' | 'publicUrl' | 'publicMqttUrl' | 'mqttUrl' | 'tlsCert' | 'mqttCa'
    >,
  ) {}

  /** Called by the start, once each listener is bound. */
  bound(ports: { http?: number; mqtt?: number }): this {
    this.httpPort = ports.http ?? this.httpPort;
    this.mqttPort = ports.mqtt ?? this.mqttPort;
    return this;
  }

  /** Address of the HTTP listener for people on this machine, or the public one. No trailing slash. */
  get http(): string {
    if (this.settings.publicUrl) return this.settings.publicUrl.replace(/\/$/, '');
    return `${this.settings.tlsCert ? 'https' : 'http'}://${shown(this.settings.httpHost)}:${this.httpPort}`;
  }

  /** Address of the broker for people to read; never with credentials. */
  get mqtt(): string {
    if (this.settings.publicMqttUrl) return withoutLogin(this.settings.publicMqttUrl);
    if (this.settings.mqttUrl) return withoutLogin(this.settings.mqttUrl);
    return `${this.settings.tlsCert ? 'mqtts' : 'mqtt'}://${shown(this.settings.mqttHost)}:${this.mqttPort}`;
  }

  /**
   * What an agent is told. For the embedded broker without a public address the host is left out: it is the host under
   * which the agent reached the server over HTTP. An outside broker knows gateways by client certificate, which the
   * caller adds.
   */
  brokerAccess(): BrokerAccess {
    if (this.settings.mqttUrl) {
      const ca = this.settings.mqttCa ? { ca: readFileSync(this.settings.mqttCa, 'utf8') } : {};
      return { url: this.mqtt, login: 'certificate', ...ca };
    }
    const ca = this.settings.tlsCert ? { ca: readFileSync(this.settings.tlsCert, 'utf8') } : {};
    if (this.settings.publicMqttUrl) return { url: this.mqtt, login: 'token' };
    return { url: `${this.settings.tlsCert ? 'mqtts' : 'mqtt'}://:${this.mqttPort}`, login: 'token', ...ca };
  }
}

function shown(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  if (isLoopbackHost(host)) return host === '::1' ? '[::1]' : host;
  return host.includes(':') ? `[${host}]` : host;
}

function withoutLogin(url: string): string {
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  return parsed.toString().replace(/\/$/, '');
}
