/** The plan that is being written, for every field of every step. */
import { createContext, useContext } from 'react';
import type { CampaignPreview } from '@drydock/contracts';
import type { Artifact } from '../../data/artifacts.js';
import type { Fault, PlanForm } from './plan-form.js';

export interface PlanDesk {
  readonly form: PlanForm;
  readonly artifact: Artifact | undefined;
  /** Sets one value; `undefined` takes it away. */
  readonly set: (path: string, value: unknown) => void;
  /** Puts another plan in its place: a pasted file, a list with a stage more. */
  readonly replace: (form: PlanForm) => void;
  /** A field holds text that means nothing: it says so, and the plan keeps the value before. */
  readonly noteText: (path: string, message: string | undefined) => void;
  readonly faults: readonly Fault[];
  readonly preview: CampaignPreview | undefined;
  /** The preview is of an earlier text. */
  readonly isOld: boolean;
  readonly previewError: unknown;
}

const Desk = createContext<PlanDesk | undefined>(undefined);
export const PlanDeskProvider = Desk.Provider;

export function usePlanDesk(): PlanDesk {
  const desk = useContext(Desk);
  if (!desk) throw new Error('a field of the plan outside of the page that holds it');
  return desk;
}

/** What is said against a path, or undefined; what is only missing is said in the list. */
export function faultAt(faults: readonly Fault[], path: string): string | undefined {
  const own = faults.filter((fault) => fault.path === path && !fault.isMissing);
  return own.length === 0 ? undefined : own.map(({ message }) => message).join(' ');
}
