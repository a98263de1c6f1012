/** `npm run bench -- host-cpu`: the processor's part of `smp` and `nordic` alone; DRYDOCK_BENCH_PROFILE=1 says where it goes. */
import { secureHostCpu } from './nordic/secure.js';
import { smpHostCpu } from './smp.js';

export async function run(): Promise<Record<string, number>> {
  return { ...(await smpHostCpu()), ...(await secureHostCpu()) };
}
