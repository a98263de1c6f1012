/** The draft is kept on the server: saved by itself once it is whole, and never over somebody else's change. */
import { answerOf, ApiProblemError } from '@drydock/api-client';
import type { Campaign } from '@drydock/contracts';
import { useDebouncedValue } from '@mantine/hooks';
import { useEffect, useRef, useState } from 'react';
import { changing, reading } from '../../data/api.js';
import { faultsOf, type Fault, type PlanForm } from './plan-form.js';

const AFTER_CHANGE_MS = 800;

export interface Saved {
  readonly id: string;
  readonly revision: number;
}

export interface DraftKeeper {
  readonly saved: (Saved & { readonly atMs: number | undefined }) | undefined;
  readonly isSaving: boolean;
  /** Changed since it was saved. */
  readonly isDirty: boolean;
  readonly error: unknown;
  readonly faults: readonly Fault[];
  /** Somebody changed the draft meanwhile. */
  readonly isConflict: boolean;
  /** Saves what is on screen. @throws what the server said */
  readonly save: (options?: { readonly onTop?: boolean }) => Promise<Saved>;
}

/**
 * @param may whether the form is whole and the server has judged it.
 * @param onSaved called with the id when the draft is kept for the first time.
 */
export function useDraft(
  form: PlanForm,
  first: Saved | undefined,
  may: boolean,
  onSaved: (id: string) => void,
): DraftKeeper {
  const text = JSON.stringify(form);
  const [settled] = useDebouncedValue(text, AFTER_CHANGE_MS);
  const [saved, setSaved] = useState<DraftKeeper['saved']>(first && { ...first, atMs: undefined });
  const [error, setError] = useState<{ readonly error: unknown; readonly of: string }>();
  const [isSaving, setIsSaving] = useState(false);
  // What a form begins with is no change: looking at it keeps nothing.
  const keptText = useRef(text);
  const tried = useRef<string>(undefined);
  const running = useRef<Promise<Saved>>(undefined);
  const isDirty = text !== keptText.current;

  const save = async ({ onTop = false }: { readonly onTop?: boolean } = {}): Promise<Saved> => {
    await running.current?.catch(() => undefined);
    if (saved && text === keptText.current) return saved;
    tried.current = text;
    setIsSaving(true);
    const turn = write(form, saved, onTop);
    running.current = turn;
    try {
      const kept = await turn;
      keptText.current = text;
      setSaved({ ...kept, atMs: Date.now() });
      setError(undefined);
      if (saved === undefined) onSaved(kept.id);
      return kept;
    } catch (problem) {
      setError({ error: problem, of: text });
      throw problem;
    } finally {
      setIsSaving(false);
    }
  };
  const latest = useRef(save);
  latest.current = save;
  useEffect(() => {
    if (!may || !isDirty || settled !== text || tried.current === text) return;
    latest.current().catch(() => undefined);
  }, [may, isDirty, settled, text]);

  const own = error?.of === text ? error.error : undefined;
  return {
    saved,
    isSaving,
    isDirty,
    error: own,
    faults: faultsOf(own) ?? [],
    isConflict: own instanceof ApiProblemError && own.code === 'request.stale',
    save,
  };
}

async function write(form: PlanForm, saved: Saved | undefined, onTop: boolean): Promise<Saved> {
  if (saved === undefined) return shown(await answerOf(changing.POST('/api/v1/campaigns', { body: form })));
  const path = { id: saved.id };
  const revision = onTop
    ? (await answerOf(reading.GET('/api/v1/campaigns/{id}', { params: { path } }))).revision
    : saved.revision;
  return shown(
    await answerOf(
      changing.PUT('/api/v1/campaigns/{id}', {
        params: { path, header: { 'If-Match': `"${revision}"` } },
        body: form,
      }),
    ),
  );
}

const shown = ({ id, revision }: Campaign): Saved => ({ id, revision });
