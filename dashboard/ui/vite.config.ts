import { defineConfig } from 'vite';

// The built files have stable names and lie beside each other, because Go embeds dist and serves every file but the pages below /assets/.
// light-dark() is why the browsers are named: with older ones in the list it would be rewritten.
export default defineConfig(({ command }) => ({
  base: command === 'build' ? '/assets/' : '/',
  build: {
    target: ['chrome123', 'edge123', 'firefox121', 'safari17.5'],
    assetsDir: '',
    assetsInlineLimit: 0, // the policy allows no data: URL
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    license: { fileName: 'licenses.md' }, // of what is bundled, as those licences ask
    rolldownOptions: {
      input: { app: 'index.html' },
      output: { entryFileNames: '[name].js', chunkFileNames: '[name].js', assetFileNames: '[name][extname]' },
    },
  },
  server: { proxy: { '/api': { target: process.env.INSOLITE ?? 'http://127.0.0.1:8080', changeOrigin: true } } },
}));
