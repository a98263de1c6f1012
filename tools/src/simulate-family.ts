/** Units of one family, simulated for a person at a terminal. */
export interface SimulatedFamily {
  /** What is simulated, in a sentence. */
  readonly what: string;
  /** What the person may type, a line each; empty lines separate units. */
  readonly commands: readonly string[];
  close(): Promise<void>;
}
