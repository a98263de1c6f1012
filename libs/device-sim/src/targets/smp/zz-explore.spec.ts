import { it } from '@jest/globals';
import { describeMcubootImage, makeMcubootImage, smp } from '@drydock/dfu-core';
import { runInVirtualTime } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import { seededRandom } from '../../scheduler/seeded-random.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import { createSmpDevice } from './smp-device.js';
const fw = (minor: number, sizeBytes: number) => makeMcubootImage({ body: makeDemoFirmware({ model: 'm', version: `1.${minor}.0`, sizeBytes, seed: minor }), version: { major: 1, minor, revision: 0, build: 0 } });
const OLD = fw(0, 20000), NEW = fw(1, 30000);
const BROKEN = OLD.slice(); BROKEN[100] = (BROKEN[100] ?? 0) ^ 1;
const req = (f: Uint8Array) => ({ artifact: describeMcubootImage(f), allowDowngrade: false, confirm: 'after-proof', versionProves: false, returnWithinMs: 60000 }) as const;
it('random', () => {
  const dist: Record<string, number> = {};
  for (let seed = 1001; seed <= 1800; seed++) {
    const r = seededRandom(seed);
    const scheduler = new VirtualScheduler();
    const recovery = r() < 0.3;
    const tr = recovery ? 'console' : (['console', 'console', 'raw', 'ble', 'udp'] as const)[Math.floor(r() * 5)] ?? 'console';
    const faults = { seed, lossRate: r() < 0.5 ? r() * 0.06 : 0, corruptRate: tr !== 'console' ? 0 : r() < 0.5 ? r() * 0.06 : 0, ...(r() < 0.4 ? { powerCutAtByte: Math.floor(r() * 40000) } : {}), ...(r() < 0.3 ? { rebootAtByte: Math.floor(r() * 60000) } : {}), ...(r() < 0.3 ? { disconnectAtByte: [Math.floor(r() * 30000)] } : {}), ...(r() < 0.2 ? { slowFlash: 1 + r() * 20 } : {}), ...(r()<0.3?{stallAtFrame: Math.floor(r()*200), stallMs: r()*15000}:{}) };
    const opt = { mode: ([1,2,3,9] as const)[Math.floor(r()*4)] ?? 3, bufSize: 300 + Math.floor(r() * 2000), bufCount: 1 + Math.floor(r() * 6), imageCheck: r() < 0.3, chatter: r() < 0.3, hasParams: r() < 0.8, frugalList: r() < 0.3, hasOsInfo: r() < 0.7, swapMs: r() * 30000 };
    const device = createSmpDevice({ scheduler, image: recovery ? BROKEN : OLD, transport: tr, faults, ...opt });
    let res;
    const cancelAfterMs = r() < 0.3 ? r() * 40000 : undefined;
    try {
    res = runInVirtualTime((i) => smp.update(i, { ...req(NEW), linkOptions: tr === 'raw' ? { framing: 'raw' } : {} }), device, { scheduler, payloads: smp.payloads(NEW), ...(tr === 'udp' ? { link: 'udp' as const } : {}), ...(cancelAfterMs ? {cancelAfterMs} : {}) });
    } catch (e) { console.log('THROW', seed, tr, JSON.stringify(faults), JSON.stringify(opt), e); continue; }
    const o = res.outcome;
    const key = (recovery ? 'recovery ' : '') + tr + ' ' + o.outcome + ('code' in o ? ' ' + o.code : '') + ' ' + o.needsRescue;
    dist[key] = (dist[key] ?? 0) + 1;
    const runsNew = device.flash.runningImageSha256() === describeMcubootImage(NEW).sha256;
    if (o.outcome === 'proven' ? !runsNew : o.outcome !== 'cancelled') console.log(seed, tr, recovery, JSON.stringify(o).slice(0, 300), Math.round(res.elapsedMs), JSON.stringify(faults), JSON.stringify(opt), runsNew);
    if (res.elapsedMs > 400000) console.log('long', seed, key, res.elapsedMs, JSON.stringify(faults), JSON.stringify(opt));
    if (res.framesDropped) console.log('dropped', seed, res.framesDropped);
  }
  console.log(JSON.stringify(dist, null, 1));
}, 120000);
it('speed', () => {
  for (const [bufSize, bufCount] of [[384, 4], [1024, 4], [2475, 4], [2475, 3]] as const) {
    const BIG = fw(2, 150000);
    const scheduler = new VirtualScheduler();
    const device = createSmpDevice({ scheduler, image: OLD, bufSize, bufCount, transport: 'ble', flash: { eraseMsPerPage: 0, writeUsPerWord: 0 } });
    const res = runInVirtualTime((i) => smp.update(i, req(BIG)), device, { scheduler, payloads: smp.payloads(BIG) });
    const at = (s: string) => res.marks.find((m) => m.step === s)?.atMs ?? 0;
    const ms = at('complete') - at('touched');
    console.log('ble', bufSize, bufCount, res.outcome.outcome, 'ms', ms, 'kB/s', 150000 / ms);
  }
}, 60000);
