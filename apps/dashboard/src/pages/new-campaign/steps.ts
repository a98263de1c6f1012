/** The steps of a new campaign, in their order. */
export const STEPS = ['what', 'which', 'how', 'rehearse', 'review'] as const;
export type Step = (typeof STEPS)[number];

export const STEP_NAMES: Readonly<Record<Step, string>> = {
  what: 'What',
  which: 'Which',
  how: 'How',
  rehearse: 'Rehearse',
  review: 'Review',
};
