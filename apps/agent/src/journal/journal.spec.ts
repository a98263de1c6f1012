import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Epoch, Report } from '@drydock/contracts';
import fc from 'fast-check';
import { realDisk, type JournalDisk } from './disk.js';
import { downloading, draft, ended, grant, touched } from './journal.fixture.js';
import { Journal } from './journal.js';
import {
  encodeFileHeader,
  encodeRecord,
  FILE_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  scanJournal,
} from './record-framing.js';
import { refOf } from './records.js';

// Of a machine that others load as well.
jest.setTimeout(60_000);

let dir: string;
const opened: Journal[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drydock-journal-'));
});
afterEach(async () => {
  for (const journal of opened.splice(0)) await journal.close();
  await rm(dir, { recursive: true, force: true });
});

async function openJournal(more: { maxBytes?: number; disk?: JournalDisk } = {}): Promise<Journal> {
  const journal = await Journal.open({ dir, epoch: randomBytes(16).toString('hex'), ...more });
  opened.push(journal);
  return journal;
}

async function reopen(journal: Journal, more: { maxBytes?: number } = {}): Promise<Journal> {
  opened.splice(opened.indexOf(journal), 1);
  await journal.close();
  return openJournal(more);
}

describe('journal', () => {
  it('refuses everything once it is closed', async () => {
    const journal = await openJournal();
    await journal.append(draft(downloading(grant())));
    await reopen(journal);
    for (let times = 0; times < 2; times += 1) {
      await expect(journal.append(draft(downloading(grant())))).rejects.toMatchObject({ code: 'gateway.journal' });
    }
  });

  it('is new, then intact, and knows what was granted, touched and reported', async () => {
    const first = await openJournal();
    expect(first.found).toBe('new');
    const [a, b] = [grant(), grant()];
    await first.append({ t: 'grant', epoch: first.epoch, grant: a }, { t: 'grant', epoch: first.epoch, grant: b });
    await Promise.all([first.append(draft(downloading(a))), first.append(draft(touched(a)))]);
    const second = await reopen(first);
    expect(second.found).toBe('intact');
    expect(second.openAttempts().map(({ ref, state }) => [ref.deployment, state])).toEqual([
      [a.deployment, 'touched'],
      [b.deployment, 'granted'],
    ]);
    const reports = await second.reports(first.epoch, 1, 10, 10_000);
    expect(reports.map(({ seq, kind }) => [seq, kind])).toEqual([
      [1, 'downloading'],
      [2, 'touched'],
    ]);
    expect(second.lastSeq).toBe(0);
  });

  it('gives numbers without gaps, whatever fails in between', async () => {
    let failing = false;
    const disk: JournalDisk = {
      ...realDisk,
      open: async (path) => {
        const file = await realDisk.open(path);
        return new Proxy(file, {
          get: (target, name) =>
            name === 'write' && failing
              ? () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
              : bound(Reflect.get(target, name), target),
        });
      },
    };
    const journal = await openJournal({ disk });
    const a = grant();
    await journal.append(draft(downloading(a)));
    failing = true;
    await expect(journal.append(draft(touched(a)))).rejects.toMatchObject({ code: 'gateway.disk-full' });
    expect(journal.trouble?.code).toBe('gateway.disk-full');
    failing = false;
    const [written] = await journal.append(draft(touched(a)));
    expect(written).toMatchObject({ report: { seq: 2 } });
    await journal.retry();
    expect(journal.trouble).toBeUndefined();
  });

  it('cuts a tail that was never finished, and stays intact', async () => {
    const first = await openJournal();
    await first.append(draft(downloading(grant())));
    const whole = await readFile(join(dir, 'journal'));
    const next = encodeRecord(99, Buffer.from('{"t":"reign","reign":9}'));
    for (const tail of [
      next.subarray(0, 1),
      next.subarray(0, 10),
      next.subarray(0, 25),
      Buffer.alloc(40),
      zeroed(next, 12),
    ]) {
      await writeFile(join(dir, 'journal'), Buffer.concat([whole, tail]));
      const second = await openJournal();
      expect([second.found, second.reign]).toEqual(['intact', 0]);
    }
  });

  it('says damage in the middle, keeps a copy, and calls no attempt unstarted afterwards', async () => {
    const first = await openJournal();
    const [a, b] = [grant(), grant()];
    await first.append({ t: 'grant', epoch: first.epoch, grant: a });
    await first.append({ t: 'grant', epoch: first.epoch, grant: b });
    await first.append(draft(touched(a)));
    await first.append(draft(touched(b)));
    const bytes = await readFile(join(dir, 'journal'));
    const [, , , lost] = scanJournal(bytes).records;
    bytes[lost!.offset + RECORD_HEADER_BYTES + 5]! ^= 0x10;
    await writeFile(join(dir, 'journal'), bytes);

    const second = await openJournal();
    expect(second.found).toBe('damaged');
    expect(second.note).toContain('cannot be read');
    // The start of `a` was what was lost: the journal must not show it as granted and never started.
    expect(second.openAttempts().map(({ ref, state }) => [ref.deployment, state])).toEqual([[b.deployment, 'touched']]);
    expect(await readFile(join(dir, 'journal.damaged'))).toEqual(bytes);
    // The lost report keeps its place in the numbers.
    expect((await second.reports(first.epoch, 1, 10, 10_000)).map(({ kind }) => kind)).toEqual([
      'forgotten',
      'touched',
    ]);
    const third = await reopen(second);
    expect(third.found).toBe('intact');
    expect(third.openAttempts()).toHaveLength(1);
  });

  it('follows the cursor down again and offers everything when the reign grows', async () => {
    const journal = await openJournal();
    for (let count = 0; count < 5; count += 1) await journal.append(draft(downloading(grant())));
    await journal.append({ t: 'ack', of: journal.epoch, cursor: 5, atMs: 1 });
    await journal.append({ t: 'ack', of: journal.epoch, cursor: 2, atMs: 2 });
    expect(journal.epochs()[0]!.cursor).toBe(2);
    await journal.append({ t: 'reign', reign: 3 });
    expect(journal.epochs()[0]!.cursor).toBe(0);
    const again = await reopen(journal);
    expect([again.reign, again.epochs()[0]!.cursor]).toEqual([3, 0]);
  });

  it('keeps acknowledged reports 30 days and forgets ended attempts, within its bounds', async () => {
    const day = 24 * 3_600_000;
    const first = await openJournal();
    const old = grant();
    await first.append({ t: 'grant', epoch: first.epoch, grant: old }, draft(touched(old)), draft(ended(old)));
    await first.append({ t: 'ack', of: first.epoch, cursor: 2, atMs: 1_000_000 * day });
    const second = await reopen(first);
    await second.append({ t: 'ack', of: first.epoch, cursor: 2, atMs: 1_000_000 * day });
    const live = grant();
    await second.append({ t: 'grant', epoch: second.epoch, grant: live }, draft(touched(live)));
    const many = async (journal: Journal, days: number): Promise<void> => {
      await journal.append({ t: 'ack', of: journal.epoch, cursor: journal.lastSeq, atMs: (1_000_000 + days) * day });
      for (let count = 0; count < 3000; count += 200) {
        await Promise.all(Array.from({ length: 200 }, () => journal.append(draft(downloading(grant())))));
      }
    };
    await many(second, 29);
    expect((await second.reports(first.epoch, 1, 10, 10_000)).map(({ kind }) => kind)).toEqual(['touched', 'ended']);
    expect([second.covers(first.epoch), second.lastWord(old)]).toEqual([true, 'ended']);
    await many(second, 31);
    // What it has forgotten it can no longer answer for.
    expect([second.covers(first.epoch), second.lastWord(old)]).toEqual([false, undefined]);
    expect(second.covers(second.epoch)).toBe(true);
    expect(second.epochs().map(({ epoch }) => epoch)).toEqual([second.epoch]);
    expect(second.openAttempts().map(({ ref }) => ref.deployment)).toEqual([live.deployment]);
    expect(second.lastSeq).toBe(6001);
  });

  it('answers for every start of its own through compactions, as long as nothing of it is lost', async () => {
    const first = await openJournal();
    const unheard = grant();
    const second = await reopen(first);
    const seen = grant();
    await second.append({ t: 'grant', epoch: second.epoch, grant: seen }, draft(touched(seen)));
    await second.append({ t: 'answered', ref: refOf(seen) });
    for (let count = 0; count < 3000; count += 200) {
      await Promise.all(Array.from({ length: 200 }, () => second.append(draft(downloading(grant())))));
    }
    const third = await reopen(second);
    expect([first, second, third].map(({ epoch }) => third.covers(epoch))).toEqual([true, true, true]);
    expect([third.lastWord(unheard), third.lastWord(seen)]).toEqual([undefined, 'touched']);
    expect(third.openAttempts()).toMatchObject([{ state: 'touched', answered: true }]);
    expect(third.covers(randomBytes(16).toString('hex') as Epoch)).toBe(false);
  });

  it('goes on counting when the reports of its own epoch had to make room', async () => {
    const journal = await openJournal({ maxBytes: 600_000 });
    const ended = async (): Promise<void> => {
      const one = grant();
      await journal.append({ t: 'grant', epoch: journal.epoch, grant: one }, draft(touched(one)));
    };
    while (journal.lastSeq < 500) {
      await ended();
      await journal.append({ t: 'ack', of: journal.epoch, cursor: journal.lastSeq, atMs: 1000 });
    }
    const last = journal.lastSeq;
    await journal.append(draft(downloading(grant())));
    expect(journal.lastSeq).toBe(last + 1);
  });

  it('starts nothing new when it is full of what must be kept, and still takes what runs', async () => {
    const journal = await openJournal({ maxBytes: 60_000 });
    while (!journal.trouble) await journal.append(draft(touched(grant())));
    expect(journal.trouble.code).toBe('gateway.journal');
    const full = async (what: typeof touched): Promise<number> => {
      for (let taken = 0; ; taken += 1) {
        const error = await journal.append(draft(what(grant()))).then(
          () => undefined,
          (caught: unknown) => caught,
        );
        if (error === undefined) continue;
        expect(error).toMatchObject({ code: 'gateway.journal' });
        return taken;
      }
    };
    await full(downloading);
    expect(await full(touched)).toBeGreaterThan(0);
    // How things ended still finds room, and so does what makes room again.
    expect(await full(ended)).toBeGreaterThan(0);
    await journal.append({ t: 'ack', of: journal.epoch, cursor: journal.lastSeq, atMs: 1000 });
    await journal.append(draft(touched(grant())));
    expect(journal.trouble).toBeUndefined();
  });
});

/** As long as it was to be, and zeros from a point on: its length was on disk before its bytes. */
const zeroed = (bytes: Buffer, from: number): Buffer => Buffer.from(bytes).fill(0, from);

const bound = (value: unknown, to: object): unknown =>
  typeof value === 'function' ? (value.bind(to) as unknown) : value;

describe('damaged bytes', () => {
  const payloads = Array.from({ length: 12 }, (_, index) =>
    Buffer.from(JSON.stringify({ t: 'reign', reign: index, pad: 'x'.repeat(index * 7) })),
  );
  const file = Buffer.concat([
    encodeFileHeader(40),
    ...payloads.map((payload, index) => encodeRecord(40 + index, payload)),
  ]);

  it('never invents a record under truncation, and says nothing worse than it is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: file.length }), (length) => {
        const scan = scanJournal(file.subarray(0, length));
        scan.records.forEach((record, index) => expect(record.payload.equals(payloads[index]!)).toBe(true));
        if (length >= FILE_HEADER_BYTES) expect(scan.state).not.toBe('damaged');
        expect(scan.keptBytes).toBeLessThanOrEqual(Math.max(length, FILE_HEADER_BYTES));
      }),
    );
  });

  it('never invents a record under flipped bits, and notices each of them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: file.length * 8 - 1 }), { minLength: 1, maxLength: 6 }),
        (bits) => {
          const bytes = Buffer.from(file);
          for (const bit of new Set(bits)) bytes[bit >> 3]! ^= 1 << (bit & 7);
          const scan = scanJournal(bytes);
          for (const record of scan.records)
            expect(payloads.some((payload) => payload.equals(record.payload))).toBe(true);
          expect(scan.state).toBe('damaged');
        },
      ),
      { numRuns: 500 },
    );
  });

  it('reads any noise without an error', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => void scanJournal(Buffer.from(bytes))));
  });

  it('opens whatever the file holds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 0, max: file.length }),
        async (noise, at) => {
          await writeFile(join(dir, 'journal'), Buffer.concat([file.subarray(0, at), noise]));
          const journal = await Journal.open({ dir, epoch: 'e'.repeat(32) });
          const [record] = await journal.append(draft(downloading(grant())));
          expect((record as { report: Report }).report.seq).toBe(1);
          await journal.close();
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('the folder', () => {
  it('is refused with a reason when it cannot be used', async () => {
    const file = join(dir, 'file');
    await (await open(file, 'w')).close();
    await expect(Journal.open({ dir: file, epoch: 'e'.repeat(32) })).rejects.toMatchObject({ code: 'gateway.journal' });
  });
});
