import { describe, expect, it } from '@jest/globals';
import { rm } from 'node:fs/promises';
import type { Epoch, Grant } from '@drydock/contracts';
import fc from 'fast-check';
import { attemptKey, refOf } from '../journal/records.js';
import { World } from './gateway-world.fixture.js';

describe('grants, whatever happens', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('order' as const),
        keep: fc.array(fc.nat(20), { maxLength: 6 }),
        fresh: fc.array(fc.nat(3), { maxLength: 3 }),
        startIn: fc.integer({ min: 1, max: 40_000 }),
        arrives: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 15_000 }) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('time' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('sleep' as const), ms: fc.integer({ min: 1, max: 60_000 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('cancel' as const),
        which: fc.nat(20),
        mode: fc.constantFrom('before-start' as const, 'safe-point' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('power' as const), device: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), loseJournal: fc.boolean() }) },
  );

  it('nothing starts at or after startBy, withdrawn and started exclude each other, ends are single, dead epochs stay dead', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 18 }), async (steps) => {
        const it = new World({ identifyMs: 2500, transferMs: 4000, proveMs: 200 });
        await it.boot();
        it.tellTime();
        const all: Grant[] = [];
        const epochOf = new Map<string, string>();
        const lostAt = new Map<string, number>();
        const touches: { device: number; atMs: number; epoch: string }[] = [];
        const watch = (): void => {
          for (const [name, link] of it.links) {
            link.onWrite = (text) => {
              if (text === 'touch')
                touches.push({ device: Number(/d(\d+)/.exec(name)![1]), atMs: it.serverMs, epoch: it.journal.epoch });
              it.answer(name, text);
            };
          }
        };
        for (let device = 0; device < 4; device += 1) it.linkOf(`serial:/dev/d${device}?baud=115200`);
        watch();
        for (const each of steps) {
          if (each.do === 'order') {
            const kept = [...new Set(each.keep)]
              .map((index) => all[index])
              .filter((grant) => grant !== undefined && epochOf.get(attemptKey(grant)) === it.journal.epoch) as Grant[];
            const fresh = each.fresh.map((device) =>
              it.grant(device, {
                startBy: Math.round(it.serverMs) + each.startIn,
                finishBy: Math.round(it.serverMs) + each.startIn + 30_000,
              }),
            );
            for (const grant of fresh) epochOf.set(attemptKey(grant), it.journal.epoch);
            all.push(...fresh);
            const grants = new Set([...kept, ...fresh]);
            // The server asks for all that it does not grant any more, as if it had heard nothing of them.
            const settle = all
              .filter((grant) => !grants.has(grant))
              .map((grant) => ({ ...refOf(grant), epoch: epochOf.get(attemptKey(grant)) as Epoch }));
            if (each.arrives) await it.order([...grants], [], settle);
          } else if (each.do === 'advance') await it.advance(each.ms);
          else if (each.do === 'time') it.tellTime();
          else if (each.do === 'sleep') it.clock.suspend(each.ms);
          else if (each.do === 'power') {
            const link = `serial:/dev/d${each.device}?baud=115200`;
            if (!it.dead.delete(link)) it.dead.add(link);
          } else if (each.do === 'cancel') {
            const grant = all[each.which];
            if (grant) await it.order([], [{ ...refOf(grant), mode: each.mode }]);
          } else {
            await it.kill();
            if (each.loseJournal) {
              await rm(it.dir, { recursive: true });
              for (const grant of all)
                if (!lostAt.has(attemptKey(grant))) lostAt.set(attemptKey(grant), it.allReports.length);
            }
            it.revision = 0;
            await it.boot();
          }
          await it.settle();
        }
        it.tellTime();
        await it.advance(60_000);
        await it.end();

        for (const grant of all) {
          const kinds = it.kinds(grant);
          const started = kinds.includes('touched');
          const withdrawn = kinds.filter((kind) => kind.startsWith('withdrawn')).length;
          expect(withdrawn + (started ? 1 : 0)).toBeLessThanOrEqual(1);
          expect(kinds.filter((kind) => kind.startsWith('ended')).length).toBeLessThanOrEqual(1);
          const lost = lostAt.get(attemptKey(grant));
          if (lost !== undefined) {
            const claims = it.allReports
              .slice(lost)
              .filter((report) => 'ref' in report && attemptKey(report.ref) === attemptKey(grant));
            expect(claims).toEqual([]); // nothing is known of it any more, so nothing is said
          }
        }
        for (const { device, atMs, epoch } of touches) {
          const own = all.filter((grant) => grant.device.endsWith(String(device)));
          const allowed = own.some((grant) => {
            const granted = epochOf.get(attemptKey(grant)) === epoch && atMs < grant.startBy;
            const resumed =
              epochOf.get(attemptKey(grant)) !== epoch && it.kinds(grant).includes('touched') && atMs < grant.finishBy;
            return granted || resumed;
          });
          expect(allowed).toBe(true);
        }
        for (const [name, link] of it.links) {
          const own = all.filter((grant) => grant.links[0] === name);
          for (const { atMs } of link.writes) expect(own.some((grant) => atMs < grant.finishBy)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
