/** Artifact bytes in an S3-compatible bucket: uploaded in parts under a pending name, then copied to their hash. */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  S3Client,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { BlobStore, PendingBlob } from './blob-store.port.js';
import { hashFolders } from './folder-blob-store.js';

/** S3 refuses parts below 5 MiB, but for the last. */
const PART_BYTES = 8 * 1024 * 1024;

export interface S3BlobStoreOptions {
  readonly bucket: string;
  readonly prefix: string;
  readonly region: string;
  readonly endpoint?: string;
  readonly credentials?: { accessKeyId: string; secretAccessKey: string };
  /** Makes the bucket at start when the service has none of that name. */
  readonly createBucket?: boolean;
}

export class S3BlobStore implements BlobStore {
  private readonly client: S3Client;

  constructor(private readonly options: S3BlobStoreOptions) {
    this.client = new S3Client({
      region: options.region,
      // Most S3-compatible services know no host names per bucket.
      ...(options.endpoint ? { endpoint: options.endpoint, forcePathStyle: true } : {}),
      ...(options.credentials ? { credentials: options.credentials } : {}),
      maxAttempts: 3,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  async start(): Promise<void> {
    try {
      await this.check();
    } catch (error) {
      const cause = (error as Error).cause as Error | undefined;
      if (!this.options.createBucket || !cause || !['NotFound', 'NoSuchBucket'].includes(cause.name)) throw error;
      // A server that starts beside this one may be first; then the answer is a refusal, and the bucket is there.
      await this.client.send(new CreateBucketCommand({ Bucket: this.options.bucket })).catch(() => undefined);
      await this.check();
    }
  }

  async begin(): Promise<PendingBlob> {
    const key = `${this.options.prefix}incoming/${randomUUID()}`;
    return new PendingUpload(this.client, this.options.bucket, key, (sha256) => this.keyOf(sha256));
  }

  async readAll(sha256: string): Promise<Buffer | undefined> {
    const found = await this.open(sha256);
    if (!found) return undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of found.stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  async open(sha256: string, range?: { start: number; end: number }) {
    const Range = range ? `bytes=${range.start}-${range.end}` : undefined;
    const answer = await absentAsUndefined(
      this.client.send(new GetObjectCommand({ Bucket: this.options.bucket, Key: this.keyOf(sha256), Range })),
    );
    if (!answer?.Body) return undefined;
    const total = answer.ContentRange?.split('/')[1];
    return { stream: answer.Body as Readable, sizeBytes: Number(total ?? answer.ContentLength ?? 0) };
  }

  async has(sha256: string): Promise<boolean> {
    const head = new HeadObjectCommand({ Bucket: this.options.bucket, Key: this.keyOf(sha256) });
    return (await absentAsUndefined(this.client.send(head))) !== undefined;
  }

  async remove(sha256: string): Promise<void> {
    await this.client.send(new DeleteObjectCommand({ Bucket: this.options.bucket, Key: this.keyOf(sha256) }));
  }

  /** A link with which the bytes can be fetched from the store itself. */
  async presign(sha256: string, withinSeconds: number): Promise<string> {
    const get = new GetObjectCommand({ Bucket: this.options.bucket, Key: this.keyOf(sha256) });
    return getSignedUrl(this.client, get, { expiresIn: withinSeconds });
  }

  /** Rejects when the bucket cannot be reached. */
  async check(): Promise<void> {
    try {
      await this.client.send(new HeadBucketCommand({ Bucket: this.options.bucket }));
    } catch (error) {
      throw new Error(`The bucket ${this.options.bucket} cannot be used (DRYDOCK_S3_BUCKET).`, { cause: error });
    }
  }

  stop(): void {
    this.client.destroy();
  }

  private keyOf(sha256: string): string {
    return `${this.options.prefix}${hashFolders(sha256).join('/')}/${sha256}`;
  }
}

class PendingUpload implements PendingBlob {
  private uploadId: string | undefined;
  private readonly parts: CompletedPart[] = [];
  private buffered: Buffer[] = [];
  private bufferedBytes = 0;
  private completed = false;

  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
    private readonly key: string,
    private readonly target: (sha256: string) => string,
  ) {}

  async write(chunk: Buffer): Promise<void> {
    // Copied: the caller may use its buffer again before the part is full.
    this.buffered.push(Buffer.from(chunk));
    this.bufferedBytes += chunk.length;
    if (this.bufferedBytes >= PART_BYTES) await this.flush();
  }

  async commit(sha256: string): Promise<void> {
    const target = this.target(sha256);
    // At least one part, even of an empty file.
    if (this.bufferedBytes > 0 || this.parts.length === 0) await this.flush();
    await this.client.send(
      new CompleteMultipartUploadCommand({
        Bucket: this.bucket,
        Key: this.key,
        UploadId: this.uploadId,
        MultipartUpload: { Parts: this.parts },
      }),
    );
    this.completed = true;
    await this.client.send(
      new CopyObjectCommand({ Bucket: this.bucket, Key: target, CopySource: `${this.bucket}/${this.key}` }),
    );
    await this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: this.key }));
  }

  async discard(): Promise<void> {
    if (this.completed) {
      await this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: this.key }));
    } else if (this.uploadId) {
      await this.client.send(
        new AbortMultipartUploadCommand({ Bucket: this.bucket, Key: this.key, UploadId: this.uploadId }),
      );
    }
  }

  private async flush(): Promise<void> {
    if (this.uploadId === undefined) {
      const begun = await this.client.send(new CreateMultipartUploadCommand({ Bucket: this.bucket, Key: this.key }));
      this.uploadId = begun.UploadId;
    }
    const PartNumber = this.parts.length + 1;
    const Body = Buffer.concat(this.buffered);
    this.buffered = [];
    this.bufferedBytes = 0;
    const sent = await this.client.send(
      new UploadPartCommand({ Bucket: this.bucket, Key: this.key, UploadId: this.uploadId, PartNumber, Body }),
    );
    this.parts.push({ PartNumber, ETag: sent.ETag });
  }
}

async function absentAsUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
    if (name === 'NoSuchKey' || name === 'NotFound' || $metadata?.httpStatusCode === 404) return undefined;
    throw error;
  }
}
