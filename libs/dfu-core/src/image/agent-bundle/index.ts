export {
  AGENT_BUNDLE_FORMAT,
  AGENT_MAIN,
  AGENT_MODEL,
  describeAgentBundle,
  isAgentBundle,
  makeAgentBundle,
  openAgentBundle,
  type AgentBundle,
  type AgentBundleFile,
  type AgentBundleParts,
  type AgentManifest,
} from './bundle.js';
