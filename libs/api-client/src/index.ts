export { ApiForeignAnswerError, ApiProblemError, ApiUnreachableError } from './api-errors.js';
export type { components, operations, paths } from './api-types.js';
export { answerOf, itemsOf, makeApiClient, type ApiClient, type ApiClientOptions } from './client.js';
export { watchEvents, type WatchOptions } from './events.js';
export { uploadArtifact, type UploadOptions, type Uploaded } from './upload.js';
