/** A progress bar on a terminal; nothing elsewhere. */
export interface Progress {
  update(sentBytes: number, totalBytes: number): void;
  close(): void;
}

export async function openProgress(totalBytes: number): Promise<Progress> {
  if (!process.stderr.isTTY) return { update: () => undefined, close: () => undefined };
  const { default: bars } = await import('cli-progress');
  const bar = new bars.SingleBar({
    stream: process.stderr,
    format: '{bar} {percentage} % | {value}/{total} bytes | {eta} s left',
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(totalBytes, 0);
  let open = true;
  return {
    update(sentBytes, total) {
      if (!open) return;
      bar.setTotal(total);
      bar.update(sentBytes);
    },
    close() {
      if (!open) return;
      open = false;
      bar.stop();
    },
  };
}
