/** HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in either case, for everything that `fetch` sends. */

const NAMES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'];

/** Loads what it needs only where a proxy is named. */
export async function useProxies(env: Readonly<Record<string, string | undefined>>): Promise<void> {
  if (!NAMES.some((name) => (env[name] ?? '') !== '')) return;
  const { EnvHttpProxyAgent, setGlobalDispatcher } = await import('undici');
  setGlobalDispatcher(new EnvHttpProxyAgent());
}
