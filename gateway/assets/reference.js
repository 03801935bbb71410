// Draws the reference. Fonts are the machine's own: nothing is fetched from elsewhere.
const sans = 'system-ui, -apple-system, "Segoe UI", "Hiragino Sans", "Noto Sans CJK JP", sans-serif';
const mono = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Noto Sans Mono CJK JP", monospace';

Redoc.init(
  '/openapi.json',
  {
    hideDownloadButton: false,
    expandResponses: '200,201,202',
    requiredPropsFirst: true,
    sortTagsAlphabetically: false,
    jsonSampleExpandLevel: 3,
    pathInMiddlePanel: true,
    theme: {
      colors: { primary: { main: '#1f4e79' } },
      typography: {
        fontFamily: sans,
        fontSize: '15px',
        headings: { fontFamily: sans, fontWeight: '600' },
        code: { fontFamily: mono, fontSize: '13px' },
      },
      sidebar: { width: '280px' },
    },
  },
  document.getElementById('reference'),
);
