/** Sends artifact bytes, whole or in part; the ETag is the hash, so a resumed download cannot mix two files. */
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { BLOB_STORE, type BlobStore } from '../../adapters/blob-store/blob-store.port.js';
import { judgeRange } from '../../http/byte-range.js';
import { ProblemError } from '../../http/problem-error.js';

@Injectable()
export class ArtifactDownload {
  constructor(@Inject(BLOB_STORE) private readonly blobs: BlobStore) {}

  /** @throws ProblemError `server.blob-missing`; 416 for a range behind the end. */
  async send(sha256: string, request: Request, response: Response, fileName?: string): Promise<void> {
    const etag = `"${sha256}"`;
    response.setHeader('ETag', etag);
    response.setHeader('Accept-Ranges', 'bytes');
    if (request.headers['if-none-match']?.split(',').some((tag) => tag.trim() === etag)) {
      response.status(304).end();
      return;
    }
    const whole = await this.blobs.open(sha256);
    if (!whole) throw new ProblemError('server.blob-missing', { sha256 });
    const { sizeBytes } = whole;
    let stream = whole.stream;
    // A partial answer to a condition that no longer holds would join two files (RFC 9110, 13.1.5).
    const condition = request.headers['if-range'];
    const range =
      condition === undefined || condition === etag
        ? judgeRange(request.headers.range, sizeBytes)
        : { kind: 'whole' as const };
    if (range.kind !== 'whole') stream.destroy();
    if (range.kind === 'unsatisfiable') {
      response.setHeader('Content-Range', `bytes */${sizeBytes}`);
      const detail = `the range does not lie within the ${sizeBytes} bytes`;
      throw new ProblemError('request.invalid', { detail }, undefined, { status: 416 });
    }
    if (range.kind === 'part') {
      const part = await this.blobs.open(sha256, range);
      if (!part) throw new ProblemError('server.blob-missing', { sha256 });
      stream = part.stream;
      response.status(206);
      response.setHeader('Content-Range', `bytes ${range.start}-${range.end}/${sizeBytes}`);
    }
    response.setHeader('Content-Length', range.kind === 'part' ? range.end - range.start + 1 : sizeBytes);
    response.setHeader('Content-Type', 'application/octet-stream');
    if (fileName !== undefined) {
      response.setHeader('Content-Disposition', `attachment; filename*=UTF-8''${encodeURIComponent(fileName)}`);
    }
    if (request.method === 'HEAD') {
      stream.destroy();
      response.end();
      return;
    }
    try {
      await pipeline(stream, response);
    } catch (error) {
      // The other side went away: nobody is left to tell.
      if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    }
  }
}
