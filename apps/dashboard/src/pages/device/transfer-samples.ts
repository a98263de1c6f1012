/** Bytes over time, from what the server kept and what this browser hears. Pure. */
export interface ByteSample {
  readonly atMs: number;
  readonly sentBytes: number;
}

/** A plot shows no more. */
export const MOST_SAMPLES = 500;

/**
 * @param kept what the page has. @param server the series of the server, oldest first: taken where it reaches further back.
 * @param answer the last that the server's answer said. @param heard the last that the stream said.
 * @returns oldest first; begun anew where bytes went back, for then an attempt was.
 */
export function withHeard(
  kept: readonly ByteSample[],
  server: readonly ByteSample[],
  answer: { readonly sentBytes: number; readonly at: string } | undefined,
  heard: ByteSample | undefined,
): readonly ByteSample[] {
  const [oldest, begin] = [kept[0], server[0]];
  const isLonger = begin !== undefined && (oldest === undefined || begin.atMs < oldest.atMs);
  // Clocks of server and browser may differ; within one series only one of them is used, so that lines do not jump.
  let samples = isLonger ? server : kept;
  if (server.length > 0 && samples !== server) samples = append(samples, server.at(-1)!);
  if (answer && server.length === 0)
    samples = append(samples, { atMs: Date.parse(answer.at), sentBytes: answer.sentBytes });
  if (heard && server.length === 0) samples = append(samples, heard);
  return samples;
}

function append(samples: readonly ByteSample[], { atMs, sentBytes }: ByteSample): readonly ByteSample[] {
  const last = samples.at(-1);
  if (last === undefined) return [{ atMs, sentBytes }];
  if (atMs <= last.atMs) return samples;
  if (sentBytes < last.sentBytes) return [{ atMs, sentBytes }];
  const all = [...samples, { atMs, sentBytes }];
  return all.length <= MOST_SAMPLES ? all : all.filter((_, index) => index % 2 === 0 || index === all.length - 1);
}

/** Where the bytes would stand at a rate, from the first sample on; never beyond the file. */
export function linkLine(samples: readonly ByteSample[], bytesPerSecond: number, totalBytes: number): number[] {
  const first = samples[0];
  if (first === undefined) return [];
  return samples.map(({ atMs }) =>
    Math.min(totalBytes, first.sentBytes + ((atMs - first.atMs) / 1000) * bytesPerSecond),
  );
}
