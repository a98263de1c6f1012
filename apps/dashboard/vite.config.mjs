import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  // The libraries of the workspace are read as sources, so that only what a page uses is shipped.
  resolve: { conditions: ['@drydock/source', 'module', 'browser', 'development|production'] },
  build: {
    outDir: 'dist/site',
    emptyOutDir: true,
    target: 'es2022',
    // Everything comes from the server that serves the page; nothing is put into the page as text.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // While a page is built: `npx vite` beside a server at DRYDOCK_URL.
  server: {
    host: '127.0.0.1',
    proxy: { '/api': { target: process.env.DRYDOCK_URL ?? 'http://127.0.0.1:8080', changeOrigin: true } },
  },
});
