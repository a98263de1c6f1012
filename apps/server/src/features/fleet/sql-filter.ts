/** Collects conditions of a list and numbers their parameters. */
export class SqlFilter {
  readonly params: unknown[] = [];
  private readonly conditions: string[] = [];

  /** @param condition SQL with one `?` for each value. A value that is undefined leaves the condition out. */
  and(condition: string, ...values: unknown[]): this {
    if (values.some((value) => value === undefined)) return this;
    let next = 0;
    this.conditions.push(condition.replace(/\?/g, () => this.param(values[next++])));
    return this;
  }

  /** `key=value`, or `key` for any value. */
  andTag(column: string, tag: string | undefined): this {
    if (tag === undefined) return this;
    const at = tag.indexOf('=');
    if (at < 0) return this.and(`jsonb_exists(${column}, ?)`, tag);
    return this.and(`${column} @> ?::jsonb`, JSON.stringify({ [tag.slice(0, at)]: tag.slice(at + 1) }));
  }

  /** @param condition SQL whose parameters are already numbered by {@link add}. */
  andSql(condition: string): this {
    this.conditions.push(condition);
    return this;
  }

  /** @returns the placeholder of a parameter with this value. */
  add(value: unknown): string {
    return this.param(value);
  }

  /** @returns the name of a parameter with this value. */
  param(value: unknown): string {
    this.params.push(value);
    return `$${this.params.length}`;
  }

  get where(): string {
    return this.conditions.join(' and ');
  }
}
