/** The person at the terminal while two devices pair: enters what the device shows, or compares. */
import { createInterface } from 'node:readline/promises';
import { DrydockError } from '@drydock/dfu-core';
import { Passkey } from '../links/ble/pairing/passkey.js';
import type { PairingPerson } from '../links/ble/pairing/person.js';

export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** Asks on stderr, so that what is printed stays clean; waits no longer than the device does. */
export function personAtTerminal(terminal: Terminal = { input: process.stdin, output: process.stderr }): PairingPerson {
  return {
    enterPasskey: async (signal) => {
      const text = await ask(terminal, 'The six digits that the device shows: ', signal);
      return Passkey.parse(text, 'passkey');
    },
    present: {
      showPasskey: (digits) => {
        terminal.output.write(`Enter at the device: ${digits}\n`);
      },
      compare: async (digits, signal) => {
        const answer = await ask(terminal, `Does the device show ${digits}? Type yes or no: `, signal);
        return answer.toLowerCase() === 'yes';
      },
    },
  };
}

async function ask({ input, output }: Terminal, question: string, signal: AbortSignal): Promise<string> {
  const reader = createInterface({ input, output });
  // Without this the question would wait for ever when there is nobody to answer.
  const closed = new Promise<never>((_, reject) => {
    reader.once('close', () => reject(new DrydockError('request.invalid', { detail: 'no answer was given' })));
  });
  closed.catch(() => undefined);
  try {
    return (await Promise.race([reader.question(question, { signal }), closed])).trim();
  } finally {
    reader.close();
  }
}
