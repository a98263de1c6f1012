/** The questions that several pages ask. What belongs to one page lies beside it. */
import { answerOf } from '@drydock/api-client';
import { queryOptions } from '@tanstack/react-query';
import { reading } from './api.js';

export const overviewQuery = queryOptions({
  queryKey: ['overview'],
  queryFn: () => answerOf(reading.GET('/api/v1/overview')),
});

export const signInMethodsQuery = queryOptions({
  queryKey: ['sign-in-methods'],
  queryFn: () => answerOf(reading.GET('/api/v1/session/methods')),
});
