/** Who would be updated now, asked again a moment after each change; the answer before stays until the new one is there. */
import { answerOf } from '@drydock/api-client';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useRef } from 'react';
import { changing } from '../../data/api.js';
import { ownFaults, type PlanForm } from './plan-form.js';

/** Together with the answer below 300 ms after the last key. */
const AFTER_TYPING_MS = 150;

/** @param isWhole false while a field holds text that means nothing. */
export function usePreview(form: PlanForm, isWhole: boolean) {
  // Neither changes who is a member; without them there is a preview before there is a name.
  const asked = { ...form, name: 'preview', note: '' };
  const key = JSON.stringify(asked);
  const [settled] = useDebouncedValue(key, AFTER_TYPING_MS);
  const may = isWhole && form.artifactId !== '' && ownFaults(asked).length === 0;
  const query = useQuery({
    queryKey: ['plan-preview', settled],
    queryFn: () => answerOf(changing.POST('/api/v1/campaigns/preview', { body: JSON.parse(settled) as PlanForm })),
    enabled: may && settled === key,
    placeholderData: keepPreviousData,
  });
  const last = useRef(query.data);
  if (query.data) last.current = query.data;
  const isFresh = may && settled === key && query.isSuccess && !query.isPlaceholderData;
  return {
    preview: form.artifactId === '' ? undefined : last.current,
    isFresh,
    error: settled === key && query.isError ? query.error : undefined,
  };
}

/** The filter in words, and how many devices of any model match it. */
export function useFilterWords(filter: string | undefined) {
  const [settled] = useDebouncedValue(filter ?? '', AFTER_TYPING_MS);
  return useQuery({
    queryKey: ['filter-preview', settled],
    queryFn: () => answerOf(changing.POST('/api/v1/devices/filter-preview', { body: { filter: settled } })),
    enabled: settled.trim() !== '',
    placeholderData: keepPreviousData,
  });
}
