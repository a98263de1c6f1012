/**
 * Metrics for Prometheus. Labels are bounded: routes are patterns, never paths; nothing carries an id of a gateway,
 * device or person.
 */
import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** One registry per server, so that several can live in one process. Rooms may add their own to `registry`. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  readonly httpSeconds = new Histogram({
    name: 'drydock_http_request_seconds',
    help: 'Time to answer HTTP requests.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.005, 0.02, 0.05, 0.1, 0.5, 2, 10],
    registers: [this.registry],
  });
  readonly brokerConnected = new Gauge({
    name: 'drydock_broker_connected',
    help: '1 when the broker can be used.',
    registers: [this.registry],
  });
  readonly brokerClients = new Gauge({
    name: 'drydock_broker_clients',
    help: 'Gateways connected to the embedded broker.',
    registers: [this.registry],
  });
  readonly queueJobs = new Gauge({
    name: 'drydock_queue_jobs',
    help: 'Jobs by queue and state.',
    labelNames: ['queue', 'state'] as const,
    registers: [this.registry],
  });
  readonly poolConnections = new Gauge({
    name: 'drydock_database_pool_connections',
    help: 'Connections of the hot pool.',
    labelNames: ['state'] as const,
    registers: [this.registry],
  });
  readonly checkFailures = new Counter({
    name: 'drydock_health_check_failures_total',
    help: 'Failed health checks by part.',
    labelNames: ['part'] as const,
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'drydock_' });
  }
}
