import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeCall } from './make-call.js';

// Of a machine that others load as well.
jest.setTimeout(60_000);

const node = (code: string, ...args: string[]): string[] => [process.execPath, '-e', code, ...args];
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(answer: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(answer!);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

describe('a program of the site', () => {
  it('is told the facts in its environment, and nothing of them is ever a command', async () => {
    const evil = '$(touch /tmp/x); "`id`" \n\0 && reboot';
    const result = await makeCall(
      {
        command: node(
          'process.stdout.write(JSON.stringify([process.env.DRYDOCK_DEVICE_NAME, process.argv[1]]))',
          '$HOME',
        ),
        timeoutSeconds: 30,
      },
      { deviceName: evil },
    );
    expect(result).toMatchObject({ kind: 'ended', status: 0 });
    // Control characters are not shown; all else is as it was.
    expect(JSON.parse((result as { said: string }).said)).toEqual([evil.replace('\0', ''), '$HOME']);
  });

  it('sees nothing of the environment of the agent', async () => {
    process.env['DRYDOCK_ENROL_TOKEN'] = 'secret';
    try {
      const result = await makeCall(
        { command: node('process.stdout.write(String(process.env.DRYDOCK_ENROL_TOKEN))'), timeoutSeconds: 30 },
        {},
      );
      expect(result).toMatchObject({ said: 'undefined' });
    } finally {
      delete process.env['DRYDOCK_ENROL_TOKEN'];
    }
  });

  it('tells its status and the first of what it said', async () => {
    const talks = node('process.stdout.write("no\\u001b[31m".repeat(100000)); process.exitCode = 7');
    const result = await makeCall({ command: talks, timeoutSeconds: 30 }, {});
    expect(result).toMatchObject({ kind: 'ended', status: 7 });
    const { said } = result as { said: string };
    expect(said.length).toBeLessThanOrEqual(256);
    expect(said).not.toMatch(/\p{Cc}/u);
  });

  it('is ended with all that it has started when its time is over', async () => {
    const began = performance.now();
    const result = await makeCall({ command: ['/bin/sh', '-c', 'sleep 300 & sleep 300'], timeoutSeconds: 1 }, {});
    expect(result).toEqual({ kind: 'failed', detail: 'not done within 1 s' });
    expect(performance.now() - began).toBeLessThan(30_000);
  });

  it('does not keep anybody waiting for what it left behind', async () => {
    const result = await makeCall({ command: ['/bin/sh', '-c', 'sleep 300 & exit 3'], timeoutSeconds: 30 }, {});
    expect(result).toMatchObject({ kind: 'ended', status: 3 });
  });

  it('that is missing is a failure with its name', async () => {
    const result = await makeCall({ command: ['/nowhere/program'], timeoutSeconds: 5 }, {});
    expect(result).toMatchObject({ kind: 'failed' });
    expect((result as { detail: string }).detail).toContain('/nowhere/program');
  });

  it('is ended by the signal', async () => {
    const stop = new AbortController();
    stop.abort();
    const result = await makeCall({ command: ['/bin/sleep', '300'], timeoutSeconds: 300 }, {}, stop.signal);
    expect(result).toMatchObject({ kind: 'failed' });
  });
});

describe('an address of the site', () => {
  it('gets the facts as JSON and gives its status', async () => {
    let got = '';
    const url = await serve((request, response) => {
      request.setEncoding('utf8').on('data', (part: string) => (got += part));
      request.on('end', () => {
        response.statusCode = 409;
        response.end('in a call');
      });
    });
    const result = await makeCall({ url, timeoutSeconds: 30 }, { device: 'd' });
    expect(result).toEqual({ kind: 'ended', status: 409, said: 'in a call' });
    expect(JSON.parse(got)).toEqual({ device: 'd' });
  });

  it('that does not answer, or answers without end, is a failure', async () => {
    const silent = await serve(() => undefined);
    expect(await makeCall({ url: silent, timeoutSeconds: 1 }, {})).toEqual({
      kind: 'failed',
      detail: 'not done within 1 s',
    });
    const endless = await serve((_, response) => {
      const more = (): void => void (response.destroyed || response.write('x'.repeat(10_000), more));
      more();
    });
    expect(await makeCall({ url: endless, timeoutSeconds: 30 }, {})).toMatchObject({ kind: 'failed' });
  });
});
