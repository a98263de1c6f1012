/**
 * The part of the S3 protocol that the store speaks, in memory: multipart upload, copy, range, head, delete.
 * Written from the Amazon S3 API reference (2006-03-01), not from the client. Signatures are not checked.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const MIN_PART_BYTES = 5 * 1024 * 1024;

export class S3Service {
  readonly objects = new Map<string, Buffer>();
  readonly uploads = new Map<string, { key: string; parts: Map<number, Buffer> }>();
  private readonly server: Server;

  constructor(
    private readonly bucket: string,
    private exists = true,
  ) {
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://s3');
    const [, bucket, ...rest] = decodeURIComponent(url.pathname).split('/');
    const key = rest.join('/');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const fail = (status: number, code: string) =>
      response.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code></Error>`);
    const xml = (text: string) => response.writeHead(200, { 'content-type': 'application/xml' }).end(text);
    if (bucket === this.bucket && key === '' && request.method === 'PUT') {
      if (this.exists) return void fail(409, 'BucketAlreadyOwnedByYou');
      this.exists = true;
      return void response.writeHead(200).end();
    }
    if (bucket !== this.bucket || !this.exists) return void fail(404, 'NoSuchBucket');
    if (key === '') return void response.writeHead(200).end();

    const uploadId = url.searchParams.get('uploadId');
    const upload = uploadId === null ? undefined : this.uploads.get(uploadId);
    if (uploadId !== null && (!upload || upload.key !== key)) return void fail(404, 'NoSuchUpload');

    if (request.method === 'POST' && url.searchParams.has('uploads')) {
      const id = randomUUID();
      this.uploads.set(id, { key, parts: new Map() });
      return void xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    }
    if (request.method === 'PUT' && upload) {
      upload.parts.set(Number(url.searchParams.get('partNumber')), body);
      return void response.writeHead(200, { etag: etag(body) }).end();
    }
    if (request.method === 'POST' && upload) {
      const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map((match) => Number(match[1]));
      const parts = named.map((number) => upload.parts.get(number));
      if (parts.length === 0 || parts.some((part) => part === undefined)) return void fail(400, 'InvalidPart');
      if (parts.slice(0, -1).some((part) => part!.length < MIN_PART_BYTES)) return void fail(400, 'EntityTooSmall');
      this.objects.set(key, Buffer.concat(parts as Buffer[]));
      this.uploads.delete(uploadId!);
      return void xml('<CompleteMultipartUploadResult></CompleteMultipartUploadResult>');
    }
    if (request.method === 'DELETE') {
      if (upload) this.uploads.delete(uploadId!);
      else this.objects.delete(key);
      return void response.writeHead(204).end();
    }
    const source = request.headers['x-amz-copy-source'];
    if (request.method === 'PUT' && typeof source === 'string') {
      const from = this.objects.get(
        decodeURIComponent(source)
          .replace(/^\//, '')
          .slice(this.bucket.length + 1),
      );
      if (!from) return void fail(404, 'NoSuchKey');
      this.objects.set(key, from);
      return void xml(`<CopyObjectResult><ETag>${etag(from)}</ETag></CopyObjectResult>`);
    }
    const object = this.objects.get(key);
    if (!object) return void fail(404, 'NoSuchKey');
    if (request.method === 'HEAD') return void response.writeHead(200, { 'content-length': object.length }).end();
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (!range) return void response.writeHead(200, { 'content-length': object.length }).end(object);
    const part = object.subarray(Number(range[1]), Number(range[2]) + 1);
    const contentRange = `bytes ${range[1]}-${Number(range[1]) + part.length - 1}/${object.length}`;
    response.writeHead(206, { 'content-length': part.length, 'content-range': contentRange }).end(part);
  }
}

function etag(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}
