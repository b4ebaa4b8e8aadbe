// The filter that the URL holds.
import type { FacetName, Row } from './api';

export const facetNames: readonly FacetName[] = ['severity', 'rule', 'key', 'source'];

// Filter: any of a facet's values may match, every facet that has some must, and so must q.
export type Filter = Record<FacetName, string[]> & { q: string };

export function filterOf(search: string): Filter {
  const query = new URLSearchParams(search);
  const values = (name: FacetName) => [...new Set(query.getAll(name).filter(Boolean))];
  return { severity: values('severity'), rule: values('rule'), key: values('key'), source: values('source'), q: query.get('q') ?? '' };
}

export function queryOf(filter: Filter): string {
  const pairs = facetNames.flatMap(name => filter[name].map(v => [name, v]));
  if (filter.q) pairs.push(['q', filter.q]);
  return new URLSearchParams(pairs).toString();
}

export const isEmpty = (filter: Filter) => queryOf(filter) === '';

export const listPath = (filter: Filter) => isEmpty(filter) ? '/' : '/?' + queryOf(filter);

// toggled returns the filter with the value taken or left.
export function toggled(filter: Filter, name: FacetName, value: string): Filter {
  const values = filter[name];
  return { ...filter, [name]: values.includes(value) ? values.filter(v => v !== value) : [...values, value] };
}

// matches decides as the server does, for alerts that come by the stream.
export function matches(filter: Filter, row: Row): boolean {
  const keys = Object.values(row.key).map(v => typeof v === 'string' ? v : JSON.stringify(v));
  const facets: Record<FacetName, string[]> = { severity: [row.rule.severity], rule: [row.rule.id], key: [row.key_text, ...keys], source: [row.source] };
  if (!facetNames.every(name => !filter[name].length || filter[name].some(v => facets[name].includes(v)))) return false;
  const q = filter.q.trim().toLowerCase();
  return !q || [row.summary, row.rule.id, row.rule.title, row.rule.severity, row.key_text, row.source, row.state, ...(row.rule.tags ?? [])].join('\n').toLowerCase().includes(q);
}

// typed reads what is in the filter's box; once it is finished, "rule:x" is a value of its facet and no text.
export function typed(filter: Filter, input: string, finished: boolean): Filter {
  const out = { ...filter }, words: string[] = [];
  for (const word of input.split(/\s+/)) {
    const [, name, value] = /^(severity|rule|key|source):(.+)$/.exec(word) ?? [];
    if (!name || !value || !finished) words.push(word);
    else if (!out[name as FacetName].includes(value)) out[name as FacetName] = [...out[name as FacetName], value];
  }
  out.q = words.join(' ').trim();
  return out;
}

// isHalfTyped says that the text begins as a facet's value does, so it is no text to search yet.
export const isHalfTyped = (q: string) => /^(severity|rule|key|source):/.test(q);
