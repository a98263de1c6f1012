/** For specs: a browser as far as sign-in needs one. It keeps cookies by host and name, and follows nothing by itself. */
export class TestBrowser {
  private static made = 0;
  private readonly jar = new Map<string, string>();
  /** Each comes from an address of its own, where the server trusts what a proxy on this machine says. */
  private readonly address = `10.0.${Math.floor(TestBrowser.made / 250)}.${(TestBrowser.made++ % 250) + 1}`;

  constructor(private readonly baseUrl: string) {}

  cookie(name: string): string | undefined {
    return this.jar.get(`${new URL(this.baseUrl).host} ${name}`);
  }

  /** The jar's entry is replaced as an attacker or a restored backup could. */
  setCookie(name: string, value: string): void {
    this.jar.set(`${new URL(this.baseUrl).host} ${name}`, value);
  }

  async ask(
    method: string,
    url: string,
    options: { body?: unknown; form?: Record<string, string>; headers?: Record<string, string> } = {},
  ): Promise<{ status: number; headers: Headers; text: string; body: Record<string, unknown> }> {
    const target = new URL(url, this.baseUrl);
    const cookies = [...this.jar]
      .filter(([key]) => key.startsWith(`${target.host} `))
      .map(([key, value]) => `${key.slice(target.host.length + 1)}=${value}`);
    const response = await fetch(target, {
      method,
      redirect: 'manual',
      headers: {
        'x-forwarded-for': this.address,
        ...(cookies.length > 0 && { cookie: cookies.join('; ') }),
        ...(options.body !== undefined && { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
      ...(options.form && { body: new URLSearchParams(options.form) }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(';');
      const [name, value] = [pair!.slice(0, pair!.indexOf('=')), pair!.slice(pair!.indexOf('=') + 1)];
      const gone = attributes.some((attribute) => /^\s*(expires=Thu, 01 Jan 1970|max-age=0)/i.test(attribute));
      if (gone) this.jar.delete(`${target.host} ${name}`);
      else this.jar.set(`${target.host} ${name}`, value);
    }
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') ?? false;
    const body = json ? (JSON.parse(text) as Record<string, unknown>) : {};
    return { status: response.status, headers: response.headers, text, body };
  }
}
