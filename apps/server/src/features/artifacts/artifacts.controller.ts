import { Controller, Delete, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import { Artifact, ArtifactFields, ArtifactQuery, pageOf, Sha256 } from '@drydock/contracts';
import type { Request, Response } from 'express';
import { BLOB_STORE, type BlobStore } from '../../adapters/blob-store/blob-store.port.js';
import { openApiSchema, ZodParam, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { SETTINGS, type Settings } from '../../settings/settings.js';
import { CurrentActor, Public, Roles, type Actor } from '../access/actor.js';
import { LoginService } from '../fleet/login.service.js';
import { ProblemError } from '../../http/problem-error.js';
import { ArtifactDownload } from './artifact-download.js';
import { ArtifactsService } from './artifacts.service.js';
import { readUpload, UploadBudget } from './upload-reader.js';

/** Longest silence of an uploading client. */
const UPLOAD_IDLE_MS = 30_000;

@ApiTags('artifacts')
@Controller()
export class ArtifactsController {
  private readonly budget: UploadBudget;

  constructor(
    private readonly artifacts: ArtifactsService,
    private readonly download: ArtifactDownload,
    private readonly logins: LoginService,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {
    this.budget = new UploadBudget(settings.maxUploadBytes);
  }

  @Post('api/v1/artifacts')
  @Roles('operator')
  @ApiConsumes('multipart/form-data')
  @ApiBody({ schema: uploadForm() })
  @ZodResponse(Artifact, { status: 201 })
  async upload(
    @CurrentActor() actor: Actor,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Artifact> {
    const maxBytes = this.settings.maxUploadBytes;
    const release = this.budget.reserve(Math.min(maxBytes, Number(request.headers['content-length'] ?? maxBytes)));
    try {
      const pending = await this.blobs.begin();
      const upload = await readUpload(request, pending, { maxBytes, idleMs: UPLOAD_IDLE_MS }).catch(
        async (error: unknown) => {
          await pending.discard();
          throw error;
        },
      );
      const { artifact, isNew } = await this.artifacts.store(actor, upload, pending);
      response.status(isNew ? 201 : 200);
      return artifact;
    } finally {
      release();
    }
  }

  @Get('api/v1/artifacts')
  @Roles('viewer')
  @ZodResponse(pageOf(Artifact))
  list(@CurrentActor() actor: Actor, @ZodQuery(ArtifactQuery) query: ArtifactQuery) {
    return this.artifacts.list(actor, query);
  }

  @Get('api/v1/artifacts/:sha256')
  @Roles('viewer')
  @ZodResponse(Artifact)
  get(@CurrentActor() actor: Actor, @ZodParam('sha256', Sha256) sha256: string) {
    return this.artifacts.get(actor, sha256);
  }

  @Get('api/v1/artifacts/:sha256/content')
  @Roles('operator')
  async content(
    @CurrentActor() actor: Actor,
    @ZodParam('sha256', Sha256) sha256: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const { fileName } = await this.artifacts.get(actor, sha256);
    if (request.headers.range === undefined) await this.artifacts.recordDownload(actor, sha256);
    await this.download.send(sha256, request, response, fileName);
  }

  @Delete('api/v1/artifacts/:sha256')
  @Roles('operator')
  @HttpCode(204)
  remove(@CurrentActor() actor: Actor, @ZodParam('sha256', Sha256) sha256: string): Promise<void> {
    return this.artifacts.remove(actor, sha256);
  }

  /** Public: the login token of a gateway is the authority, and its orders say which bytes it may have. */
  @Get('agent/v1/artifacts/:sha256')
  @Public()
  async forGateway(
    @ZodParam('sha256', Sha256) sha256: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const { gatewayId } = await this.logins.requireGateway(request.headers.authorization);
    if (!(await this.artifacts.gatewayMayFetch(gatewayId, sha256))) {
      throw new ProblemError('request.not-found', { what: 'artifact in the orders of this gateway', id: sha256 });
    }
    await this.download.send(sha256, request, response);
  }
}

function uploadForm(): Record<string, unknown> {
  const fields = openApiSchema(ArtifactFields, 'input') as { properties: Record<string, unknown> };
  return {
    type: 'object',
    required: ['model', 'file'],
    properties: {
      ...fields.properties,
      requires: { type: 'string', description: 'JSON' },
      file: { type: 'string', format: 'binary' },
    },
  };
}
