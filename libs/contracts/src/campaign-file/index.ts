/**
 * A campaign as a YAML file (`drydock campaign apply -f`): what it may say, how it becomes the body of the API and back, and
 * where in it a fault stands. For the command line, the dashboard, and the server that publishes its JSON Schema.
 */
export {
  CAMPAIGN_FILE_VERSION,
  CampaignFile,
  campaignFileJsonSchema,
  namedArtifact,
  namedRestore,
  type NamedArtifact,
} from './file-schema.js';
export {
  draftOfFile,
  fileOfCampaign,
  filePathOf,
  apiPathOf,
  spellingOf,
  type CampaignDraftInput,
  type StoredCampaign,
} from './map-draft.js';
export { formatDuration, formatShare, parseDuration, parseShare } from './quantities.js';
export {
  MAX_CAMPAIGN_FILE_CHARS,
  readCampaignFile,
  type CampaignFileProblem,
  type CampaignFileRead,
  type ReadCampaignFile,
} from './read-campaign-file.js';
export { problemLines } from './problem-lines.js';
export { writeCampaignFile } from './write-campaign-file.js';
