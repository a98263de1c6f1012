/** Between a client and a server: what breaks off before the answer, and a proxy that tunnels. */
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';

/** Hands requests on, and where it is told to, breaks off before a changing one is answered. */
export async function openSwallower(target: string): Promise<{ url: string; swallow: boolean; close(): void }> {
  const self = { url: '', swallow: false, close: () => undefined as void };
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { host: _, connection: __, ...headers } = request.headers;
      const answer = await fetch(target + (request.url ?? ''), {
        method: request.method ?? 'GET',
        headers: headers as Record<string, string>,
        ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
      });
      const body = Buffer.from(await answer.arrayBuffer());
      if (self.swallow && request.method === 'POST') request.socket.destroy();
      else
        response
          .writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' })
          .end(body);
    })().catch(() => request.socket.destroy());
  });
  self.url = await listen(server);
  self.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return self;
}

/** Tunnels as RFC 9110, section 9.3.6 says, and keeps where to. */
export async function openConnectProxy(): Promise<{ url: string; asked: string[]; close(): void }> {
  const asked: string[] = [];
  const server = createServer();
  server.on('connect', (request, socket) => {
    asked.push(request.url ?? '');
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket);
      socket.pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  const url = await listen(server);
  return {
    url,
    asked,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
