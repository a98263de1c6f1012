/** The journal on disks that lose power, fill up, break, and rot. Each run is drawn by fast-check and can be repeated. */
import { describe, expect, it } from '@jest/globals';
import type { Epoch, Grant, Report } from '@drydock/contracts';
import { DrydockError } from '@drydock/dfu-core';
import fc from 'fast-check';
import { PowerCut, SimulatedDisk } from '../testing/simulated-disk.js';
import { downloading, draft, ended, grant, step, touched } from './journal.fixture.js';
import { Journal } from './journal.js';
import { scanJournal } from './record-framing.js';
import { refOf, type JournalEntry, type JournalRecord } from './records.js';

const DIR = '/j';
const FILE = `${DIR}/journal`;
const epochOf = (n: number): string => n.toString(16).padStart(32, '0');

/** What was handed to journals, and what of it they promised to keep. */
class Witness {
  /** Every record that any journal may have written, as text. */
  readonly said = new Set<string>();
  readonly kept = new Map<string, { readonly content: string; readonly kind: Report['kind'] }>();
  /** Highest cursor that any journal was told, by epoch. */
  readonly acknowledged = new Map<string, number>();
  readonly grants: Grant[] = [];
  readonly over = new Set<string>();
  readonly touchedKept = new Set<string>();
  readonly endedKept = new Set<string>();

  hears(entry: JournalEntry): void {
    if (entry.t === 'draft') this.said.add(contentOf(entry.report));
    if (entry.t === 'ack') {
      this.acknowledged.set(entry.of, Math.max(entry.cursor, this.acknowledged.get(entry.of) ?? 0));
    }
  }

  /** Whether a journal without room may let it go: the server has it, or it only tells how far something came. */
  mayGo(key: string): boolean {
    const [epoch, seq] = key.split('/');
    const { kind } = this.kept.get(key)!;
    return (kind !== 'touched' && kind !== 'ended') || Number(seq) <= (this.acknowledged.get(epoch!) ?? 0);
  }

  promise(records: readonly JournalRecord[]): void {
    for (const record of records) {
      if (record.t !== 'report') continue;
      this.kept.set(`${record.epoch}/${record.report.seq}`, {
        content: contentOf(record.report),
        kind: record.report.kind,
      });
      if (record.report.kind === 'touched') this.touchedKept.add(record.report.ref.deployment);
      if (record.report.kind === 'ended') this.endedKept.add(record.report.ref.deployment);
    }
  }
}

/** A report as text, without its number (that is given by the journal), whatever the order of its fields. */
function contentOf(report: object): string {
  return JSON.stringify(report, (name, value: unknown) => {
    if (name === 'seq') return undefined;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

type Move = 'grant' | 'downloading' | 'touched' | 'step' | 'ended' | 'ack';
const moves = fc.array(
  fc.constantFrom<Move>('grant', 'grant', 'downloading', 'touched', 'touched', 'step', 'ended', 'ack'),
  { minLength: 1, maxLength: 40 },
);

function entriesOf(move: Move, witness: Witness, journal: Journal, pick: number): JournalEntry[] {
  const { grants } = witness;
  // After its end nothing more is said of an attempt.
  const open = grants.filter(({ deployment }) => !witness.over.has(deployment));
  const one = open[pick % Math.max(1, open.length)];
  if (move === 'grant' || !one) {
    const id = `00000000-0000-4000-8000-${grants.length.toString(16).padStart(12, '0')}`;
    const made = grant({ deployment: id as Grant['deployment'] });
    grants.push(made);
    return [{ t: 'grant', epoch: journal.epoch, grant: made }];
  }
  switch (move) {
    case 'downloading':
      return [draft(downloading(one))];
    case 'touched':
      return [draft(touched(one)), { t: 'answered', ref: refOf(one) }];
    case 'step':
      return [draft(step(one, 'erased'))];
    case 'ended':
      witness.over.add(one.deployment);
      return [draft(ended(one))];
    case 'ack':
      return [{ t: 'ack', of: journal.epoch, cursor: Math.floor(journal.lastSeq / 2), atMs: 1000 + pick }];
  }
}

/** Appends, some at once; errors of the journal's own kind are answers, a power cut ends it. */
async function live(journal: Journal, script: readonly Move[], witness: Witness): Promise<'over' | 'cut'> {
  for (let at = 0; at < script.length; at += 3) {
    const results = await Promise.allSettled(
      script.slice(at, at + 3).map(async (move, index) => {
        const entries = entriesOf(move, witness, journal, at + index);
        for (const entry of entries) witness.hears(entry);
        witness.promise(await journal.append(...entries));
      }),
    );
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      const reason: unknown = result.reason;
      expect(reason).toBeInstanceOf(DrydockError);
      if ((reason as DrydockError).cause instanceof PowerCut) return 'cut';
      expect(['gateway.disk-full', 'gateway.journal']).toContain((reason as DrydockError).code);
    }
  }
  return 'over';
}

async function reportsOf(journal: Journal): Promise<Map<string, Report | { seq: number; kind: 'forgotten' }>> {
  const all = new Map<string, Report | { seq: number; kind: 'forgotten' }>();
  for (const { epoch } of journal.epochs())
    for (const report of await journal.reports(epoch, 1, 10_000, 100_000_000))
      all.set(`${epoch}/${report.seq}`, report);
  return all;
}

/** @param loses what the journal may have lost: nothing, what can be spared, or anything. */
async function expectHonest(
  journal: Journal,
  witness: Witness,
  loses: 'nothing' | 'spared' | 'anything',
): Promise<void> {
  const found = await reportsOf(journal);
  for (const report of found.values()) {
    if (report.kind === 'forgotten' || report.kind === 'epoch-started') continue;
    // Nothing is there that nobody wrote.
    expect(witness.said.has(contentOf(report))).toBe(true);
  }
  for (const [key, { content }] of loses === 'anything' ? [] : witness.kept) {
    if (loses === 'spared' && witness.mayGo(key)) continue;
    const report = found.get(key);
    expect(report && report.kind !== 'forgotten' && contentOf(report)).toBe(content);
  }
  for (const { grant: one, state } of journal.openAttempts()) {
    // What is known to be touched is never shown as if it had not begun, what is known to be over never as open.
    if (state === 'granted') expect(witness.touchedKept.has(one.deployment)).toBe(false);
    if (loses !== 'anything') expect(witness.endedKept.has(one.deployment)).toBe(false);
  }
}

function diceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const SMALL_BYTES = 12_000;

describe('P4: the journal', () => {
  it('keeps all that it promised through any number of power cuts, and invents nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ script: moves, cutAt: fc.integer({ min: 0, max: 120 }), seed: fc.integer() }), {
          minLength: 1,
          maxLength: 4,
        }),
        // The small bound makes compaction part of nearly every life.
        fc.constantFrom(SMALL_BYTES, 1_000_000),
        async (lives, maxBytes) => {
          let disk = new SimulatedDisk();
          const witness = new Witness();
          for (const [index, { script, cutAt, seed }] of lives.entries()) {
            disk.cutAt = disk.operations + cutAt;
            let journal: Journal | undefined;
            try {
              journal = await Journal.open({ dir: DIR, disk, epoch: epochOf(index + 1), maxBytes });
            } catch (error) {
              expect((error as DrydockError).cause ?? error).toBeDefined();
            }
            if (journal) {
              expect(journal.found).not.toBe('damaged');
              await live(journal, script, witness);
            }
            disk = disk.afterPowerCut(diceOf(seed));
          }
          const journal = await Journal.open({ dir: DIR, disk, epoch: epochOf(99), maxBytes });
          expect(journal.found).not.toBe('damaged');
          await expectHonest(journal, witness, maxBytes === SMALL_BYTES ? 'spared' : 'nothing');
        },
      ),
      { numRuns: 150 },
    );
  });

  it('takes a full disk as a state that passes: it keeps its promises and goes on when there is room', async () => {
    await fc.assert(
      fc.asyncProperty(
        moves,
        moves,
        fc.integer({ min: 0, max: 290_000 }),
        fc.constantFrom('ENOSPC', 'EDQUOT', 'EFBIG'),
        async (before, after, quota, code) => {
          const disk = new SimulatedDisk();
          const witness = new Witness();
          disk.quotaBytes = quota;
          disk.fullCode = code;
          const journal = await Journal.open({ dir: DIR, disk, epoch: epochOf(1) });
          await live(journal, before, witness);
          await expectHonest(journal, witness, 'nothing');
          disk.quotaBytes = Number.POSITIVE_INFINITY;
          await journal.retry();
          expect(journal.trouble).toBeUndefined();
          const had = witness.kept.size;
          await live(journal, after, witness);
          await journal.append(draft(downloading(grant())));
          expect(witness.kept.size).toBeGreaterThanOrEqual(had);
          await journal.close();
          const again = await Journal.open({ dir: DIR, disk, epoch: epochOf(2) });
          expect(again.found).toBe('intact');
          for (const [key, { content }] of witness.kept) {
            const report = (await reportsOf(again)).get(key);
            expect(report && report.kind !== 'forgotten' && contentOf(report)).toBe(content);
          }
        },
      ),
      { numRuns: 120 },
    );
  });

  it('says that a disk fails, keeps what it promised, and heals when the disk does', async () => {
    await fc.assert(
      fc.asyncProperty(
        moves,
        fc.constantFrom('write' as const, 'datasync' as const, 'truncate' as const),
        moves,
        async (before, broken, after) => {
          const disk = new SimulatedDisk();
          const witness = new Witness();
          const journal = await Journal.open({ dir: DIR, disk, epoch: epochOf(1) });
          await live(journal, before, witness);
          disk.broken = broken;
          await live(journal, ['grant', ...after], witness);
          if (broken !== 'truncate') expect(journal.trouble?.code).toBe('gateway.journal');
          disk.broken = undefined;
          await journal.retry();
          expect(journal.trouble).toBeUndefined();
          await live(journal, after, witness);
          await expectHonest(journal, witness, 'nothing');
          const again = await Journal.open({ dir: DIR, disk: disk.afterPowerCut(() => 0), epoch: epochOf(2) });
          expect(again.found).toBe('intact');
          await expectHonest(again, witness, 'nothing');
        },
      ),
      { numRuns: 120 },
    );
  });

  it('starts from any cut or flipped bits, says what it lost, and invents nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        moves,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { maxLength: 5 }),
        async (script, keep, flips) => {
          const disk = new SimulatedDisk();
          const witness = new Witness();
          const journal = await Journal.open({ dir: DIR, disk, epoch: epochOf(1) });
          await live(journal, script, witness);
          const cut = disk.bytesOf(FILE).subarray(0, Math.round(keep * disk.bytesOf(FILE).length));
          const bytes = Buffer.from(cut);
          for (const at of flips) {
            const bit = Math.floor(at * bytes.length * 8);
            if (bytes.length > 0) bytes[bit >> 3]! ^= 1 << (bit & 7);
          }
          // What lies in an unfinished record was never acted on, whatever its bits are.
          const { keptBytes } = scanJournal(cut);
          const rotten = !bytes.subarray(0, keptBytes).equals(cut.subarray(0, keptBytes));
          disk.put(FILE, bytes);
          const again = await Journal.open({ dir: DIR, disk, epoch: epochOf(2) });
          // A file that merely ends early looks as one that was never longer; every other change is noticed.
          if (rotten) {
            expect(again.found).toBe('damaged');
            expect(again.note).toBeDefined();
            expect(disk.bytesOf(`${FILE}.damaged`)).toEqual(bytes);
          }
          if (rotten) await expectHonest(again, witness, 'anything');
          else
            for (const report of (await reportsOf(again)).values())
              if (report.kind !== 'forgotten') expect(witness.said.has(contentOf(report))).toBe(true);
          const [record] = await again.append(draft(downloading(grant())));
          expect(record).toMatchObject({ t: 'report', epoch: epochOf(2), report: { seq: 1 } });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('drops how far things came before how they ended, and results of nobody else ever', async () => {
    const disk = new SimulatedDisk();
    const first = await Journal.open({ dir: DIR, maxBytes: 40_000, disk, epoch: epochOf(1) });
    const results: string[] = [];
    for (;;) {
      const one = grant();
      try {
        for (const entry of [touched(one), step(one, 'erased'), step(one, 'complete')])
          await first.append(draft(entry));
      } catch (error) {
        expect(error).toMatchObject({ code: 'gateway.journal' });
        break;
      }
      await first.append(draft(ended(one)));
      results.push(one.deployment);
    }
    expect(results.length).toBeGreaterThan(20);
    expect(first.trouble?.code).toBe('gateway.journal');
    await first.close();
    // The next start needs room: steps of what is over make it.
    const next = await Journal.open({ dir: DIR, maxBytes: 40_000, disk, epoch: epochOf(2) });
    const found = await next.reports(epochOf(1) as Epoch, 1, 10_000, 10_000_000);
    const of = (kind: string) =>
      found.flatMap((report) => (report.kind === kind && 'ref' in report ? [report.ref.deployment] : []));
    expect(of('ended')).toEqual(results);
    expect(of('erased').length).toBeLessThan(results.length);
    // Every number is still told of, so that the server can follow.
    expect(found.map(({ seq }) => seq)).toEqual(found.map((_, index) => index + 1));
  });
});
