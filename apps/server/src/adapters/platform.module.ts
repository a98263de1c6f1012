/** Gives every room the adapters under their tokens; opened before Nest starts, closed after it stopped. */
import { Module, type DynamicModule } from '@nestjs/common';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import type { Logger } from 'pino';
import type { Settings } from '../settings/settings.js';
import { SETTINGS } from '../settings/settings.js';
import { LOGGER } from '../settings/logger.js';
import { ADDRESSES, type Addresses } from './addresses.js';
import { BLOB_STORE, type BlobStore } from './blob-store/blob-store.port.js';
import { PG_POOL } from './database/database.js';
import { SERVER_KEYS, type ServerKeys } from './keys/server-keys.port.js';
import { BROKER, type Broker } from './mqtt/broker.port.js';
import { QUEUES, type Queues } from './queue/queues.js';

export interface Platform {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly dataSource: DataSource;
  readonly pool: Pool;
  readonly keys: ServerKeys;
  readonly blobStore: BlobStore;
  readonly broker: Broker;
  readonly queues: Queues;
  readonly addresses: Addresses;
}

@Module({})
export class PlatformModule {
  static of(platform: Platform): DynamicModule {
    const providers = [
      { provide: SETTINGS, useValue: platform.settings },
      { provide: LOGGER, useValue: platform.logger },
      { provide: DataSource, useValue: platform.dataSource },
      { provide: PG_POOL, useValue: platform.pool },
      { provide: SERVER_KEYS, useValue: platform.keys },
      { provide: BLOB_STORE, useValue: platform.blobStore },
      { provide: BROKER, useValue: platform.broker },
      { provide: QUEUES, useValue: platform.queues },
      { provide: ADDRESSES, useValue: platform.addresses },
    ];
    return { module: PlatformModule, global: true, providers, exports: providers };
  }
}
