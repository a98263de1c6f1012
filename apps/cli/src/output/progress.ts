/** A bar of bytes, in a terminal only. */
import bars from 'cli-progress';
import type { Cli } from '../cli.js';

export interface ByteBar {
  update(sentBytes: number): void;
  close(): void;
}

export function openByteBar(cli: Cli, what: string, totalBytes: number): ByteBar {
  const { stderr } = cli.around;
  if (stderr.isTTY !== true || cli.settings.quiet || cli.settings.json) {
    return { update: () => undefined, close: () => undefined };
  }
  const bar = new bars.SingleBar({
    stream: stderr,
    format: `${what.replace(/[{}]/g, '')} {bar} {percentage} % of ${totalBytes} bytes`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    clearOnComplete: true,
    fps: 4,
  });
  bar.start(totalBytes, 0);
  let isOpen = true;
  return {
    update: (sent) => {
      if (isOpen) bar.update(sent);
    },
    close: () => {
      if (isOpen) bar.stop();
      isOpen = false;
    },
  };
}
