import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { FleetModule } from '../fleet/fleet.module.js';
import { RawPortGate } from './raw-port.gate.js';

/** Where a vendor's tool and the port of a module meet. */
@Module({ imports: [AccessModule, FleetModule], providers: [RawPortGate] })
export class RawPortModule {}
