/** An upload whose progress can be seen, which `fetch` does not tell. */
import { ApiProblemError, ApiUnreachableError } from '@drydock/api-client';
import { Artifact, CSRF_HEADER, Problem } from '@drydock/contracts';
import { session } from '../../session/session-store.js';

export interface Upload {
  readonly file: File;
  /** Fields of the form beside the file, as text. */
  readonly fields: Readonly<Record<string, string>>;
  readonly onProgress: (sentBytes: number, totalBytes: number) => void;
  readonly signal: AbortSignal;
}

export interface Stored {
  readonly artifact: Artifact;
  /** False: the same file with the same fields was stored before. */
  readonly isNew: boolean;
}

/** @throws ApiProblemError | ApiUnreachableError; an AbortError when it was given up. */
export function sendFile({ file, fields, onProgress, signal }: Upload): Promise<Stored> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  // The file comes last: what stands before it is read when its first byte comes.
  form.set('file', file, file.name);
  const request = new XMLHttpRequest();
  return new Promise<Stored>((resolve, reject) => {
    const failed = () => reject(new ApiUnreachableError(location.origin, 'unknown', undefined, undefined));
    request.open('POST', '/api/v1/artifacts');
    const token = session.current()?.csrfToken;
    if (token !== undefined) request.setRequestHeader(CSRF_HEADER, token);
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onerror = failed;
    request.ontimeout = failed;
    request.onabort = () => reject(new DOMException('The upload was given up.', 'AbortError'));
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status === 200 || request.status === 201) {
        const artifact = Artifact.safeParse(body);
        if (artifact.success) return resolve({ artifact: artifact.data, isNew: request.status === 201 });
      }
      const problem = Problem.safeParse(body);
      if (problem.success) reject(new ApiProblemError(problem.data));
      else failed();
    };
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(form);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
