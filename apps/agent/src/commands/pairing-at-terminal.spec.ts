import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { personAtTerminal } from './pairing-at-terminal.js';

function terminal(): { input: PassThrough; output: PassThrough; said: () => string } {
  const output = new PassThrough();
  const said: string[] = [];
  output.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  return { input: new PassThrough(), output, said: () => said.join('') };
}
const never = new AbortController().signal;

describe('the person at the terminal', () => {
  it('enters the digits of the device', async () => {
    const { input, output } = terminal();
    const person = personAtTerminal({ input, output });
    const passkey = person.enterPasskey(never);
    input.write('012345\n');
    expect((await passkey).toKey().readUInt32LE(0)).toBe(12_345);
    const typo = person.enterPasskey(never);
    input.write('12345\n');
    await expect(typo).rejects.toMatchObject({ code: 'settings.invalid' });
  });

  it.each([
    ['yes', true],
    ['YES', true],
    ['y', false],
    ['no', false],
    ['', false],
  ])('compares: %j', async (text, same) => {
    const { input, output, said } = terminal();
    const answer = personAtTerminal({ input, output }).present!.compare('000123', never);
    input.write(`${text}\n`);
    expect(await answer).toBe(same);
    expect(said()).toContain('000123');
  });

  it('is shown what to enter at the device', () => {
    const { input, output, said } = terminal();
    personAtTerminal({ input, output }).present!.showPasskey('000042');
    expect(said()).toContain('000042');
  });

  it('that goes away, or is not waited for any more, ends the question', async () => {
    const gone = terminal();
    const question = personAtTerminal(gone).enterPasskey(never);
    gone.input.end();
    await expect(question).rejects.toMatchObject({ code: 'request.invalid' });
    const late = new AbortController();
    const other = personAtTerminal(terminal()).enterPasskey(late.signal);
    late.abort();
    await expect(other).rejects.toThrow();
  });
});
