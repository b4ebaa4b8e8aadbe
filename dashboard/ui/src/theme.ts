// Dark, light, or what the system says; the choice is kept in the browser.
import { effect, signal } from '@preact/signals';

export type Theme = '' | 'dark' | 'light'; // empty: follows the system

const themes: Theme[] = ['', 'dark', 'light'];

export const theme = signal<Theme>(themes.find(t => t === kept()) ?? '');

export function nextTheme(): void {
  theme.value = themes[(themes.indexOf(theme.value) + 1) % themes.length]!;
  try { localStorage.setItem('theme', theme.value); } catch { /* private mode */ }
}

function kept(): string | null {
  try { return localStorage.getItem('theme'); } catch { return null; /* private mode */ }
}

effect(() => {
  if (theme.value) document.documentElement.dataset.theme = theme.value;
  else delete document.documentElement.dataset.theme;
});
