/** Tables to take home: streamed, so that size is no limit. */
import { Controller, Get, Res } from '@nestjs/common';
import { ApiProduces, ApiTags } from '@nestjs/swagger';
import {
  AuditExportQuery,
  DecisionExportQuery,
  DeviceExportQuery,
  ExportQuery,
  ExposureExportQuery,
} from '@drydock/contracts';
import type { Response } from 'express';
import { ZodParam, ZodQuery } from '../../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../../access/actor.js';
import { ExportService } from './export.service.js';
import { ApiTable, sendTable } from './table-stream.js';

@ApiTags('export')
@ApiProduces('text/csv', 'application/jsonl')
@Controller('api/v1')
export class ExportController {
  constructor(private readonly exports: ExportService) {}

  @Get('campaigns/:id/export')
  @Roles('viewer')
  @ApiTable()
  async results(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(ExportQuery) { format }: ExportQuery,
    @Res() response: Response,
  ): Promise<void> {
    await sendTable(response, format, await this.exports.results(actor.orgId, id));
  }

  /** What people and rules decided, oldest first. */
  @Get('campaigns/:id/decisions/export')
  @Roles('viewer')
  @ApiTable()
  async decisions(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(DecisionExportQuery) { format, by }: DecisionExportQuery,
    @Res() response: Response,
  ): Promise<void> {
    await sendTable(response, format, await this.exports.decisions(actor.orgId, id, by));
  }

  /** Members that failed, reverted or are lost. */
  @Get('campaigns/:id/failures/export')
  @Roles('viewer')
  @ApiTable()
  async failures(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(ExportQuery) { format }: ExportQuery,
    @Res() response: Response,
  ): Promise<void> {
    await sendTable(response, format, await this.exports.results(actor.orgId, id, ['failed', 'reverted', 'lost']));
  }

  @Get('fleet/devices/export')
  @Roles('viewer')
  @ApiTable()
  async devices(
    @CurrentActor() actor: Actor,
    @ZodQuery(DeviceExportQuery) { format, ...query }: DeviceExportQuery,
    @Res() response: Response,
  ): Promise<void> {
    await sendTable(response, format, this.exports.devices(actor, query));
  }

  @Get('exposure/export')
  @Roles('viewer')
  @ApiTable()
  async exposed(
    @CurrentActor() actor: Actor,
    @ZodQuery(ExposureExportQuery) { format, ...query }: ExposureExportQuery,
    @Res() response: Response,
  ): Promise<void> {
    await sendTable(response, format, this.exports.exposed(actor, query));
  }

  @Get('audit/export')
  @Roles('viewer')
  @ApiTable()
  async audit(
    @CurrentActor() actor: Actor,
    @ZodQuery(AuditExportQuery) { format, ...query }: AuditExportQuery,
    @Res() response: Response,
  ): Promise<void> {
    await sendTable(response, format, this.exports.audit(actor, query));
  }
}
