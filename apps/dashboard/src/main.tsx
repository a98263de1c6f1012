/** The composition of the page. */
import './theme/styles.js';
import { MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { createRoot } from 'react-dom/client';
import { router } from './app/router.js';
import { queryClient } from './data/query-client.js';
import { cssVariables, theme } from './theme/theme.js';

/** Only styles that carry the page's nonce are obeyed. */
const nonce = document.querySelector('meta[name="drydock-nonce"]')?.getAttribute('content') ?? '';

createRoot(document.getElementById('root')!).render(
  <MantineProvider
    theme={theme}
    defaultColorScheme="auto"
    cssVariablesResolver={cssVariables}
    getStyleNonce={() => nonce}
    withStaticClasses
  >
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </MantineProvider>,
);
