import { Global, Module } from '@nestjs/common';
import { AUDIT } from './audit.port.js';
import { AuditController } from './audit.controller.js';
import { AuditReader } from './audit-reader.js';
import { PostgresAudit } from './postgres-audit.js';

@Global()
@Module({
  controllers: [AuditController],
  providers: [AuditReader, { provide: AUDIT, useClass: PostgresAudit }],
  exports: [AUDIT, AuditReader],
})
export class AuditModule {}
