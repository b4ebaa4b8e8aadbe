// The drawings that icons and severities refer to.

export function Sprite() {
  return (
    <svg class="sprite" aria-hidden="true">
      <symbol id="i-alerts" viewBox="0 0 16 16"><path d="M2 11h2.5l2-7 3 10 2-5H14" /></symbol>
      <symbol id="i-pipeline" viewBox="0 0 16 16"><path d="M2 4h4l4 8h4M2 12h4M10 4h4" /></symbol>
      <symbol id="i-search" viewBox="0 0 16 16"><circle cx="7" cy="7" r="4.2" /><path d="M10.2 10.2L14 14" /></symbol>
      <symbol id="i-x" viewBox="0 0 16 16"><path d="M3.5 3.5l9 9M12.5 3.5l-9 9" /></symbol>
      <symbol id="i-check" viewBox="0 0 16 16"><path d="M3 8.5l3.2 3.2L13 4.8" /></symbol>
      <symbol id="i-up" viewBox="0 0 16 16"><path d="M3.5 10L8 5.5 12.5 10" /></symbol>
      <symbol id="i-down" viewBox="0 0 16 16"><path d="M3.5 6L8 10.5 12.5 6" /></symbol>
      <symbol id="i-pause" viewBox="0 0 16 16"><path d="M5.5 3.5v9M10.5 3.5v9" /></symbol>
      <symbol id="i-play" viewBox="0 0 16 16"><path d="M5 3.2v9.6L12.5 8z" /></symbol>
      <symbol id="i-theme" viewBox="0 0 16 16"><circle cx="8" cy="8" r="5.2" /><path d="M8 2.8v10.4a5.2 5.2 0 000-10.4z" fill="currentColor" /></symbol>
      <symbol id="i-warn" viewBox="0 0 16 16"><path d="M8 2.5l6 11H2zM8 6.5v3.2M8 11.8v.1" /></symbol>
      <symbol id="i-plug" viewBox="0 0 16 16"><path d="M2 14l3-3M14 2l-3 3M5.5 7.5l3 3-1.2 1.2a2.1 2.1 0 01-3-3zM10.5 8.5l-3-3 1.2-1.2a2.1 2.1 0 013 3z" /></symbol>
      <symbol id="i-copy" viewBox="0 0 16 16"><rect x="5.5" y="5.5" width="8" height="8" rx="1.2" /><path d="M10.5 5.5v-3h-8v8h3" /></symbol>
      <symbol id="i-filter" viewBox="0 0 16 16"><path d="M2 4h12M4.5 8h7M7 12h2" /></symbol>
      <symbol id="s-critical" viewBox="0 0 14 14"><path d="M4.3 0h5.4L14 4.3v5.4L9.7 14H4.3L0 9.7V4.3z" /><path d="M7 3.2v4.6M7 10.4v.4" stroke="var(--surface)" stroke-width={1.8} stroke-linecap="round" fill="none" /></symbol>
      <symbol id="s-high" viewBox="0 0 14 14"><path d="M7 .8l6.6 12.4H.4z" stroke="currentColor" stroke-linejoin="round" /></symbol>
      <symbol id="s-medium" viewBox="0 0 14 14"><path d="M7 .6L13.4 7 7 13.4.6 7z" /></symbol>
      <symbol id="s-low" viewBox="0 0 14 14"><rect x="1.9" y="1.9" width="10.2" height="10.2" rx="1" fill="none" stroke="currentColor" stroke-width={1.8} /></symbol>
      <symbol id="s-info" viewBox="0 0 14 14"><circle cx="7" cy="7" r="3.6" fill="none" stroke="currentColor" stroke-width={1.6} /></symbol>
    </svg>
  );
}

// Wordmark: its second i has the dot out of place.
export function Wordmark() {
  return (
    <svg class="wm" viewBox="0 0 68 20" role="img" aria-label="insolite" fill="none" stroke="currentColor" stroke-width={2} stroke-linecap="round" stroke-linejoin="round">
      <path d="M2 8v9M7 17V8M7 11.6a3.6 3.6 0 017.2 0V17M23.2 9.4C22.5 8.5 21.5 8 20.5 8c-1.6 0-2.8.9-2.8 2.2 0 1.4 1.2 1.9 2.9 2.3s3 .9 3 2.3c0 1.3-1.3 2.2-3 2.2-1.3 0-2.4-.5-3.1-1.5" />
      <circle cx={31} cy={12.5} r={4.5} />
      <path d="M39.4 2v15M44.2 8v9M50.4 4.8v9.4c0 1.8.8 2.8 2.4 2.8h.6M48.2 8h5.4M56.6 12.5h9A4.5 4.5 0 1064.4 15.7" />
      <circle cx={2} cy={3.7} r={1.35} fill="currentColor" stroke="none" />
      <circle cx={46.4} cy={2.5} r={1.7} fill="var(--accent)" stroke="none" />
    </svg>
  );
}
