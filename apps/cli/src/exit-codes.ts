/** What the command ends with. Scripts branch on it; see docs/cli.md. */
export const EXIT = {
  done: 0,
  /** The server failed, or something that nobody expected. */
  unexpected: 1,
  usage: 2,
  /** A file, filter or policy cannot be used. */
  refused: 3,
  signIn: 4,
  /** The role does not allow it, or an approval is missing. */
  notAllowed: 5,
  notFound: 6,
  conflict: 7,
  /** No answer, and nothing was changed. */
  unreachable: 8,
  /** No answer to a change: it may have been done. The same command may be repeated. */
  unknown: 9,
  /** `watch --exit-status`: ended, and not every device is proven. */
  notAllProven: 10,
  halted: 11,
  aborted: 12,
  /** Paused, held or awaiting approval. */
  waitsForPerson: 13,
  /** `--timeout` of a command that waits; the campaign goes on. */
  ownTimeout: 14,
  interrupted: 130,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** For `drydock help exit-codes` and docs/cli.md. */
export const EXIT_SENTENCES: readonly (readonly [number, string])[] = [
  [EXIT.done, 'done'],
  [EXIT.unexpected, 'the server failed, or something unexpected'],
  [EXIT.usage, 'the command was not understood'],
  [EXIT.refused, 'input refused: a file, a filter, a policy'],
  [EXIT.signIn, 'sign in first'],
  [EXIT.notAllowed, 'not allowed, or an approval is missing'],
  [EXIT.notFound, 'not found'],
  [EXIT.conflict, 'conflict with the present state'],
  [EXIT.unreachable, 'the server was not reached; nothing has changed'],
  [EXIT.unknown, 'the server did not answer; whether it was done is not known, and a repeat is safe'],
  [EXIT.notAllProven, 'watch --exit-status: ended, not every device is proven'],
  [EXIT.halted, 'watch --exit-status: halted'],
  [EXIT.aborted, 'watch --exit-status: aborted'],
  [EXIT.waitsForPerson, 'watch --exit-status: paused, held or awaiting approval'],
  [EXIT.ownTimeout, 'the time given with --timeout is over; the campaign goes on'],
  [EXIT.interrupted, 'interrupted by Ctrl-C'],
];
