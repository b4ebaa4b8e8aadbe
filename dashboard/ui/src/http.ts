// Asking the API.
import type { Refusal } from './api';

// Refused is an answer that says no, or none at all.
export class Refused extends Error {
  constructor(message: string, readonly cure = '', readonly status = 0) { super(message); }
}

// asRefused makes of whatever was thrown what the page can show.
export function asRefused(thrown: unknown): Refused {
  return thrown instanceof Refused ? thrown : new Refused(thrown instanceof Error ? thrown.message : String(thrown));
}

// refusal reads why an answer says no.
export async function refusal(answer: Response): Promise<Refused> {
  const body = await answer.json().catch(() => ({})) as Partial<Refusal>;
  return new Refused(body.error?.message ?? `the server answered ${answer.status}`, body.error?.cure, answer.status);
}

export async function get<T>(path: string): Promise<T> {
  const answer = await fetch(path, { cache: 'no-store' });
  if (!answer.ok) throw await refusal(answer);
  return await answer.json() as T;
}
