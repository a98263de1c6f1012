import { Global, Module } from '@nestjs/common';
import { AUDIT } from './audit.port.js';
import { AuditController } from './audit.controller.js';
import { PostgresAudit } from './postgres-audit.js';

@Global()
@Module({
  controllers: [AuditController],
  providers: [{ provide: AUDIT, useClass: PostgresAudit }],
  exports: [AUDIT],
})
export class AuditModule {}
