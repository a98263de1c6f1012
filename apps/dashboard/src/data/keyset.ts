/** Lists that the server pages by keyset: more is asked for as one scrolls; nothing is counted that the server does not count. */
import { keepPreviousData, useInfiniteQuery, type QueryKey } from '@tanstack/react-query';
import { useMemo, useRef } from 'react';
import { pollEvery } from './query-client.js';

export interface KeysetPage<T> {
  readonly items: readonly T[];
  readonly next?: string | undefined;
  /** How many match in all, where the server tells. */
  readonly total?: number | undefined;
}

export interface KeysetRows<T> {
  readonly rows: readonly T[] | undefined;
  readonly total: number | undefined;
  readonly hasMore: boolean;
  readonly loadMore: () => void;
  readonly isLoadingMore: boolean;
  readonly error: unknown;
  readonly isError: boolean;
  /** Rows of the query before, while the new ones are on their way. */
  readonly isOld: boolean;
  readonly data: readonly T[] | undefined;
  readonly dataUpdatedAt: number;
  readonly refetch: () => unknown;
}

/**
 * @param fetchPage one page after the given key.
 * @param options.renewEveryMs for lists that no event tells of.
 */
export function useKeysetRows<T>(
  queryKey: QueryKey,
  fetchPage: (after: string | undefined) => Promise<KeysetPage<T>>,
  { renewEveryMs, ...options }: { enabled?: boolean; renewEveryMs?: number } = {},
): KeysetRows<T> {
  const query = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam }) => fetchPage(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    // Long lists are not read again and again while somebody scrolls through them.
    ...(renewEveryMs !== undefined && {
      refetchInterval: (query: {
        readonly state: {
          readonly status: string;
          readonly error: unknown;
          readonly data?: { pages: readonly unknown[] } | undefined;
        };
      }) => ((query.state.data?.pages.length ?? 0) > 1 ? false : pollEvery(renewEveryMs)(query)),
    }),
    ...options,
  });
  const read = useMemo(() => query.data?.pages.flatMap((page) => page.items), [query.data]);
  // A question that was refused leaves the answer to the one before on screen, marked as old.
  const before = useRef<readonly T[]>(undefined);
  if (read !== undefined && !query.isPlaceholderData) before.current = read;
  const isRefused = read === undefined && query.isError;
  const rows = isRefused ? before.current : read;
  return {
    rows,
    total: query.data?.pages[0]?.total ?? (rows && !query.hasNextPage ? rows.length : undefined),
    hasMore: query.hasNextPage,
    loadMore: () => {
      if (query.hasNextPage && !query.isFetchingNextPage) void query.fetchNextPage();
    },
    isLoadingMore: query.isFetchingNextPage,
    error: query.error,
    isError: query.isError,
    isOld: query.isPlaceholderData || isRefused,
    data: rows,
    dataUpdatedAt: query.dataUpdatedAt,
    refetch: query.refetch,
  };
}
