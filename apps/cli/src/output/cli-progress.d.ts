/** The part of cli-progress that is used here; the package brings no types. */
declare module 'cli-progress' {
  interface Options {
    readonly stream?: NodeJS.WritableStream;
    readonly format?: string;
    readonly barCompleteChar?: string;
    readonly barIncompleteChar?: string;
    readonly hideCursor?: boolean;
    readonly clearOnComplete?: boolean;
    readonly fps?: number;
  }
  class SingleBar {
    constructor(options: Options);
    start(total: number, value: number): void;
    update(value: number): void;
    stop(): void;
  }
  const bars: { readonly SingleBar: typeof SingleBar };
  export default bars;
}
