/** Effects and their answers as lines, for debugging. */
import type { Effect, Input } from '@drydock/dfu-core';

/** One line of an effect: bytes as counts, never as contents. */
export function describeEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'send':
      return `send ${effect.channel} ${effect.bytes.length} bytes`;
    case 'await':
      return `await ${effect.channels.join(' ')} ${effect.withinMs} ms`;
    case 'subscribe':
    case 'query':
      return `${effect.kind} ${effect.channel}`;
    case 'read':
      return `read ${effect.source ?? ''} ${effect.offset}+${effect.length}`;
    case 'mark':
      return `mark ${effect.step}`;
    default:
      return effect.kind;
  }
}

export function describeInput(input: Input): string {
  switch (input.kind) {
    case 'frame':
    case 'data':
      return `${input.kind} ${input.bytes.length} bytes`;
    case 'failed':
      return `failed ${input.code}`;
    default:
      return input.kind;
  }
}
